"""Bugs that are mutants of the reference solutions, with one change or two."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import itertools
import random
from typing import Any, ClassVar

from next_jax import errors
from next_jax.corpora import bugs as bugs_lib
from next_jax.corpora import mutations
from next_jax.execution.benchmarks import problems as problems_lib

_MOST_CHANGES = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mutants:
  """Mutants of the reference solutions, those with fewer changes first.

  Half of MBPP's references have fewer than 20 mutants with one change, a few have hundreds. With two changes, a corpus
  of the paper's size is spread evenly over the problems.

  Attributes:
    per_problem, share: See `bugs.Origin`.
    kinds: Kinds of mutations. A bug with two of them is labelled, for example, "constant+operator".
    changes: Maximum number of mutations in a bug, 1 or 2.
    max_candidates: Maximum number of mutants to try per problem, as a multiple of `per_problem`.
  """

  name: ClassVar[str] = "mutant"

  per_problem: int = 8
  share: float = 1.0
  kinds: tuple[str, ...] = mutations.KINDS
  changes: int = 1
  max_candidates: float = 3.0

  def __post_init__(self):
    bugs_lib.check_quota(self)
    for kind in self.kinds:
      if kind not in mutations.KINDS:
        raise errors.CorpusError(f"Mutants.kinds: unknown mutation {kind!r}; known: {', '.join(mutations.KINDS)}")
    if self.changes not in range(1, _MOST_CHANGES + 1):
      raise errors.CorpusError(f"Mutants.changes: found {self.changes!r}, expected 1 or {_MOST_CHANGES}")
    if self.max_candidates < 1:
      raise errors.CorpusError(f"Mutants.max_candidates: found {self.max_candidates!r}, expected 1 or more")

  def bugs(self, problems: Sequence[problems_lib.Problem], seed: int) -> Mapping[str, Iterator[bugs_lib.Bug]]:
    most = round(self.max_candidates * self.per_problem)
    return {
        problem.task_id: itertools.islice(self._of_problem(problem, seed), most) for problem in problems
    }

  def sources(self, problems: Sequence[problems_lib.Problem]) -> list[dict[str, Any]]:
    del problems
    return []

  def _of_problem(self, problem: problems_lib.Problem, seed: int) -> Iterator[bugs_lib.Bug]:
    rng = random.Random(f"mutants/{seed}/{problem.task_id}")
    singles = []
    for mutant in mutations.mutants(problem.canonical, rng, self.kinds):
      singles.append(mutant)
      yield bugs_lib.Bug(code=mutant.code, kind=mutant.kind)
    if self.changes < 2:
      return
    # One from each single in turn, so that no change dominates the bugs.
    streams = [(single, mutations.mutants(single.code, rng, self.kinds)) for single in singles]
    rng.shuffle(streams)
    while streams:
      remaining = []
      for single, stream in streams:
        double = next(stream, None)
        if double is not None:
          remaining.append((single, stream))
          yield bugs_lib.Bug(code=double.code, kind="+".join(sorted((single.kind, double.kind))))
      streams = remaining
