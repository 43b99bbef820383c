"""A program with one open place, and what may stand there: which of them is meant, only an execution tells."""

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

# Of intermediate results. All occur in the pretraining corpus, though mostly in other roles; all are one token. No "a":
# instructions have that word.
NAMES = (
    "b", "c", "d", "v", "w", "x", "y", "acc", "best", "count", "found", "hits", "high", "kept", "last", "low",
    "old", "out", "peak", "prev", "rest", "result", "score", "size", "spare", "top", "total",
)

# Largest constants and results are below 20, which are the numbers that the pretraining corpus is full of.
MODULI = (11, 13, 17, 19)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadOffQuestion:
  """A family's program whose one open place any of the candidates could fill.

  Attributes:
    code: the program with a candidate in the open place.
    candidates: expressions, each a name or a name with a constant index, or constants; five or more.
    kind: of the bug that a wrong candidate is: "wrong_return", "wrong_variable", "wrong_key", "wrong_index" or
      "wrong_constant".
    precise, vague, entry_point, inputs: as in `draw.DrawnProblem`. The descriptions say nothing about the place.
    wanted: the part of the call's result that comes from the open place; the result itself for most families.
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
    """(right candidate, wrong candidate), all pairs with equal chances and from nothing but `rng`.

    So to whoever knows the wrong one, the others are equally likely, whatever they look like.
    """
    right, wrong = rng.sample(self.candidates, 2)
    return right, wrong

  def read_off(self, trace: schema.Trace, expected: Any) -> list[str]:
    """The candidates that the trace of the failing test says are right, and what else it says so of."""
    holding, others = reading.holders(self.candidates, trace, self.wanted(expected))
    return holding + others

  def in_sight(self, trace: schema.Trace) -> dict[str, rationales.State | None]:
    """What somebody takes who does not know how to tell, and the state of the trace that it is taken from, if any."""
    del trace
    return dict.fromkeys(self.candidates)

  def posed(self, right: str, wrong: str) -> tuple[draw.DrawnProblem, mutations.Mutant]:
    """The program with the right candidate, and the bug that is the wrong one."""
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
  """Numbers of two digits, and a prime below 20 to whose modulus they are none of them 0: so no product of them is 0.

  The products that the programs make of them are of three and four digits, and their remainders anything.
  """
  modulus = rng.choice(MODULI)
  return (*rng.sample([n for n in range(21, 60) if n % modulus], num), modulus)
