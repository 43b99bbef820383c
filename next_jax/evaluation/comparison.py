"""Comparing evaluations: where a model is strong, and whether one is better than another on the same tasks."""

from collections.abc import Sequence
import dataclasses
import math

from next_jax import errors
from next_jax.evaluation import groups
from next_jax.evaluation import intervals
from next_jax.evaluation import results as results_lib

NUM_RESAMPLES = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
  """How much more the second model solves than the first, on the tasks that both answered.

  Attributes:
    estimate: Mean difference of pass@k; tasks are resampled in pairs.
    p_value: See `intervals.sign_flip_p_value`.
  """

  estimate: intervals.Estimate
  p_value: float


def overall(results: results_lib.Results, k: int, seed: int = 0) -> intervals.Estimate:
  """pass@k over all tasks; raises EvaluationError when no task has k samples."""
  values = list(results.pass_at(k).values())
  if not values:
    raise errors.EvaluationError(f"{results.name}: no task has {k} judged samples; give a smaller k")
  return _estimate(values, seed)


def by_group(results: results_lib.Results, k: int, group: str, seed: int = 0) -> dict[str, intervals.Estimate]:
  """pass@k of the tasks of each "kind" or "origin" of bug, or "symptom" on the first public test."""
  values: dict[str, list[float]] = {}
  for task_id, value in results.pass_at(k).items():
    values.setdefault(groups.GROUPS[group](results.tasks[task_id]), []).append(value)
  return {name: _estimate(values[name], seed) for name in sorted(values)}


def difference(first: results_lib.Results, second: results_lib.Results, k: int, seed: int = 0) -> Difference:
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
