"""Reuse of stages that another run has finished: reused with the same bytes, or not at all."""

import json
import os
import pathlib
import tempfile

from etils import epath
import pytest

from next_jax import errors
from next_jax.stages import invocation
from next_jax.stages import stage


def make(workdir, reuse=(), **settings):
  return stage.Stage(
      name="base/sample", workdir=epath.Path(workdir), settings={"temperature": 0.8, **settings},
      inputs={"tasks": "abc"},
      invocation=invocation.Invocation(reuse=[epath.Path(path) for path in reuse]),
  )


def work(directory):
  (directory / "samples.jsonl").write_text("one\ntwo\n")
  (directory / "checkpoint_3/arrays").mkdir(parents=True)
  (directory / "checkpoint_3/arrays/0").write_bytes(bytes(range(256)))
  return stage.Outcome(counts={"samples": 2}, timing={"samples_per_second": 5.0})


def not_again(directory):
  raise AssertionError(f"{directory} is made again")


def contents(directory, but=("timing.json",)):
  paths = [path for path in pathlib.Path(directory).rglob("*") if path.is_file() and path.name not in but]
  return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


@pytest.fixture(name="finished")
def _finished(tmp_path):
  make(tmp_path / "first").run(work)
  return tmp_path / "first"


def test_a_stage_that_another_run_has_finished_is_taken_over_byte_for_byte(tmp_path, finished):
  manifest = make(tmp_path / "second", reuse=[tmp_path, finished]).run(not_again)
  assert manifest == stage.read_manifest(finished / "base/sample")
  assert contents(tmp_path / "second") == contents(finished) and len(contents(finished)) == 3
  timing = json.loads((tmp_path / "second/base/sample/timing.json").read_text())
  assert timing["taken_from"] == str(finished / "base/sample") and timing["samples_per_second"] == 5.0
  assert "taken_from" not in (finished / "base/sample/timing.json").read_text()


def test_it_takes_no_space_on_the_same_disk(tmp_path, finished):
  make(tmp_path / "second", reuse=[finished]).run(not_again)
  name = "base/sample/checkpoint_3/arrays/0"
  assert os.path.samefile(finished / name, tmp_path / "second" / name)


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_it_is_copied_from_another_disk(tmp_path):
  with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    if os.stat(directory).st_dev == os.stat(tmp_path).st_dev:
      pytest.skip("/dev/shm and the directory of the tests are one file system")
    make(directory).run(work)
    make(tmp_path, reuse=[directory]).run(not_again)
    assert contents(tmp_path) == contents(directory)
    assert not os.path.samefile(tmp_path / "base/sample/samples.jsonl", f"{directory}/base/sample/samples.jsonl")


def test_a_stage_with_other_settings_is_made(tmp_path, finished):
  assert make(tmp_path / "second", temperature=1.0, reuse=[finished]).run(work).counts == {"samples": 2}
  assert "taken_from" not in (tmp_path / "second/base/sample/timing.json").read_text()


def test_an_unfinished_stage_of_another_run_is_not_taken(tmp_path, finished):
  (finished / "base/sample/stage.json").unlink()
  with pytest.raises(AssertionError, match="is made again"):
    make(tmp_path / "second", reuse=[finished]).run(not_again)


def test_what_was_begun_here_gives_way_to_what_another_run_has_finished(tmp_path, finished):
  class Killed(BaseException):
    pass

  def killed(directory):
    (directory / "samples.parts").mkdir()
    (directory / "samples.parts/part-00000.jsonl").write_text("one\n")
    raise Killed

  with pytest.raises(Killed):
    make(tmp_path / "second").run(killed)
  make(tmp_path / "second", reuse=[finished]).run(not_again)
  assert contents(tmp_path / "second") == contents(finished)


def test_work_begun_with_other_settings_is_refused_all_the_same(tmp_path, finished):
  with pytest.raises(AssertionError):
    make(tmp_path / "second", temperature=0.5).run(not_again)
  before = contents(tmp_path / "second")
  with pytest.raises(errors.StageError, match="temperature: found 0.5, expected 0.8"):
    make(tmp_path / "second", reuse=[finished]).run(work)
  assert contents(tmp_path / "second") == before


@pytest.mark.parametrize("left", [(), ("samples.jsonl",), ("samples.jsonl", "checkpoint_3/arrays/0", "claim.json")])
def test_what_was_half_taken_when_the_run_was_killed_is_no_work_to_go_on_with(tmp_path, left):
  directory = tmp_path / "base/sample"
  for name in ("taking.json", *left):
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text("{}")
  seen = []

  def look(directory):
    seen.extend(contents(directory))
    return work(directory)

  make(tmp_path, temperature=0.1).run(look)  # also with other settings: nothing here was made by this run
  assert seen == ["claim.json"]
  assert sorted(contents(directory)) == ["checkpoint_3/arrays/0", "samples.jsonl", "stage.json"]


def test_a_run_killed_after_the_manifest_came_is_finished(tmp_path, finished):
  (finished / "base/sample/taking.json").write_text("{}")
  make(finished).run(not_again)
  assert not (finished / "base/sample/taking.json").exists()


def test_a_work_directory_that_is_not_there_is_refused(tmp_path):
  with pytest.raises(errors.StageError, match="nowhere: no such directory; expected the work directory"):
    make(tmp_path, reuse=[tmp_path / "nowhere"])
