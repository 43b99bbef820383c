"""Files are whole or not there, and errors name file, line and key."""

import gzip
import json
import os
import resource
import subprocess
import sys

import pytest

from next_jax import files
from next_jax import schema


def _result(detail):
  return schema.TestResult(status="passed", detail=detail)


def test_jsonl_comes_back_whatever_its_line_separators(tmp_path):
  records = [_result("a\u2028b"), _result("c\nd"), _result("é")]
  files.write_jsonl(tmp_path / "a.jsonl", records)
  assert files.read_jsonl(tmp_path / "a.jsonl", schema.TestResult) == records


def test_gz_is_read(tmp_path):
  with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
    file.write('{"x": 1}\n')
  assert list(files.read_jsonl_objects(tmp_path / "a.jsonl.gz")) == [(1, {"x": 1})]


@pytest.mark.parametrize("name", ["cut.jsonl.gz", "not.jsonl.gz"])
def test_damaged_gz_is_an_error_that_names_it(tmp_path, name):
  whole = gzip.compress(b'{"x": 1}\n' * 99)
  (tmp_path / name).write_bytes(whole[:-20] if name.startswith("cut") else b"{}")
  with pytest.raises(files.FileError, match=name):
    list(files.read_jsonl_objects(tmp_path / name))


def test_malformed_line_is_named(tmp_path):
  (tmp_path / "a.jsonl").write_text('{"status": "passed"}\n\n{"status": "pas')
  with pytest.raises(files.FileError, match=r"a\.jsonl:3: expected one JSON object.*truncated"):
    files.read_jsonl(tmp_path / "a.jsonl", schema.TestResult)


def test_wrong_key_is_named_with_its_line(tmp_path):
  (tmp_path / "a.jsonl").write_text('{"status": "passed"}\n{"stat": 1}\n')
  with pytest.raises(files.FileError, match=r"a\.jsonl:2: key 'stat' is unknown"):
    files.read_jsonl(tmp_path / "a.jsonl", schema.TestResult)


def test_missing_file_and_directory_are_named(tmp_path):
  with pytest.raises(files.FileError, match="nowhere.jsonl: no such file"):
    files.read_jsonl(tmp_path / "nowhere.jsonl", schema.TestResult)
  with pytest.raises(files.FileError, match="found a directory"):
    files.read_jsonl(tmp_path, schema.TestResult)


def test_failed_write_leaves_what_was_there(tmp_path):
  path = tmp_path / "a.jsonl"
  files.write_jsonl(path, [_result("old")])

  def records():
    yield _result("new")
    raise RuntimeError("stopped")

  with pytest.raises(RuntimeError):
    files.write_jsonl(path, records())
  assert files.read_jsonl(path, schema.TestResult) == [_result("old")]
  assert os.listdir(tmp_path) == ["a.jsonl"]


def test_full_disk_leaves_what_was_there(tmp_path):
  path = tmp_path / "a.json"
  files.write_json(path, "old")
  # A limit on the size of files fails a write like a full disk does: part of it is written, then an OSError.
  script = (
      "import resource, signal, sys\n"
      "from next_jax import files\n"
      "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
      "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
      "files.write_json(sys.argv[1], 'x' * 1_000_000)\n"
  )
  run = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
  assert "OSError" in run.stderr
  assert files.read_json(path) == "old"
  assert os.listdir(tmp_path) == ["a.json"]
  assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


def test_shards_go_on_after_a_writer_was_killed(tmp_path):
  shards = files.Shards(tmp_path / "parts")
  assert len(shards) == 0
  shards.append([_result("b"), _result("a")])
  (tmp_path / "parts" / ".part-00001.jsonl.deadbeef.partial").write_text('{"status": "pa')
  shards = files.Shards(tmp_path / "parts")
  assert len(shards) == 1
  shards.append([_result("c")])
  merged = shards.merge(tmp_path / "all.jsonl", schema.TestResult, order=lambda result: result.detail)
  assert [result.detail for result in merged] == ["a", "b", "c"]
  assert files.read_jsonl(tmp_path / "all.jsonl", schema.TestResult) == merged
  assert not (tmp_path / "parts").exists()


def test_same_value_same_bytes(tmp_path):
  for name in ("a", "b"):
    files.write_json(tmp_path / name, {"z": 1.5, "a": ["é"]})
  assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
  assert json.loads((tmp_path / "a").read_text()) == {"z": 1.5, "a": ["é"]}


def test_a_directory_appears_whole_or_not_at_all(tmp_path):
  with files.whole_directory(tmp_path / "out") as partial:
    (partial / "a").write_text("x")
    assert not (tmp_path / "out").exists()
  assert (tmp_path / "out" / "a").read_text() == "x"
  with pytest.raises(files.FileError, match="out: exists; give another directory"):
    with files.whole_directory(tmp_path / "out"):
      pass
  with pytest.raises(OSError) as caught:
    with files.whole_directory(tmp_path / "full") as partial:
      (partial / "a").write_text("x")
      raise OSError(28, "No space left on device")
  assert caught.value.filename == str(tmp_path / "full")
  assert [path.name for path in tmp_path.iterdir()] == ["out"]
