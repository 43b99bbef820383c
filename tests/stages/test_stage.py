"""A stage: done once, continued when killed, refused with other settings."""

import contextlib
import json

from etils import epath
import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.stages import parts
from next_jax.stages import stage


def make(tmp_path, **settings):
  return stage.Stage(
      name="iteration_01/sample", workdir=epath.Path(tmp_path), settings={"temperature": 0.8, **settings},
      inputs={"tasks": "abc"},
  )


def verdict(index):
  return schema.Verdict(task_id=f"t/{index // 2}", sample_index=index % 2, status="passed")


class Killed(BaseException):
  """Stands for the signal: no code of the stage may catch it."""


def test_a_finished_stage_is_not_done_again(tmp_path):
  calls = []

  def work(directory):
    calls.append(directory)
    return stage.Outcome(metrics={"loss": 0.5}, counts={"samples": 3})

  first = make(tmp_path).run(work)
  assert make(tmp_path).run(work) == first
  assert len(calls) == 1
  assert first.metrics == {"loss": 0.5} and first.counts == {"samples": 3}


def test_seconds_are_not_in_the_manifest(tmp_path):
  make(tmp_path).run(lambda directory: stage.Outcome(timing={"samples_per_second": 12.3}))
  assert "second" not in (tmp_path / "iteration_01/sample/stage.json").read_text()
  assert json.loads((tmp_path / "iteration_01/sample/timing.json").read_text())["samples_per_second"] == 12.3


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_by_key_and_nothing_is_touched(tmp_path, finished):
  def work(directory):
    if not finished:
      raise Killed()
    return stage.Outcome()

  with contextlib.suppress(Killed):
    make(tmp_path).run(work)
  before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
  with pytest.raises(errors.StageError, match=r"iteration_01/sample.*temperature: found 0\.8, expected 1\.0.*WORKDIR"):
    make(tmp_path, temperature=1.0).run(work)
  assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_other_inputs_are_refused_by_name(tmp_path):
  make(tmp_path).run(lambda directory: stage.Outcome())
  other = stage.Stage(
      name="iteration_01/sample", workdir=epath.Path(tmp_path), settings={"temperature": 0.8}, inputs={"tasks": "abd"}
  )
  with pytest.raises(errors.StageError, match="other inputs: tasks: found 'abc', expected 'abd'"):
    other.run(lambda directory: stage.Outcome())


def test_a_damaged_manifest_is_named(tmp_path):
  make(tmp_path).run(lambda directory: stage.Outcome())
  (tmp_path / "iteration_01/sample/stage.json").write_text('{"stage": ')
  with pytest.raises(files.FileError, match="stage.json"):
    make(tmp_path).run(lambda directory: stage.Outcome())


@pytest.mark.parametrize("kill_at", range(5))
def test_a_killed_file_of_shards_ends_with_the_same_bytes(tmp_path, kill_at):
  produced = []

  def chunks(skip, step, kill=None):
    for number in range(skip, 4, step):
      if number == kill:
        raise Killed()
      produced.append(number)
      yield [verdict(2 * number + 1), verdict(2 * number)]

  def write(path, kill=None):
    return parts.write(
        path, schema.Verdict, lambda skip, step: chunks(skip, step, kill), order=lambda v: (v.task_id, v.sample_index)
    )

  (tmp_path / "a").mkdir()
  (tmp_path / "b").mkdir()
  whole = write(epath.Path(tmp_path / "a/verdicts.jsonl"))
  produced.clear()
  path = epath.Path(tmp_path / "b/verdicts.jsonl")
  try:
    write(path, kill_at)
  except Killed:
    assert parts.count(path) == 2 * kill_at
  assert write(path) == whole
  assert produced == [0, 1, 2, 3]  # no chunk was made twice
  assert (tmp_path / "a/verdicts.jsonl").read_bytes() == path.read_bytes()
  assert [p.name for p in (tmp_path / "b").iterdir()] == ["verdicts.jsonl"]


def test_parts_behind_a_gap_that_one_of_two_killed_processes_left_are_not_taken_twice(tmp_path):
  path = epath.Path(tmp_path / "verdicts.jsonl")
  for number in (0, 2):  # of process 0; process 1 was killed before it had written part 1
    files.write_jsonl(tmp_path / "verdicts.parts" / f"part-0000{number}.jsonl", [verdict(number)])
  written = parts.write(path, schema.Verdict, lambda skip, step: ([verdict(n)] for n in range(skip, 5, step)))
  assert written == [verdict(number) for number in range(5)]


def test_parts_left_behind_by_a_killed_merge_are_swept(tmp_path):
  path = epath.Path(tmp_path / "verdicts.jsonl")
  files.write_jsonl(path, [verdict(0)])
  files.write_jsonl(tmp_path / "verdicts.parts" / "part-00001.jsonl", [verdict(1)])
  assert parts.write(path, schema.Verdict, lambda skip, step: pytest.fail("nothing is left to do")) == [verdict(0)]
  assert not (tmp_path / "verdicts.parts").exists()


def test_batches_do_not_part_a_group():
  batches = list(parts.batches([verdict(i) for i in range(10)], 3, lambda v: v.task_id))
  assert [len(batch) for batch in batches] == [4, 4, 2]
