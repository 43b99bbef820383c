"""The TFDS datasets, over tasks of the embedded corpus under the names of the real ones."""

import json

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair

pytest.importorskip("importlib_resources", reason="tensorflow-datasets 4.9 needs it, and does not say so")

import tensorflow_datasets as tfds  # noqa: E402

from next_jax.corpora.tfds import hefix_plus  # noqa: E402
from next_jax.corpora.tfds import mbpp_r  # noqa: E402
from next_jax.corpora.tfds import repair_builder  # noqa: E402

_SMALL = minirepair.MiniRepair(num_train=5, num_dev=3, num_unseen=2)


@pytest.fixture(scope="module", name="built")
def fixture_built(tmp_path_factory):
  directory = tmp_path_factory.mktemp("data") / "mbpp_r"
  _SMALL.build(directory)
  return directory


@pytest.fixture(scope="module", name="prepared")
def fixture_prepared(built, tmp_path_factory):
  prepared = tmp_path_factory.mktemp("tfds")
  mbpp_r.MbppR(directory=built, data_dir=prepared).download_and_prepare()
  return prepared


def test_it_is_loaded_by_name_from_the_data_directory(built, prepared):
  data_dir.set_data_dir(built.parent)
  try:
    dataset, info = tfds.load("mbpp_r", split="dev", data_dir=prepared, with_info=True)
  finally:
    data_dir.set_data_dir(None)
  assert str(info.version) == "1.0.0"
  assert info.metadata["sha256"] == data_dir.digest(built)
  assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 5, "dev": 3}
  assert len(list(dataset)) == 3


def test_an_example_is_the_task_that_was_built(built, prepared):
  builder = mbpp_r.MbppR(directory=built, data_dir=prepared)
  wanted = {task.task_id: task for task in files.read_jsonl(built / "train.jsonl", schema.RepairTask)}
  found = {}
  for example in tfds.as_numpy(builder.as_dataset(split="train")):
    task = schema.RepairTask.from_json(json.loads(example["task"]))
    found[task.task_id] = task
    for name in ("task_id", "instruction", "entry_point", "buggy_code", "reference_code", "bug_kind", "bug_origin"):
      assert example[name].decode() == getattr(task, name), name
    for name in ("public_tests", "hidden_tests"):
      assert tuple(test.decode() for test in example[name]) == getattr(task, name), name
    assert example["trace_call"].decode() == task.trace.call
    assert "# (0) " in example["traced_code"].decode()
  assert found == wanted


def test_a_prepared_dataset_of_another_build_is_refused(prepared, tmp_path):
  minirepair.MiniRepair(seed=1, num_train=5, num_dev=3, num_unseen=2).build(tmp_path / "other")
  with pytest.raises(errors.CorpusError, match="was prepared from a build with sha256 .*delete the former"):
    mbpp_r.MbppR(directory=tmp_path / "other", data_dir=prepared)


def test_what_is_not_built_is_built_first(tmp_path):
  class Small(repair_builder.RepairBuilder, skip_registration=True):
    """A small one."""

    name = "small"
    CORPUS = _SMALL
    SPLITS = ("unseen",)
    HOMEPAGE = CITATION = ""

  builder = Small(directory=tmp_path / "built", data_dir=tmp_path / "tfds")
  builder.download_and_prepare()
  assert builder.info.splits["unseen"].num_examples == 2
  assert len(files.read_jsonl(tmp_path / "built" / "unseen.jsonl", schema.RepairTask)) == 2


def test_both_are_registered_with_their_splits():
  assert (mbpp_r.MbppR.name, hefix_plus.HefixPlus.name) == ("mbpp_r", "hefix_plus")
  assert (mbpp_r.MbppR.SPLITS, hefix_plus.HefixPlus.SPLITS) == (("train", "dev"), ("test",))
  assert {"mbpp_r", "hefix_plus"} <= set(tfds.list_builders(with_community_datasets=False))
