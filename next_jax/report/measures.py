"""The metrics of an evaluation task by task, from its samples and verdicts."""

import collections
from collections.abc import Mapping, Sequence
import re

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import pass_at_k
from next_jax import schema
from next_jax.evaluation import groups
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
  """Reads each file once, however many contrasts ask for it."""

  def __init__(self):
    self._known: dict[tuple[str, str], Mapping[str, float]] = {}

  def per_task(self, directory: epath.Path, metric: str) -> Mapping[str, float]:
    """Task id -> value, of the tasks that have one.

    pass_at_<k> has those with k judged samples, pass_at_<k>_new_code those of them whose fix is no mere removing or
    moving of lines, the others those with a rationale. Raises ReportError, FileError.
    """
    key = (str(directory), metric)
    if key not in self._known:
      self._known[key] = _per_task(directory, metric)
    return self._known[key]


def _per_task(directory: epath.Path, metric: str) -> dict[str, float]:
  if match := re.fullmatch(r"pass_at_(\d+)(_new_code)?", metric):
    values = _pass_at(directory, int(match[1]))
    return _of_group(values, directory, "mended by", "new code") if match[2] else values
  if metric not in NAMES:
    raise errors.ReportError(f"metric {metric!r}: expected pass_at_<k>, {' or '.join(NAMES)}")
  samples: dict[str, list[schema.Sample]] = {}
  for sample in files.read_jsonl(directory / "samples.jsonl", schema.Sample):
    samples.setdefault(sample.task_id, []).append(sample)
  found = {}
  for task in files.read_jsonl(directory / "tasks.jsonl", schema.RepairTask):
    value = _of_task(task, samples.get(task.task_id, []), metric)
    if value is not None:
      found[task.task_id] = value
  return found


def _of_group(values: Mapping[str, float], directory: epath.Path, grouping: str, group: str) -> dict[str, float]:
  tasks = files.read_jsonl(directory / "tasks.jsonl", schema.RepairTask)
  chosen = {task.task_id for task in tasks if groups.GROUPS[grouping](task) == group}
  return {task_id: value for task_id, value in values.items() if task_id in chosen}


def _of_task(task: schema.RepairTask, samples: Sequence[schema.Sample], metric: str) -> float | None:
  """The functions that metrics.json comes from, of one task."""
  measure = localisation.localisation if metric == "names_bug" else consistency.consistency
  estimate = measure([task], samples)[metric]
  return None if estimate is None else estimate["value"]


def _pass_at(directory: epath.Path, k: int) -> dict[str, float]:
  judged: dict[str, list[bool]] = collections.defaultdict(list)
  for verdict in files.read_jsonl(directory / "verdicts.jsonl", schema.Verdict):
    if verdict.status != "infrastructure":
      judged[verdict.task_id].append(verdict.passed)
  return {
      task_id: pass_at_k.pass_at_k(len(passed), sum(passed), k) for task_id, passed in judged.items()
      if len(passed) >= k
  }
