"""Verdicts for samples: each distinct fix runs once, and what could not be parsed does not run."""

import dataclasses

from etils import epath
import pytest

from next_jax import files
from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits
from next_jax.selftrain.verbs import verify

TASKS = [
    schema.RepairTask(
        task_id=f"t/{number}", split="train", instruction="Add.", entry_point="add",
        buggy_code="def add(a, b):\n  return a - b", reference_code="def add(a, b):\n  return a + b",
        public_tests=("assert add(1, 1) == 2",), hidden_tests=("assert add(2, 3) == 5",), bug_kind="operator",
        bug_origin="mutant",
    )
    for number in range(3)
]
FIXES = {
    "right": "def add(a, b):\n  return a + b",
    "hidden": "def add(a, b):\n  return 2 * a",
    "endless": "def add(a, b):\n  while True:\n    pass",
    "broken": "def add(a, b:\n",
}


class Counting:
  """Passes programs on to the executor, and remembers them."""

  def __init__(self, executor):
    self._executor = executor
    self.programs = []

  def verify(self, programs):
    yield from self._executor.verify(self._remember(programs))

  def _remember(self, programs):
    for program in programs:
      self.programs.append(program)
      yield program


@pytest.fixture(scope="module")
def executor():
  with executor_lib.Executor(num_workers=1, limits=limits.Limits(cpu_seconds=0.5)) as opened:
    yield opened


def samples(*names_of_tasks):
  return [
      schema.Sample(
          task_id=f"t/{number}", sample_index=index, completion="", log_probability=0.0, token_count=1, seed=0,
          **({"fix": FIXES[name]} if name else {"refusal": "the code block is not closed"}),
      )
      for number, names in enumerate(names_of_tasks)
      for index, name in enumerate(names)
  ]


def test_each_distinct_fix_of_a_task_runs_once_and_every_sample_gets_its_verdict(tmp_path, executor):
  counting = Counting(executor)
  given = samples(["right", "hidden", "right", None], ["right", "broken", "hidden", "hidden"])
  verdicts, _ = verify.judge(epath.Path(tmp_path / "verdicts.jsonl"), executor=counting, tasks=TASKS, samples=given)
  assert [v.status for v in verdicts] == [
      "passed", "failed", "passed", "syntax", "passed", "syntax", "failed", "failed"
  ]
  assert [(v.task_id, v.sample_index) for v in verdicts] == [(s.task_id, s.sample_index) for s in given]
  assert len(counting.programs) == 5
  assert verdicts[3].detail == "the code block is not closed" and verdicts[3].tests == ()
  assert files.read_jsonl(tmp_path / "verdicts.jsonl", schema.Verdict) == verdicts


def test_a_killed_verification_goes_on_and_ends_with_the_same_bytes(tmp_path, executor, monkeypatch):
  monkeypatch.setattr(verify, "BATCH_SIZE", 2)
  given = samples(["right", "hidden"], ["hidden", "right"], ["broken", "right"])
  whole = epath.Path(tmp_path / "whole/verdicts.jsonl")
  verify.judge(whole, executor=executor, tasks=TASKS, samples=given)
  killed = epath.Path(tmp_path / "killed/verdicts.jsonl")

  class Killing(Counting):

    def verify(self, programs):
      for number, verdict in enumerate(super().verify(programs)):
        if number == 3:
          raise KeyboardInterrupt
        yield verdict

  with pytest.raises(KeyboardInterrupt):
    verify.judge(killed, executor=Killing(executor), tasks=TASKS, samples=given)
  counting = Counting(executor)
  verify.judge(killed, executor=counting, tasks=TASKS, samples=given)
  assert [p.task_id for p in counting.programs] == ["t/1", "t/1", "t/2", "t/2"]  # the first batch was done
  assert killed.read_bytes() == whole.read_bytes()


def test_verdicts_do_not_tell_how_busy_the_machine_was(tmp_path, executor):
  (verdict,), _ = verify.judge(
      epath.Path(tmp_path / "verdicts.jsonl"), executor=executor, tasks=TASKS, samples=samples(["endless"])
  )
  assert verdict.status == "timeout" and verdict.cpu_seconds is None
  assert {verdict.detail, *(test.detail for test in verdict.tests)} == {verify.OUT_OF_TIME}
  other = dataclasses.replace(verdict, detail="not finished after 15 s on the clock", cpu_seconds=3.1)
  assert verify.reproducible(other) == verdict
