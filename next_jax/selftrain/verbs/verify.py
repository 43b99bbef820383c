"""The verb `verify`: a verdict for every sample, over the public and the hidden tests."""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import program as program_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain.verbs import sample as sample_lib
from next_jax.stages import parts
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib

VERDICTS = "verdicts.jsonl"
OUT_OF_TIME = "did not end in time"
BATCH_SIZE = 512  # samples of a part; a killed run repeats at most this many


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifiedSamples:
  """Samples of the hard tasks and their verdicts.

  Attributes:
    samples: JSONL file of `Sample`.
    verdicts: JSONL file of `Verdict`, in the same order.
    fingerprint: Fingerprint of the stage that verified them.
  """

  samples: epath.Path
  verdicts: epath.Path
  fingerprint: str


def verify(run: run_lib.Run, name: str, samples: sample_lib.Samples) -> VerifiedSamples:
  """Runs the stage `<name>/verify`: the tests of its task for every sample."""
  stage = run.stage(
      f"{name}/verify", settings={"executor": run.executor}, inputs={"samples": samples.fingerprint}
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    verdicts, rate = judge(
        directory / VERDICTS, executor=run.executor, tasks=samples.tasks.tasks,
        samples=files.read_jsonl(samples.path, schema.Sample),
    )
    counts = {"verdicts": len(verdicts), "passed": sum(verdict.passed for verdict in verdicts)}
    return stage_lib.Outcome(counts=counts, timing={"verdicts_per_second": rate})

  manifest = stage.run(work, together=True)
  counts = manifest.counts
  progress.say(f"[{stage.name}] {counts['passed']:,} of {counts['verdicts']:,} samples pass all tests")
  return VerifiedSamples(
      samples=samples.path, verdicts=stage.directory / VERDICTS, fingerprint=manifest.fingerprint
  )


def judge(
    path: epath.Path, *, executor: executor_lib.Executor, tasks: Sequence[schema.RepairTask],
    samples: Sequence[schema.Sample],
) -> tuple[list[schema.Verdict], float]:
  """Writes `path`, a file of `Verdict` in the order of `samples`; resumes from its parts.

  A fix that was sampled several times for a task runs once. A sample without a fix does not run: its status is
  "syntax", and the detail says why it has no fix.

  Args:
    samples: Those of one task are neighbours.

  Returns:
    All verdicts, and the verdicts per second of this call, in all processes together.
  """
  by_id = {task.task_id: task for task in tasks}
  batches = list(parts.batches(samples, BATCH_SIZE, lambda sample: sample.task_id))
  group = processes.current()
  own = sum(map(len, batches[group.index :: group.count]))
  with progress.Bar(own, "verdicts", parts.count(path)) as bar:

    def chunks(skip: int, step: int) -> Iterator[list[schema.Verdict]]:
      remaining = batches[skip::step]
      # One stream over all batches keeps the workers busy at the batches' ends.
      programs = (
          _program(by_id[one.task_id], one.sample_index, fix)
          for batch in remaining
          for one, fix in _distinct(batch)
      )
      with contextlib.closing(executor.verify(programs)) as found:
        for batch in remaining:
          by_fix = {(one.task_id, fix): next(found) for one, fix in _distinct(batch)}
          yield [_verdict_of(sample, by_fix) for sample in batch]
          bar.advance(len(batch))

    return parts.write(path, schema.Verdict, chunks), sum(group.gather(bar.rate()))


def reproducible(verdict: schema.Verdict) -> schema.Verdict:
  """The verdict without what differs from run to run: CPU seconds, and which clock ended a program."""
  if verdict.status == "timeout":
    tests = tuple(
        dataclasses.replace(test, detail=OUT_OF_TIME) if test.status == "timeout" else test for test in verdict.tests
    )
    verdict = dataclasses.replace(verdict, tests=tests, detail=OUT_OF_TIME)
  return dataclasses.replace(verdict, cpu_seconds=None)


def _distinct(batch: Sequence[schema.Sample]) -> Iterator[tuple[schema.Sample, str]]:
  """The first sample of each fix of each task, and the fix."""
  seen = set()
  for sample in batch:
    if sample.fix is not None and (sample.task_id, sample.fix) not in seen:
      seen.add((sample.task_id, sample.fix))
      yield sample, sample.fix


def _program(task: schema.RepairTask, sample_index: int, fix: str) -> program_lib.Program:
  return program_lib.Program(
      task_id=task.task_id, sample_index=sample_index, code=fix, entry_point=task.entry_point,
      setup_code=task.setup_code, tests=task.tests,
  )


def _verdict_of(sample: schema.Sample, by_fix: dict[tuple[str, str], schema.Verdict]) -> schema.Verdict:
  if sample.fix is None:
    return schema.Verdict(
        task_id=sample.task_id, sample_index=sample.sample_index, status="syntax",
        detail=sample.refusal or "the completion has no fix",
    )
  return dataclasses.replace(reproducible(by_fix[sample.task_id, sample.fix]), sample_index=sample.sample_index)
