"""Which samples a model is tuned on: small objects, put one after the other in gin.

A filter takes candidates and gives back some of them in the same order. The candidates of all
iterations come in, the newest iteration first, each iteration in an order that is shuffled by
seed: so whatever keeps "the first" keeps the newest, and among them any.
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
  """A sample that the model may be tuned on, with all that is known of it."""

  iteration: int
  task: schema.RepairTask
  sample: schema.Sample
  verdict: schema.Verdict


class Filter(Protocol):

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parsed:
  """Keeps samples that have a fix at all; the loop always applies it first."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.sample.fix is not None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PassesTests:
  """Keeps samples whose fix passes all tests (METHOD.md: rejection sampling by execution)."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.verdict.passed]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewestIteration:
  """Keeps samples of the newest iteration only; without it those of all iterations, and of the base, are mixed.

  First in a list of filters it goes by the iterations there are, behind others by those they leave something of.
  """

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    newest = max((candidate.iteration for candidate in candidates), default=0)
    return [candidate for candidate in candidates if candidate.iteration == newest]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
  """Keeps samples whose tests were evaluated outside the fix's own process, where no fix can forge a result."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.verdict.trust == "judged"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsistentRationale:
  """Keeps samples whose rationale says nothing that the trace of its task contradicts (METHOD.md, step 2).

  What cannot be verified does not count, so without a trace or a rationale all are kept. Some 1,700 rationales of the
  embedded corpus a second; after a filter that refuses much there are fewer to check.
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
  """Keeps one sample of each fix of a task; fixes that differ in names or layout only are one."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return _first_of_each(candidates, lambda c: (c.task.task_id, _canonical(c.sample.fix)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class UniqueCompletion:
  """Keeps one sample of each pair of rationale and fix of a task."""

  def __call__(self, candidates: Sequence[Candidate]) -> list[Candidate]:
    return _first_of_each(candidates, lambda c: (c.task.task_id, c.sample.rationale, c.sample.fix))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AtMost:
  """Keeps at most `per_task` samples of a task, so that easy tasks do not fill the training set."""

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
  except (canonical.CanonicalError, RecursionError):  # no program, or one too deep to walk
    text = fix
  return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
