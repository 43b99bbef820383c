"""Built corpora are found in the data directory."""

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import data_dir


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
  monkeypatch.delenv(data_dir.ENVIRONMENT_VARIABLE, raising=False)
  yield
  data_dir.set_data_dir(None)


def _task(task_id="t/1"):
  return schema.RepairTask(
      task_id=task_id, split="dev", instruction="Add one.", entry_point="f", buggy_code="def f(x):\n  return x",
      reference_code="def f(x):\n  return x + 1", public_tests=("assert f(1) == 2",), hidden_tests=(),
      bug_kind="constant", bug_origin="mutant",
  )


def test_default_is_in_the_home_directory(monkeypatch, tmp_path):
  monkeypatch.setenv("HOME", str(tmp_path))
  assert str(data_dir.data_dir()) == str(tmp_path / "next_jax_datasets")


def test_environment_variable_is_used_at_each_call(monkeypatch, tmp_path):
  monkeypatch.setenv(data_dir.ENVIRONMENT_VARIABLE, str(tmp_path / "a"))
  assert data_dir.data_dir().name == "a"
  monkeypatch.setenv(data_dir.ENVIRONMENT_VARIABLE, str(tmp_path / "b"))
  assert data_dir.data_dir().name == "b"


def test_a_chosen_directory_wins_over_the_environment(monkeypatch, tmp_path):
  monkeypatch.setenv(data_dir.ENVIRONMENT_VARIABLE, str(tmp_path / "a"))
  data_dir.set_data_dir(tmp_path / "chosen")
  assert data_dir.data_dir().name == "chosen"
  data_dir.set_data_dir(None)
  assert data_dir.data_dir().name == "a"


def test_a_split_is_read_back_as_it_was_written(tmp_path):
  data_dir.set_data_dir(tmp_path)
  files.write_jsonl(data_dir.split_path("minirepair", "dev"), [_task()])
  assert data_dir.read_split("minirepair", "dev") == [_task()]


def test_a_split_that_was_not_built_is_named_with_those_that_were(tmp_path):
  data_dir.set_data_dir(tmp_path)
  files.write_jsonl(data_dir.split_path("mbpp_r", "train"), [_task()])
  with pytest.raises(errors.CorpusError, match=r"mbpp_r/dev\.jsonl.*splits found: train.*NEXT_JAX_DATA_DIR"):
    data_dir.read_split("mbpp_r", "dev")


def test_a_damaged_line_is_named(tmp_path):
  data_dir.set_data_dir(tmp_path)
  path = data_dir.split_path("mbpp_r", "dev")
  files.write_jsonl(path, [_task(), _task("t/2")])
  path.write_text(path.read_text()[:-20])
  with pytest.raises(files.FileError, match=r"dev\.jsonl:2"):
    data_dir.read_split("mbpp_r", "dev")
