"""The verb `verify`: a verdict for every sample, over the public and the hidden tests."""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses

from etils import epath

from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import program as program_lib
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib

OUT_OF_TIME = "did not end in time"
BATCH_SIZE = 512  # samples of a part; a killed run repeats at most this many


def verify(
    path: epath.Path,
    *,
    executor: executor_lib.Executor,
    tasks: Sequence[schema.RepairTask],
    samples: Sequence[schema.Sample],
) -> tuple[list[schema.Verdict], float]:
  """Writes `path`, a file of Verdict in the order of `samples`; goes on from its parts.

  A fix that was sampled several times for a task runs once. A sample without a fix is not run: its
  status is "syntax", and the detail says why there is no fix.

  Args:
    samples: those of a task are neighbours.

  Returns:
    All verdicts, and the verdicts per second of this call, in all processes together.
  """
  by_id = {task.task_id: task for task in tasks}
  batches = list(stage_lib.batches(samples, BATCH_SIZE, lambda sample: sample.task_id))
  group = processes.current()
  own = sum(map(len, batches[group.index :: group.count]))
  with progress.Bar(own, "verdicts", stage_lib.count_parts(path)) as bar:

    def chunks(skip: int, step: int) -> Iterator[list[schema.Verdict]]:
      remaining = batches[skip::step]
      # One stream over all batches keeps the workers busy at the batches' ends.
      programs_to_run = (_program(by_id[s.task_id], s) for batch in remaining for s in _distinct(batch))
      with contextlib.closing(executor.verify(programs_to_run)) as found:
        for batch in remaining:
          by_fix = {(s.task_id, s.fix): next(found) for s in _distinct(batch)}
          yield [_verdict_of(sample, by_fix) for sample in batch]
          bar.advance(len(batch))

    return stage_lib.sharded(path, schema.Verdict, chunks), sum(group.gather(bar.rate()))


def _distinct(batch: Sequence[schema.Sample]) -> Iterator[schema.Sample]:
  """The first sample of each fix of each task."""
  seen = set()
  for sample in batch:
    if sample.fix is not None and (sample.task_id, sample.fix) not in seen:
      seen.add((sample.task_id, sample.fix))
      yield sample


def _program(task: schema.RepairTask, sample: schema.Sample) -> program_lib.Program:
  return program_lib.Program(
      task_id=task.task_id, sample_index=sample.sample_index, code=sample.fix, entry_point=task.entry_point,
      setup_code=task.setup_code, tests=task.tests,
  )


def _verdict_of(sample: schema.Sample, by_fix: dict[tuple[str, str], schema.Verdict]) -> schema.Verdict:
  if sample.fix is None:
    return schema.Verdict(
        task_id=sample.task_id, sample_index=sample.sample_index, status="syntax",
        detail=sample.refusal or "the completion has no fix",
    )
  return dataclasses.replace(reproducible(by_fix[sample.task_id, sample.fix]), sample_index=sample.sample_index)


def reproducible(verdict: schema.Verdict) -> schema.Verdict:
  """The verdict without what differs from run to run: CPU seconds, and which clock ended a program."""
  if verdict.status == "timeout":
    tests = tuple(
        dataclasses.replace(test, detail=OUT_OF_TIME) if test.status == "timeout" else test for test in verdict.tests
    )
    verdict = dataclasses.replace(verdict, tests=tests, detail=OUT_OF_TIME)
  return dataclasses.replace(verdict, cpu_seconds=None)
