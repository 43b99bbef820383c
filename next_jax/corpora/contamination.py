"""What two splits have in common: repairs, and problems.

A repair is the canonical form of bug and fix (docs/method.md; without the description), a problem that of the reference
alone, so two problems are one when their references differ in names and layout only.
"""

from collections.abc import Iterable, Mapping
import itertools
from typing import Any

from next_jax import errors
from next_jax import schema
from next_jax.corpora import canonical


def overlaps(splits: Mapping[str, Iterable[schema.RepairTask]]) -> list[dict[str, Any]]:
  """For any two splits: how many repairs and problems they share, and the first few task ids of those."""
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
  """Raises CorpusError when `overlaps` found that these two splits share anything."""
  for entry in found:
    if set(entry["splits"]) != {first, second}:
      continue
    for what in ("repairs", "problems"):
      if entry[what]:
        a, b = entry[f"{what}_examples"][0]
        raise errors.CorpusError(
            f"splits {first!r} and {second!r} share {entry[what]} {what}, such as those of {a!r} and {b!r}; expected"
            " none: what is measured on one would have been trained on. Leave them out of one of the splits"
        )


def _keys(tasks: Iterable[schema.RepairTask]) -> dict[str, dict[str, str]]:
  repairs: dict[str, str] = {}
  problems: dict[str, str] = {}
  forms: dict[str, str] = {}  # many bugs have one reference
  for task in tasks:
    reference = task.reference_code
    if reference not in forms:
      forms[reference] = canonical.canonical(reference)
    repairs.setdefault(canonical.pair_key(canonical.canonical(task.buggy_code), forms[reference]), task.task_id)
    problems.setdefault(canonical.pair_key("", forms[reference]), task.task_id)
  return {"repairs": repairs, "problems": problems}
