"""The contents of a corpus, and the reasons for dropped candidates: statistics.json, and the same as Markdown."""

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.corpora import lengths as lengths_lib


def of_split(
    tasks: Sequence[schema.RepairTask],
    shows: Iterable[str],
    dropped: Iterable[str],
    lengths: lengths_lib.PromptLengths | None = None,
) -> dict[str, Any]:
  """Counts of one split.

  Args:
    tasks: Tasks with their traces.
    shows: How each bug shows.
    dropped: The reason for each candidate that became no task.
    lengths: Measures the prompts; None leaves this out.
  """
  traces = [task.trace for task in tasks if task.trace is not None]
  return {
      "tasks": len(tasks),
      "problems": len({task.reference_code for task in tasks}),
      "bug_origins": _counts(task.bug_origin for task in tasks),
      "bug_kinds": _counts(task.bug_kind for task in tasks),
      "shows": _counts(shows),
      "trace_outcomes": _counts(trace.outcome for trace in traces),
      "trace_steps": lengths_lib.quantiles([len(trace.steps) for trace in traces]),
      "public_tests": sum(len(task.public_tests) for task in tasks),
      "hidden_tests": sum(len(task.hidden_tests) for task in tasks),
      "dropped": _counts(dropped),
      **({"lengths": lengths.of_tasks(tasks)} if lengths is not None else {}),
  }


def write(directory: epath.PathLike, name: str, report: Mapping[str, Any]) -> None:
  """Writes statistics.json and statistics.md.

  Args:
    directory: Directory of the corpus.
    name: Heading of the page.
    report: "splits" maps a split to the result of `of_split`; "contamination" is the result of
      `contamination.overlaps`; other keys are shown unchanged.
  """
  directory = epath.Path(directory)
  files.write_json(directory / "statistics.json", report)
  files.write_text(directory / "statistics.md", page(name, report))


def page(name: str, report: Mapping[str, Any]) -> str:
  """The report as Markdown."""
  splits = report["splits"]
  parts = [f"# {name}\n"]
  facts = {key: value for key, value in report.items() if key not in ("splits", "contamination", "sources", "aim")}
  if facts:
    parts.append("".join(f"* {_words(key)}: {_plain(value)}\n" for key, value in facts.items()))
  if report.get("aim"):
    parts.append(_table("How near it came", ("split", "aimed at", "found", "share"), [
        (split, f"{wanted:,}", f"{splits[split]['tasks']:,}", _share(splits[split]["tasks"], wanted))
        for split, wanted in report["aim"].items()
    ]))
  for source in report.get("sources", ()):
    parts.append(f"* from {_plain(source)}\n")
  parts.append(_table("Size", ("split", "tasks", "problems", "public tests", "hidden tests"), [
      (split, *(f"{found[key]:,}" for key in ("tasks", "problems", "public_tests", "hidden_tests")))
      for split, found in splits.items()
  ]))
  for key, title in _COUNTED.items():
    parts.append(_counted(title, {split: found[key] for split, found in splits.items()}))
  quantiles = [
      (split, title, *(f"{found[key].get(name, 0):,}" for name in _QUANTILES))
      for split, all_found in splits.items()
      for found, key, title in (
          (all_found, "trace_steps", "steps of the trace"),
          (all_found.get("lengths", {}), "trace_tokens", "tokens of the trace"),
          (all_found.get("lengths", {}), "prompt_tokens", "tokens of the prompt"),
      )
      if found.get(key)
  ]
  parts.append(_table("Lengths", ("split", "", *_QUANTILES), quantiles))
  fitting = [
      (
          split, budget, _share(kept["whole"], found["tasks"]), _share(kept["abridged"], found["tasks"]),
          _share(kept["too_long"], found["tasks"]), f"{kept['states_shortened']:,}", f"{kept['states_left_out']:,}",
      )
      for split, found in splits.items()
      for budget, kept in found.get("lengths", {}).get("budgets", {}).items()
  ]
  parts.append(_table("What fits a prompt", _FITTING, fitting))
  shown = [
      (split, f"{states['recorded']:,}", f"{states['written']:,}")
      for split, found in splits.items()
      if (states := found.get("lengths", {}).get("states"))
  ]
  parts.append(_table("States, before any budget", ("split", "recorded", "written into the program"), shown))
  overlap = [
      (*entry["splits"], f"{entry['repairs']:,}", f"{entry['problems']:,}") for entry in report.get("contamination", ())
  ]
  parts.append(_table("What two splits share", ("split", "and", "repairs", "problems"), overlap))
  return "\n".join(part for part in parts if part)


_COUNTED = {
    "bug_origins": "Origin of the bugs", "bug_kinds": "Kind of the bugs", "shows": "How the bugs show",
    "trace_outcomes": "How the traces end", "dropped": "Candidates that became no task",
}
_QUANTILES = ("median", "p90", "p99", "max")
_FITTING = ("split", "tokens", "whole", "trace abridged", "too long", "states shortened", "states left out")


def _counted(title: str, by_split: Mapping[str, Mapping[str, int]]) -> str:
  totals: collections.Counter[str] = collections.Counter()
  for counts in by_split.values():
    totals.update(counts)
  rows = [
      (name, *(f"{counts.get(name, 0):,}" for counts in by_split.values()))
      for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))
  ]
  return _table(title, ("", *by_split), rows)


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  if not rows:
    return ""
  lines = [heads, ["---"] * len(heads), *rows]
  return f"## {title}\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _share(part: int, whole: int) -> str:
  return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "0"


def _words(key: str) -> str:
  return key.replace("_", " ")


def _plain(value: Any) -> str:
  if isinstance(value, Mapping):
    return "; ".join(f"{_words(str(key))} {_plain(item)}" for key, item in value.items()) or "none"
  if isinstance(value, (list, tuple)):
    return ", ".join(map(_plain, value)) or "none"
  return str(value)


def _counts(values: Iterable[str]) -> dict[str, int]:
  return dict(sorted(collections.Counter(values).items()))
