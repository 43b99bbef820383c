"""Comparing evaluations: where a model is strong, and whether one is better than another on the same tasks."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
import os

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import pass_at_k
from next_jax import schema
from next_jax.evaluation import groups
from next_jax.evaluation import intervals

NUM_RESAMPLES = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
  """What became of the samples of one evaluation.

  Attributes:
    name: "iteration_03/evaluate/dev" of its directory.
    tasks: by task id, in the order of the evaluation.
    passed: task id -> whether each judged sample passed; a verdict "infrastructure" judges nothing.
  """

  name: str
  tasks: Mapping[str, schema.RepairTask]
  passed: Mapping[str, Sequence[bool]]

  def pass_at(self, k: int) -> dict[str, float]:
    """Task id -> unbiased estimate of pass@k, for tasks with k judged samples or more."""
    return {
        task_id: pass_at_k.pass_at_k(len(found), sum(found), k)
        for task_id, found in self.passed.items() if len(found) >= k
    }

  @property
  def num_samples(self) -> int:
    return max(map(len, self.passed.values()), default=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
  """How much more the second model solves than the first, of the tasks that both were asked.

  Attributes:
    estimate: mean of the differences of pass@k, the tasks resampled in pairs.
    p_value: of `intervals.sign_flip_p_value`.
  """

  estimate: intervals.Estimate
  p_value: float


def read(directory: epath.PathLike) -> Results:
  """Reads WORKDIR/<model>/evaluate/<name>; raises EvaluationError when it is none, FileError when it is damaged."""
  directory = epath.Path(directory)
  paths = [directory / f"{name}.jsonl" for name in ("tasks", "verdicts")]
  for path in paths:
    if not path.exists():
      raise errors.EvaluationError(
          f"{os.fspath(path)}: no such file; expected the directory of a finished evaluation, such as"
          " runs/quickstart/iteration_03/evaluate/dev"
      )
  tasks = {task.task_id: task for task in files.read_jsonl(paths[0], schema.RepairTask)}
  passed: dict[str, list[bool]] = {task_id: [] for task_id in tasks}
  for verdict in files.read_jsonl(paths[1], schema.Verdict):
    if verdict.task_id not in passed:
      raise errors.EvaluationError(f"{os.fspath(paths[1])}: task {verdict.task_id!r} is not in {os.fspath(paths[0])}")
    if verdict.status != "infrastructure":
      passed[verdict.task_id].append(verdict.passed)
  return Results(name="/".join(directory.resolve().parts[-3:]), tasks=tasks, passed=passed)


def overall(results: Results, k: int, seed: int = 0) -> intervals.Estimate:
  """pass@k over all tasks; raises EvaluationError where no task has k samples."""
  values = list(results.pass_at(k).values())
  if not values:
    raise errors.EvaluationError(f"{results.name}: no task has {k} judged samples; give a smaller k")
  return _estimate(values, seed)


def by_group(results: Results, k: int, group: str, seed: int = 0) -> dict[str, intervals.Estimate]:
  """pass@k of the tasks of each "kind" or "origin" of bug, or "symptom" on the first public test."""
  values: dict[str, list[float]] = {}
  for task_id, value in results.pass_at(k).items():
    values.setdefault(groups.GROUPS[group](results.tasks[task_id]), []).append(value)
  return {name: _estimate(values[name], seed) for name in sorted(values)}


def difference(first: Results, second: Results, k: int, seed: int = 0) -> Difference:
  """Raises EvaluationError when no task is in both."""
  before, after = first.pass_at(k), second.pass_at(k)
  shared = [task_id for task_id in before if task_id in after]
  if not shared:
    raise errors.EvaluationError(f"{first.name} and {second.name} have no task with {k} judged samples in common")
  differences = [after[task_id] - before[task_id] for task_id in shared]
  p_value = intervals.sign_flip_p_value(differences, num_permutations=NUM_RESAMPLES, seed=seed)
  return Difference(estimate=_estimate(differences, seed), p_value=p_value)


def _estimate(values: Sequence[float], seed: int) -> intervals.Estimate:
  low, high = intervals.bootstrap_interval(values, num_resamples=NUM_RESAMPLES, seed=seed)
  return intervals.Estimate(value=math.fsum(values) / len(values), low=low, high=high, num_tasks=len(values))
