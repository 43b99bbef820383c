"""How far raters agree: Krippendorff's alpha, as the package `krippendorff` computes it."""

from collections.abc import Mapping, Sequence
import dataclasses
import importlib

from next_jax import errors

NUM_RESAMPLES = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
  """Krippendorff's alpha for ordinal data: 1 is full agreement, 0 what chance gives.

  Attributes:
    alpha, low, high: Alpha and its 95 % bootstrap interval over tasks; None where alpha is undefined: no item has
      two answers, or all answers are the same.
    num_items: Number of items with two answers or more.
  """

  alpha: float | None
  low: float | None
  high: float | None
  num_items: int


def alpha(
    answers: Sequence[Mapping[str, float]], task_of: Mapping[str, str], domain: Sequence[float], *, seed: int
) -> Agreement:
  """Agreement of raters on items.

  Krippendorff, "Content Analysis" (2004), chapter 11. Tasks are resampled with all their items, since the items of
  a task share its difficulty; resamples in which all answers are the same have no alpha and are left out.

  Args:
    answers: For each rater, item -> score; raters may leave items out.
    task_of: Item -> task.
    domain: All possible scores.

  Raises:
    RationaleError: the package is not installed.
  """
  import numpy as np

  library = _library()
  levels = np.sort(np.asarray(domain, dtype=float))
  counts: dict[str, np.ndarray] = {}
  for of_rater in answers:
    for item, score in of_rater.items():
      counts.setdefault(item, np.zeros(len(levels), dtype=int))[np.searchsorted(levels, score)] += 1
  by_task: dict[str, list[np.ndarray]] = {}
  for item, found in counts.items():
    if found.sum() > 1:
      by_task.setdefault(task_of[item], []).append(found)
  tables = [np.stack(by_task[task]) for task in sorted(by_task)]
  num_items = sum(map(len, tables))

  def of(rows: np.ndarray) -> float | None:
    if np.count_nonzero(rows.sum(axis=0)) < 2:
      return None
    return float(library.alpha(value_counts=rows, value_domain=levels, level_of_measurement="ordinal"))

  value = of(np.concatenate(tables)) if tables else None
  if value is None:
    return Agreement(alpha=None, low=None, high=None, num_items=num_items)
  generator = np.random.default_rng(seed)
  resampled = [
      of(np.concatenate([tables[index] for index in generator.integers(len(tables), size=len(tables))]))
      for _ in range(NUM_RESAMPLES)
  ]
  low, high = np.quantile([one for one in resampled if one is not None], [0.025, 0.975])
  return Agreement(alpha=value, low=float(low), high=float(high), num_items=num_items)


def _library():
  try:
    return importlib.import_module("krippendorff")
  except ImportError:
    raise errors.RationaleError(
        "the agreement of raters needs the package krippendorff, which is not installed; pip install 'next-jax[raters]'"
    ) from None
