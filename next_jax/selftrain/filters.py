"""Filters choose the samples that a model is tuned on: small objects, applied one after the other, bound in gin.

A filter takes candidates and returns some of them in the same order. The newest iteration comes first, and within an
iteration the seed shuffles. A filter that keeps "the first" therefore keeps the newest, and a random one among those.
"""

from collections import Counter
from collections.abc import Callable, Sequence
import dataclasses
import hashlib
from typing import Protocol

from next_jax import schema
from next_jax.corpora import canonical
from next_jax.rationales import consistency


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
  """A sample that the model may be tuned on, and everything known about it."""

  iteration: int
  task: schema.RepairTask
  sample: schema.Sample
  verdict: schema.Verdict


class Filter(Protocol):
  """Chooses samples. To add one, write a frozen dataclass like those below and bind it in `SelfTraining.filters`."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parsed:
  """Keeps samples that have a fix at all. The loop always applies it first."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.sample.fix is not None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PassesTests:
  """Keeps samples whose fix passes all tests (docs/method.md: rejection sampling by execution)."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.verdict.passed]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewestIteration:
  """Keeps samples of the newest iteration only. Without it, samples of the base and of all iterations are mixed.

  Put first, it means the newest iteration of all; put later, the newest that the filters before it have left.
  """

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    newest = max((candidate.iteration for candidate in candidates), default=0)
    return [candidate for candidate in candidates if candidate.iteration == newest]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
  """Keeps samples whose tests were evaluated outside the fix's process, where no fix can forge a result."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.verdict.trust == "judged"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsistentRationale:
  """Keeps samples whose rationale says nothing that the task's trace contradicts (docs/method.md, step 2).

  Statements that cannot be checked do not count: without a trace or a rationale every sample is kept. It checks some
  1,700 rationales of the embedded corpus a second; put it after a filter that drops many.
  """

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    checkers: dict[str, consistency.Checker] = {}
    kept = []
    for candidate in candidates:
      task = candidate.task
      checker = checkers.get(task.task_id) or checkers.setdefault(task.task_id, consistency.Checker(task))
      if not checker.contradicts(candidate.sample.rationale or ""):
        kept.append(candidate)
    return kept


@dataclasses.dataclass(frozen=True, kw_only=True)
class UniqueFix:
  """Keeps one sample of each fix of a task. Fixes that differ only in names or layout are the same."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return _first_of_each(candidates, lambda c: (c.task.task_id, _canonical(c.sample.fix)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class UniqueCompletion:
  """Keeps one sample of each (rationale, fix) of a task."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return _first_of_each(candidates, lambda c: (c.task.task_id, c.sample.rationale, c.sample.fix))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtMost:
  """Keeps at most `per_task` samples a task, so that easy tasks do not fill the training set."""

  per_task: int = 3

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    counts: Counter[str] = Counter()
    kept = []
    for candidate in candidates:
      counts[candidate.task.task_id] += 1
      if counts[candidate.task.task_id] <= self.per_task:
        kept.append(candidate)
    return kept


def _first_of_each(candidates: Sequence[Candidate], key: Callable[[Candidate], object]) -> list[Candidate]:
  first: dict[object, Candidate] = {}
  for candidate in candidates:
    first.setdefault(key(candidate), candidate)
  return list(first.values())


def _canonical(fix: str | None) -> str:
  fix = fix or ""
  try:
    text = canonical.canonical(fix)
  except (canonical.CanonicalError, RecursionError):  # not a program, or nested too deeply to walk
    text = fix
  return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
