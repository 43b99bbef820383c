"""The metrics of an evaluation for each task, from its samples and verdicts."""

from collections.abc import Mapping, Sequence
import re

from etils import epath

from next_jax import errors
from next_jax import schema
from next_jax.evaluation import groups
from next_jax.evaluation import results as results_lib
from next_jax.rationales import consistency
from next_jax.rationales import localisation

# Name -> words for people.
NAMES = {
    "contradicted_rationales": "share of rationales that contradict the trace",
    "names_bug": "localisation: share of named places that the reference changes",
}


def words(metric: str) -> str:
  """ "pass@8" for "pass_at_8"."""
  return NAMES.get(metric) or metric.replace("pass_at_", "pass@").replace("_new_code", ", fix needs new code")


class Measures:
  """Reads each evaluation once, however many contrasts ask for it."""

  def __init__(self):
    self._results: dict[str, results_lib.Results] = {}
    self._known: dict[tuple[str, str], Mapping[str, float]] = {}

  def per_task(self, directory: epath.Path, metric: str) -> Mapping[str, float]:
    """Task id -> value, for the tasks that have one.

    These are the tasks with k samples for pass_at_<k>; those of them whose fix is more than removing or moving lines
    for pass_at_<k>_new_code; and the tasks with a rationale for the other metrics.
    Raises ReportError, EvaluationError and FileError.
    """
    key = (str(directory), metric)
    if key not in self._known:
      results = self._results.setdefault(str(directory), results_lib.read(directory))
      self._known[key] = _per_task(results, metric)
    return self._known[key]


def _per_task(results: results_lib.Results, metric: str) -> dict[str, float]:
  if match := re.fullmatch(r"pass_at_(\d+)(_new_code)?", metric):
    values = results.pass_at(int(match[1]))
    if match[2]:
      needs_new_code = {name for name, task in results.tasks.items() if groups.GROUPS["mended by"](task) == "new code"}
      values = {name: value for name, value in values.items() if name in needs_new_code}
    return values
  if metric not in NAMES:
    raise errors.ReportError(f"metric {metric!r}: expected pass_at_<k>, {' or '.join(NAMES)}")
  found = {name: _of_task(task, results.samples[name], metric) for name, task in results.tasks.items()}
  return {name: value for name, value in found.items() if value is not None}


def _of_task(task: schema.RepairTask, samples: Sequence[schema.Sample], metric: str) -> float | None:
  """The functions that metrics.json comes from, for one task."""
  measure = localisation.localisation if metric == "names_bug" else consistency.consistency
  estimate = measure([task], samples)[metric]
  return None if estimate is None else estimate["value"]
