"""A run can take a corpus that was built before."""

import pytest

from next_jax import errors
from next_jax import files
from next_jax.corpora import built
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair


@pytest.fixture(scope="module", name="directory")
def fixture_directory(tmp_path_factory):
  directory = tmp_path_factory.mktemp("corpus") / "minirepair"
  minirepair.MiniRepair(num_train=4, num_dev=2, num_unseen=1).build(directory)
  return directory


def test_a_run_gets_the_same_bytes(directory, tmp_path):
  corpus = built.Built(directory=directory, sha256=data_dir.digest(directory))
  assert corpus.name == "minirepair"
  assert corpus.build(tmp_path / "copy", None) == {"train": 4, "dev": 2, "unseen": 1}
  names = sorted(path.name for path in (tmp_path / "copy").iterdir())
  assert names == ["dev.jsonl", "statistics.json", "train.jsonl", "unseen.jsonl"]
  assert all((tmp_path / "copy" / name).read_bytes() == (directory / name).read_bytes() for name in names)


def test_another_digest_is_refused_and_nothing_written(directory, tmp_path):
  with pytest.raises(errors.CorpusError, match="its sha256 is .*, expected 0000"):
    built.Built(directory=directory, sha256="0000").build(tmp_path / "copy", None)
  assert not (tmp_path / "copy").exists()


def test_a_damaged_split_is_named_with_its_line(directory, tmp_path):
  (tmp_path / "minirepair").mkdir()
  (tmp_path / "minirepair" / "dev.jsonl").write_text((directory / "dev.jsonl").read_text()[:-40])
  with pytest.raises(files.FileError, match="dev.jsonl:2: expected one JSON object"):
    built.Built(directory=tmp_path / "minirepair").build(tmp_path / "copy", None)


def test_an_empty_directory_is_refused(tmp_path):
  with pytest.raises(errors.CorpusError, match="no splits there; expected what next-jax build has written"):
    built.Built(directory=tmp_path).build(tmp_path / "copy", None)
