"""Stop rules: where the text of a completion ends although the model goes on.

A rule is a function from the text that was written so far to the length of the part that counts, or None while the end
has not come. A text that has ended stays ended, at the same place, whatever follows. So it does not matter how often a
sampler looks.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import numpy as np

Stop = Callable[[str], int | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Texts:
  """Ends a completion before the first of some texts, such as "\\n### Task"."""

  texts: Sequence[str]

  def __call__(self, text: str) -> int | None:
    found = [place for place in map(text.find, self.texts) if place >= 0]
    return min(found, default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class First:
  """Ends a completion where the first of several rules ends it."""

  rules: Sequence[Stop]

  def __call__(self, text: str) -> int | None:
    return min((end for rule in self.rules if (end := rule(text)) is not None), default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
  """A stop rule on tokens.

  Attributes:
    stop: The rule.
    decode: Makes a text of tokens.
    eos_id: Token that ends a completion; not part of its text.
  """

  stop: Stop
  decode: Callable[[Sequence[int]], str]
  eos_id: int

  def has_ended(self, tokens: np.ndarray) -> bool:
    """Whether the text of these tokens has ended."""
    return self.stop(self._text(tokens)) is not None

  def num_tokens(self, tokens: np.ndarray) -> int:
    """The smallest number of tokens whose text has ended; that of all if it has not."""
    if not self.has_ended(tokens):
      return len(tokens)
    low, high = 0, len(tokens)  # the text of `high` tokens has ended
    while low < high:
      middle = (low + high) // 2
      if self.has_ended(tokens[:middle]):
        high = middle
      else:
        low = middle + 1
    return high

  def _text(self, tokens: np.ndarray) -> str:
    ids = tokens.tolist()
    return self.decode(ids[:-1] if ids and ids[-1] == self.eos_id else ids)


def of_vocabulary(stop: Stop | None, vocabulary: Any) -> Ending | None:
  """The rule on tokens of a SeqIO vocabulary; None without a rule."""
  return None if stop is None else Ending(stop=stop, decode=vocabulary.decode, eos_id=vocabulary.eos_id)
