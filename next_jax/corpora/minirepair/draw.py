"""Random choices of a family of problems: names, constants, and ways to write the same thing."""

import builtins
from collections.abc import Callable
import dataclasses
import keyword
import random
from typing import Any

Inputs = Callable[[random.Random], tuple[Any, ...]]

# Small pools of descriptive names, so that a small model can learn them all.
NAMES: dict[str, tuple[str, ...]] = {
    "numbers": ("nums", "values", "data", "items"),
    "others": ("others", "extra", "more"),
    "words": ("words", "names", "tokens"),
    "text": ("text", "line", "s"),
    "second_text": ("other", "t", "tail"),
    "mapping": ("stock", "prices", "table"),
    "integer": ("n", "num", "value"),
    "second_integer": ("m", "b", "step"),
    "limit": ("limit", "k", "bound"),
    "element": ("x", "v", "item"),
    "second_element": ("y", "w", "last"),
    "word": ("word", "name", "token"),
    "letter": ("c", "ch", "letter"),
    "index": ("i", "j", "pos"),
    "total": ("total", "acc", "score"),
    "count": ("count", "hits", "found"),
    "best": ("best", "top", "peak"),
    "previous": ("prev", "last", "old"),
    "result": ("result", "out", "kept"),
    "second_result": ("rest", "low", "spare"),
    "built": ("result", "out", "built"),
    "counts": ("counts", "groups", "seen"),
    "key": ("key", "k", "code"),
    "flag": ("flag", "ok", "found"),
    "run": ("run", "size", "length"),
    "digit": ("d", "digit", "rest"),
}

FUNCTIONS: dict[str, tuple[str, ...]] = {
    "count": ("count", "tally", "how_many"),
    "sum": ("total_of", "add_up", "compute"),
    "find": ("find", "search", "locate"),
    "select": ("select", "keep", "pick"),
    "change": ("change", "convert", "apply"),
    "build": ("build", "make", "combine"),
    "check": ("check", "test", "valid"),
    "rate": ("rate", "classify", "label"),
    "part": ("inner", "helper", "part"),
}

# Parts of made-up names: the words above, and syllables.
_WORDS = tuple(sorted({word for pool in (*NAMES.values(), *FUNCTIONS.values()) for word in pool if "_" not in word}))
# Names that families write without drawing them, as they do single letters. Made-up names avoid both.
FIXED = frozenset("cart depth end first high level low order points prices result row rows weights".split())
_CONSONANTS = "b c d f g h j k l m n p r s t v w x z ch st tr".split()
_VOWELS = "a e i o u ee ou".split()

COMPARISONS = ((">", "greater than"), ("<", "less than"), (">=", "at least"), ("<=", "at most"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawnProblem:
  """A right program with its descriptions and inputs.

  Attributes:
    code: The program.
    entry_point: Name of the function that tests call.
    precise, vague: Descriptions with and without the constants and boundaries.
    inputs: Draws the arguments of one call.
  """

  code: str
  entry_point: str
  precise: str
  vague: str
  inputs: Inputs


class Draw:
  """Random choices for one problem; no name is drawn twice.

  Args:
    rng: Source of all choices.
    open_names: Make names up instead of taking them from the pools. There are too many to learn, so a model that reads
      such programs learns to copy names, which it needs for other people's programs.
  """

  def __init__(self, rng: random.Random, *, open_names: bool = False):
    self.rng = rng
    self._open_names = open_names
    self._used: set[str] = set()

  def name(self, role: str) -> str:
    return self._unused(NAMES[role])

  def names(self, *roles: str) -> list[str]:
    return [self.name(role) for role in roles]

  def function(self, role: str) -> str:
    return self._unused(FUNCTIONS[role])

  def between(self, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return self.rng.randint(low, high)

  def pick(self, *options: Any) -> Any:
    return self.rng.choice(options)

  def flip(self, probability: float = 0.5) -> bool:
    return self.rng.random() < probability

  def comparison(self) -> tuple[str, str]:
    """An operator and its phrase in a description."""
    return self.rng.choice(COMPARISONS)

  def each(self, sequence: str, role: str = "element") -> tuple[str, str]:
    """The head of a loop over a sequence, and the expression of its element; by index in one case of four."""
    if self.flip(0.25):
      index = self.name("index")
      return f"for {index} in range(len({sequence})):", f"{sequence}[{index}]"
    element = self.name(role)
    return f"for {element} in {sequence}:", element

  def update(self, variable: str, sign: str, value: str) -> str:
    """`total += x`, or in one case of four `total = total + x`."""
    return f"{variable} = {variable} {sign} {value}" if self.flip(0.25) else f"{variable} {sign}= {value}"

  def _unused(self, pool: tuple[str, ...]) -> str:
    free = [name for name in pool if name not in self._used]
    name = self._made_up() if self._open_names else self.rng.choice(free)
    self._used.add(name)
    return name

  def _made_up(self) -> str:
    """A made-up name in a common style, such as `kept_row`, `topCh`, `li2` or `tresu`."""
    while True:
      parts = [self._part() for _ in range(self.rng.choice((1, 1, 2, 2, 3)))]
      if self.flip(0.2):
        name = parts[0] + "".join(part.capitalize() for part in parts[1:])
      else:
        name = "_".join(parts)
      if self.flip(0.15):
        name += str(self.rng.randint(1, 9))
      if len(name) == 1 or name in FIXED or keyword.iskeyword(name) or hasattr(builtins, name):
        continue
      if name not in self._used:
        return name

  def _part(self) -> str:
    if self.flip():
      return self.rng.choice(_WORDS)
    if self.flip(0.2):
      return self.rng.choice("abcdefghijklmnopqrstuvwxyz")
    return "".join(
        self.rng.choice(_CONSONANTS) + self.rng.choice(_VOWELS) for _ in range(self.rng.choice((1, 1, 2)))
    ) + (self.rng.choice(_CONSONANTS) if self.flip(0.3) else "")


def program(*lines: str) -> str:
  """The lines as one text. Empty lines are dropped: they are parts that a variation leaves out."""
  return "\n".join(line for line in lines if line) + "\n"
