"""Means over runs with several seeds, with intervals that count both the seeds and the tasks.

All seeds of an arm answer the same tasks, so seeds and tasks are crossed. In each resample tasks are drawn
with replacement, once for all seeds, and seeds are drawn with replacement: Owen, "The pigeonhole bootstrap" (Annals of
Applied Statistics, 2007, arXiv 0712.1111), which errs on the side of wider intervals. Drawing other tasks for each seed
would take the difficulty of the tasks for noise that several seeds average out. With one seed it is the bootstrap over
tasks. With two or three seeds, their own part is estimated as well as two or three numbers allow: the values of the
seeds belong beside every interval.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import math

from next_jax import errors
from next_jax.evaluation import intervals

Values = Mapping[str, float]  # task id -> value
NUM_RESAMPLES = 10_000
_ROWS = 1000  # resamples at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class OverSeeds:
  """A mean over seeds and tasks.

  Attributes:
    estimate: Mean in which seeds weigh the same, and so do the tasks of a seed; `num_tasks` counts distinct tasks.
    per_seed: Mean of each seed over its tasks.
  """

  estimate: intervals.Estimate
  per_seed: tuple[float, ...]

  def __str__(self) -> str:
    return str(self.estimate)


def mean(runs: Sequence[Values], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> OverSeeds:
  """The mean over runs, one for each seed; raises IntervalError where there is none, or one without tasks."""
  (found,) = _means([runs], num_resamples, seed)
  return found


def _means(sides: Sequence[Sequence[Values]], num_resamples: int, seed: int) -> list[OverSeeds]:
  """The means of several values over the same resamples: drawing resamples is the slow part."""
  import numpy as np

  runs = sides[0]
  if not runs or not all(runs):
    raise errors.EvaluationError("found a run without tasks, or no run; expected values of one or more tasks of each")
  task_ids = list(dict.fromkeys(task_id for run in runs for task_id in run))
  known = np.array([[task_id in run for run in runs] for task_id in task_ids], dtype=np.float64)
  values = [np.array([[run.get(task_id, 0.0) for run in side] for task_id in task_ids]) for side in sides]
  generator = np.random.default_rng(seed)
  means: list[list[np.ndarray]] = [[] for _ in sides]
  for start in range(0, num_resamples, _ROWS):
    count = min(_ROWS, num_resamples - start)
    weights = generator.multinomial(len(task_ids), np.full(len(task_ids), 1 / len(task_ids)), size=count)
    weights = weights.astype(np.float64)  # products of whole numbers are not left to BLAS
    times = weights @ known  # [resamples, seeds]: how many tasks of each seed were drawn
    drawn = generator.integers(len(runs), size=(count, len(runs)))
    for matrix, found in zip(values, means, strict=True):
      of_seeds = np.divide(weights @ matrix, times, out=np.full(times.shape, np.nan), where=times > 0)
      found.append(np.nanmean(np.take_along_axis(of_seeds, drawn, axis=1), axis=1))
  results = []
  for side, found in zip(sides, means, strict=True):
    low, high = np.nanquantile(np.concatenate(found), [0.025, 0.975])
    per_seed = tuple(math.fsum(run.values()) / len(run) for run in side)
    value = math.fsum(per_seed) / len(per_seed)
    estimate = intervals.Estimate(value=value, low=float(low), high=float(high), num_tasks=len(task_ids))
    results.append(OverSeeds(estimate=estimate, per_seed=per_seed))
  return results


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contrast:
  """How much more the second runs have than the first, seed by seed and task by task.

  Attributes:
    first, second: Means over the tasks that both answered.
    difference: second - first.
    p_value: P-value of the sign-flip permutation test over tasks, of each task's difference averaged over seeds. It
      says whether other tasks would show the difference with these seeds; the interval of `difference` counts the
      seeds too.
  """

  first: OverSeeds
  second: OverSeeds
  difference: OverSeeds
  p_value: float

  @property
  def sign(self) -> int:
    """1 where the interval of the difference is above 0, -1 where it is below, 0 where it holds 0."""
    estimate = self.difference.estimate
    return (estimate.low > 0) - (estimate.high < 0)


def contrast(
    first: Sequence[Values], second: Sequence[Values], *, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> Contrast:
  """The comparison over pairs of runs with the same seed; raises IntervalError where a pair has no task in common."""
  pairs = [
      [(task_id, value, after[task_id]) for task_id, value in before.items() if task_id in after]
      for before, after in zip(first, second, strict=True)
  ]
  befores = [{task_id: value for task_id, value, _ in pair} for pair in pairs]
  afters = [{task_id: value for task_id, _, value in pair} for pair in pairs]
  differences = [{task_id: after - before for task_id, before, after in pair} for pair in pairs]
  first_mean, second_mean, difference = _means([befores, afters, differences], num_resamples, seed)
  of_task: dict[str, list[float]] = {}
  for pair in differences:
    for task_id, value in pair.items():
      of_task.setdefault(task_id, []).append(value)
  return Contrast(
      first=first_mean, second=second_mean, difference=difference,
      p_value=intervals.sign_flip_p_value(
          [math.fsum(found) / len(found) for found in of_task.values()], num_permutations=num_resamples, seed=seed
      ),
  )
