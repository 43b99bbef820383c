"""statistics.json of a corpus: what is in it, and what was dropped and why."""

import collections
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from next_jax import schema


def of_split(tasks: Sequence[schema.RepairTask], shows: Iterable[str], dropped: Iterable[str]) -> dict[str, Any]:
  """Counts of one split.

  Args:
    tasks: with their traces.
    shows: how each bug shows.
    dropped: the reason of each candidate that became no task.
  """
  steps = [len(task.trace.steps) for task in tasks if task.trace is not None]
  return {
      "tasks": len(tasks),
      "bug_kinds": _counts(task.bug_kind for task in tasks),
      "bug_origins": _counts(task.bug_origin for task in tasks),
      "shows": _counts(shows),
      "trace_outcomes": _counts(task.trace.outcome for task in tasks if task.trace is not None),
      "trace_steps": {"median": statistics.median(steps), "max": max(steps)} if steps else {},
      "public_tests": sum(len(task.public_tests) for task in tasks),
      "hidden_tests": sum(len(task.hidden_tests) for task in tasks),
      "dropped": _counts(dropped),
  }


def _counts(values: Iterable[str]) -> dict[str, int]:
  return dict(sorted(collections.Counter(values).items()))
