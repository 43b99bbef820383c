"""Downloads are checked and kept; the tests use file:// addresses and need no network."""

import dataclasses
import hashlib

import pytest

from next_jax import errors
from next_jax.corpora import data_dir
from next_jax.corpora import downloads


def _accept(unused_path):
  pass


@pytest.fixture(name="source")
def fixture_source(tmp_path):
  origin = tmp_path / "origin.jsonl"
  origin.write_bytes(b'{"a": 1}\n' * 20_000)
  return downloads.Download(
      url=origin.as_uri(), file_name="kept.jsonl", setting="Some.file", check=_accept,
      sha256=hashlib.sha256(origin.read_bytes()).hexdigest(),
  )


def _names(directory):
  return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_the_file_is_fetched_whole_and_kept_under_its_name(source, tmp_path):
  path = downloads.fetch(source, tmp_path / "downloads")
  assert path.read_bytes() == (tmp_path / "origin.jsonl").read_bytes()
  assert _names(tmp_path / "downloads") == ["kept.jsonl"]


def test_what_is_there_is_not_fetched_again(source, tmp_path):
  downloads.fetch(source, tmp_path / "downloads")
  (tmp_path / "origin.jsonl").unlink()
  assert downloads.fetch(source, tmp_path / "downloads").exists()


def test_without_a_directory_it_goes_below_the_data_directory(source, tmp_path):
  data_dir.set_data_dir(tmp_path / "data")
  try:
    assert str(downloads.fetch(source)) == str(tmp_path / "data" / "downloads" / "kept.jsonl")
  finally:
    data_dir.set_data_dir(None)


def test_a_file_with_another_digest_is_refused_and_not_kept(source, tmp_path):
  wrong = dataclasses.replace(source, sha256="0" * 64)
  with pytest.raises(errors.CorpusError, match="its sha256 is .*, expected 0000.*Some.file = "):
    downloads.fetch(wrong, tmp_path / "downloads")
  assert _names(tmp_path / "downloads") == []


def test_a_file_that_its_check_refuses_is_not_kept(source, tmp_path):
  def refuse(path):
    raise errors.CorpusError(f"{path.name}: not the file")

  with pytest.raises(errors.CorpusError, match="not the file"):
    downloads.fetch(dataclasses.replace(source, sha256=None, check=refuse), tmp_path / "downloads")
  assert _names(tmp_path / "downloads") == []


def test_an_answer_that_is_too_long_is_refused(source, tmp_path):
  with pytest.raises(errors.CorpusError, match="longer than 1000 bytes"):
    downloads.fetch(dataclasses.replace(source, max_bytes=1000), tmp_path / "downloads")
  assert _names(tmp_path / "downloads") == []


def test_when_it_cannot_be_had_the_message_says_how_to_give_a_local_file(source, tmp_path):
  gone = dataclasses.replace(source, url=(tmp_path / "gone.jsonl").as_uri())
  message = r"gone\.jsonl: could not be downloaded.*Some\.file = .*kept\.jsonl"
  with pytest.raises(errors.CorpusError, match=message):
    downloads.fetch(gone, tmp_path / "downloads", attempts=1)
  assert _names(tmp_path / "downloads") == []
