"""A program with one open place and the candidates for it; only execution tells which is right."""

from collections.abc import Callable
import dataclasses
import random
from typing import Any

from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora import mutations
from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair import rationales
from next_jax.corpora.minirepair.readoff import reading

# Names of intermediate results. All occur in the pretraining corpus, though mostly in other roles, and all are one
# token. "a" is missing because instructions use it as a word.
NAMES = (
    "b", "c", "d", "v", "w", "x", "y", "acc", "best", "count", "found", "hits", "high", "kept", "last", "low",
    "old", "out", "peak", "prev", "rest", "result", "score", "size", "spare", "top", "total",
)

# Constants and results stay below 20, the most frequent numbers of the pretraining corpus.
MODULI = (11, 13, 17, 19)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadOffQuestion:
  """A program of a family with one open place that any of the candidates could fill.

  Attributes:
    code: Candidate -> the program with it in the open place.
    candidates: Five or more expressions: names, names with a constant index, or constants.
    kind: Kind of bug that a wrong candidate makes: "wrong_return", "wrong_variable", "wrong_key", "wrong_index" or
      "wrong_constant".
    precise, vague, entry_point, inputs: As in `draw.DrawnProblem`. The descriptions say nothing about the open place.
    wanted: Result of a call -> its part that comes from the open place; for most families the result itself.
  """

  code: Callable[[str], str]
  candidates: tuple[str, ...]
  kind: str
  entry_point: str
  precise: str
  vague: str
  inputs: draw.Inputs
  wanted: Callable[[Any], Any] = lambda result: result

  def pose(self, rng: random.Random) -> tuple[str, str]:
    """(right candidate, wrong candidate), drawn from `rng` alone with equal chances for all pairs.

    So all other candidates are equally likely to be right for someone who knows the wrong one.
    """
    right, wrong = rng.sample(self.candidates, 2)
    return right, wrong

  def read_off(self, trace: schema.Trace, expected: Any) -> list[str]:
    """The candidates, and other names, that have the expected value in the trace of the failing test."""
    holding, others = reading.holders(self.candidates, trace, self.wanted(expected))
    return holding + others

  def in_sight(self, trace: schema.Trace) -> dict[str, rationales.State | None]:
    """Candidates that a guesser would choose from -> the state of the trace that shows each; None if none does."""
    del trace
    return dict.fromkeys(self.candidates)

  def posed(self, right: str, wrong: str) -> tuple[draw.DrawnProblem, mutations.Mutant]:
    """The program with the right candidate, and the bug with the wrong one."""
    code, bug = self.code(right), self.code(wrong)
    lines, bug_lines = code.split("\n"), bug.split("\n")
    (line,) = (index for index, (old, new) in enumerate(zip(lines, bug_lines, strict=True)) if old != new)
    problem = draw.DrawnProblem(
        code=code, entry_point=self.entry_point, precise=self.precise, vague=self.vague, inputs=self.inputs
    )
    mutant = mutations.Mutant(
        kind=self.kind,
        code=bug,
        line=line + 1,
        before_line=lines[line].strip(),
        after_line=bug_lines[line].strip(),
        canonical=canonical.canonical(bug),
    )
    return problem, mutant


def temporaries(d: draw.Draw, num: int, *taken: str) -> list[str]:
  """Distinct names for intermediate results, none of them in `taken`."""
  return d.rng.sample([name for name in NAMES if name not in taken], num)


def arguments(rng: random.Random, num: int) -> tuple[int, ...]:
  """`num` numbers of two digits, then a prime below 20 that divides none of them, so no remainder of a product is 0.

  The programs' products have three or four digits, so their remainders can be anything.
  """
  modulus = rng.choice(MODULI)
  return (*rng.sample([n for n in range(21, 60) if n % modulus], num), modulus)
