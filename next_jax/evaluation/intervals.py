"""Intervals of confidence for means over tasks."""

from collections.abc import Sequence
import dataclasses
import math

from next_jax import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
  """A mean over tasks with the ends of its 95 % interval; `num_tasks` is None where the number is unknown."""

  value: float
  low: float
  high: float
  num_tasks: int | None = None

  def __str__(self) -> str:
    return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(per_task_values: Sequence[float], *, num_resamples: int = 2000, seed: int = 0) -> dict[str, float] | None:
  """"value", "low" and "high" of a mean and its 95 % interval, as in `metrics.json`; None if there are no values."""
  if not per_task_values:
    return None
  low, high = bootstrap_interval(per_task_values, num_resamples=num_resamples, seed=seed)
  value = math.fsum(per_task_values) / len(per_task_values)
  # The last bits of a mean differ between machines.
  return {"value": round(value, 6), "low": round(low, 6), "high": round(high, 6)}


def bootstrap_interval(
    per_task_values: Sequence[float], confidence: float = 0.95, num_resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
  """(lower, upper) of the percentile bootstrap for the mean.

  Tasks are resampled, not samples: a task's samples share its difficulty, so they are not
  independent evidence. Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13.
  """
  import numpy as np

  if not 0 < confidence < 1:
    raise errors.EvaluationError(f"confidence: found {confidence}, expected a number between 0 and 1, such as 0.95")
  if num_resamples < 1:
    raise errors.EvaluationError(f"num_resamples: found {num_resamples}, expected 1 or more")
  values = np.asarray(per_task_values, dtype=np.float64)
  if values.ndim != 1 or not values.size:
    raise errors.EvaluationError(
        f"per_task_values: found shape {values.shape}, expected one value for each of 1 or more tasks"
    )
  generator = np.random.default_rng(seed)
  means = np.empty(num_resamples)
  rows = max(1, (1 << 22) // values.size)  # resamples at a time: 32 MB
  for start in range(0, num_resamples, rows):
    stop = min(start + rows, num_resamples)
    draws = generator.integers(values.size, size=(stop - start, values.size))
    means[start:stop] = values[draws].mean(axis=1)
  lower, upper = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
  return float(lower), float(upper)


def sign_flip_p_value(differences: Sequence[float], num_permutations: int = 10_000, seed: int = 0) -> float:
  """Two-sided p-value of the permutation test that gives each task's difference a random sign.

  Never below 1 / (num_permutations + 1). Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses",
  section 3.2.
  """
  import numpy as np

  values = np.asarray(differences, dtype=np.float64)
  generator = np.random.default_rng(seed)
  observed = abs(values.sum())
  as_far = 0
  for _ in range(num_permutations):
    signs = generator.integers(0, 2, size=values.size) * 2 - 1
    as_far += bool(abs((signs * values).sum()) >= observed - 1e-9)
  return (as_far + 1) / (num_permutations + 1)
