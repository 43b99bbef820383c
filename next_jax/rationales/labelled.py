"""Labelled statements: how far the consistency checker agrees with a careful reader.

A file of text: an introduction, then programs, each with its tests and statements about its run on the first test::

    === double
    def double(n):
        return n + 1
    --- tests
    assert double(3) == 6
    --- statements
    supported | result | It returns 4 instead of 6.
    contradicted | value | n is 4 at step (0).
    unverifiable | other | Line 2 should multiply.

A statement's kind is one of `claims.statement.KINDS` or "other". The trace is made when the file is read.
"""

from collections.abc import Sequence
import dataclasses
import os
import random

from next_jax import errors
from next_jax import schema
from next_jax.rationales import consistency
from next_jax.rationales.claims import statement as statement_lib
from next_jax.tracing.recording import calls
from next_jax.tracing.recording import recorder

OTHER = "other"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label:
  """A statement, the program that it is about, and what a reader of the trace says of it."""

  task: schema.RepairTask
  text: str
  kind: str
  status: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rates:
  """Precision and recall of one status, in one kind or in all.

  Attributes:
    said, true, right: Number of statements that the checker gives the status, that have it, and both.
    precision, recall: Triples (value, low, high) by a bootstrap over statements; None where the denominator is 0.
  """

  said: int
  true: int
  right: int
  precision: tuple[float, float, float] | None
  recall: tuple[float, float, float] | None


def read(path: str | os.PathLike[str]) -> list[Label]:
  """Raises RationaleError."""
  with open(path, encoding="utf-8") as file:
    lines = file.read().split("\n")
  labels: list[Label] = []
  parts: dict[str, list[str]] = {}
  name, part, task = None, "", None
  for number, line in enumerate(lines, 1):
    if line.startswith("=== "):
      name, part, parts, task = line[4:].strip(), "source", {"source": [], "tests": []}, None
    elif line.startswith("--- "):
      part = line[4:].strip()
      if name is None or part not in ("tests", "statements"):
        raise errors.RationaleError(
            f"{os.fspath(path)}, line {number}: found {line!r}; expected '--- tests' or '--- statements'"
        )
    elif name is None or (part == "statements" and not line.strip()):
      continue
    elif part == "statements":
      task = task or _task(name, parts)
      labels.append(_label(task, line, f"{os.fspath(path)}, line {number}"))
    else:
      parts[part].append(line)
  return labels


def _task(name: str, parts: dict[str, list[str]]) -> schema.RepairTask:
  source = "\n".join(parts["source"])
  tests = tuple(line for line in parts["tests"] if line)
  return schema.RepairTask(
      task_id=name, split="labelled", instruction="", entry_point=name, buggy_code=source, reference_code=source,
      public_tests=tests, hidden_tests=(), bug_kind="labelled", bug_origin="benchmark",
      trace=recorder.record(source, calls.traced_call(tests[0] if tests else "", name)),
  )


def _label(task: schema.RepairTask, line: str, where: str) -> Label:
  status, _, rest = line.partition(" | ")
  kind, _, text = rest.partition(" | ")
  if status not in consistency.STATUSES or kind not in (*statement_lib.KINDS, OTHER) or not text:
    raise errors.RationaleError(
        f"{where}: found {line!r}; expected 'status | kind | statement' with a status of"
        f" {', '.join(consistency.STATUSES)} and a kind of {', '.join((*statement_lib.KINDS, OTHER))}"
    )
  return Label(task=task, text=text, kind=kind, status=status)


def judge(labels: Sequence[Label]) -> list[str]:
  """What the checker says of each: contradicted if anything in it is, supported if the rest that is judged is."""
  checkers: dict[str, consistency.Checker] = {}
  judged = []
  for label in labels:
    task_id = label.task.task_id
    checker = checkers.get(task_id) or checkers.setdefault(task_id, consistency.Checker(label.task))
    found = {finding.status for finding in checker.check(label.text)}
    judged.append(next((status for status in _ORDER if status in found), consistency.UNVERIFIABLE))
  return judged


_ORDER = (consistency.CONTRADICTED, consistency.SUPPORTED)


def rates(
    labels: Sequence[Label], judged: Sequence[str], status: str, kind: str | None = None, *, num_resamples: int = 2000
) -> Rates:
  """Precision and recall of a status, over statements of one kind or all."""
  pairs = [
      (said == status, label.status == status)
      for label, said in zip(labels, judged, strict=True) if kind is None or label.kind == kind
  ]
  draw = random.Random(0)
  resamples = [draw.choices(pairs, k=len(pairs)) for _ in range(num_resamples)] if pairs else []
  counts = _counts(pairs)
  return Rates(
      said=counts[0], true=counts[1], right=counts[2],
      precision=_interval(counts, resamples, 0), recall=_interval(counts, resamples, 1),
  )


def _counts(pairs: Sequence[tuple[bool, bool]]) -> tuple[int, int, int]:
  return sum(said for said, _ in pairs), sum(true for _, true in pairs), sum(said and true for said, true in pairs)


def _interval(counts: tuple[int, int, int], resamples, of: int) -> tuple[float, float, float] | None:
  if not counts[of]:
    return None
  drawn = [_counts(resample) for resample in resamples]
  values = sorted(found[2] / found[of] for found in drawn if found[of])
  if not values:
    return None
  at = int(0.025 * len(values))
  return counts[2] / counts[of], values[at], values[len(values) - 1 - at]
