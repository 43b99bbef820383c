"""Finds repairs and problems that two splits share.

A repair is identified by the canonical forms of bug and fix, without the description (docs/method.md). A problem is
identified by the canonical form of its reference, so problems whose references differ only in names and layout are one.
"""

from collections.abc import Iterable, Mapping
import itertools
from typing import Any

from next_jax import errors
from next_jax import schema
from next_jax.corpora import canonical


def overlaps(splits: Mapping[str, Iterable[schema.RepairTask]]) -> list[dict[str, Any]]:
  """For each pair of splits, the numbers of shared repairs and problems, and up to five pairs of task ids for each."""
  keys = {name: _keys(tasks) for name, tasks in splits.items()}
  found = []
  for first, second in itertools.combinations(keys, 2):
    entry: dict[str, Any] = {"splits": [first, second]}
    for what in ("repairs", "problems"):
      shared = sorted(keys[first][what].keys() & keys[second][what].keys(), key=lambda key: keys[first][what][key])
      entry[what] = len(shared)
      entry[f"{what}_examples"] = [[keys[first][what][key], keys[second][what][key]] for key in shared[:5]]
    found.append(entry)
  return found


def check(found: Iterable[Mapping[str, Any]], first: str, second: str) -> None:
  """Raises CorpusError if `overlaps` found repairs or problems that these two splits share."""
  for entry in found:
    if set(entry["splits"]) != {first, second}:
      continue
    for what in ("repairs", "problems"):
      if entry[what]:
        a, b = entry[f"{what}_examples"][0]
        raise errors.CorpusError(
            f"splits {first!r} and {second!r} share {entry[what]} {what}, such as those of {a!r} and {b!r}; expected"
            " none, because a model would be measured on what it was trained on. Leave them out of one of the splits"
        )


def _keys(tasks: Iterable[schema.RepairTask]) -> dict[str, dict[str, str]]:
  repairs: dict[str, str] = {}
  problems: dict[str, str] = {}
  forms: dict[str, str] = {}  # cached: many bugs share a reference
  for task in tasks:
    reference = task.reference_code
    if reference not in forms:
      forms[reference] = canonical.canonical(reference)
    repairs.setdefault(canonical.pair_key(canonical.canonical(task.buggy_code), forms[reference]), task.task_id)
    problems.setdefault(canonical.pair_key("", forms[reference]), task.task_id)
  return {"repairs": repairs, "problems": problems}
