"""Special tokens in texts: marked where a template or an engine put them, and else plain characters."""

from collections.abc import Sequence
import dataclasses
import functools
import re

MARK = "\0"  # no program holds a NUL, and TensorFlow's strings may
_SPLIT = MARK * 2  # stands inside of what is not to be taken for a special token


def marked(token: str) -> str:
  """A special token for `HuggingFaceVocabulary.encode`, which takes the bare token for text."""
  return MARK + token + MARK


@dataclasses.dataclass(frozen=True)
class SpecialTokens:
  """The special tokens of a vocabulary."""

  tokens: Sequence[str]

  def disguised(self, text: str) -> str:
    """A text without NUL in which no special token can be found, until it is `revealed`."""
    return self._pattern.sub(lambda found: found[0][0] + _SPLIT + found[0][1:], text) if self.tokens else text

  def revealed(self, text: str) -> str:
    """A text with its special tokens marked and its disguised ones as they were."""
    if not self.tokens:
      return text
    pieces = self._pattern.split(text)
    return "".join(marked(piece) if number % 2 else piece.replace(_SPLIT, "") for number, piece in enumerate(pieces))

  def split(self, text: str) -> list[str]:
    """Plain pieces at even places, and marked tokens, bare, between them."""
    if not self.tokens or MARK not in text:
      return [text]
    return self._marked_pattern.split(text)

  @functools.cached_property
  def _alternatives(self) -> str:
    return "|".join(re.escape(token) for token in sorted(self.tokens, key=len, reverse=True))

  @functools.cached_property
  def _pattern(self) -> re.Pattern[str]:
    return re.compile(f"({self._alternatives})")

  @functools.cached_property
  def _marked_pattern(self) -> re.Pattern[str]:
    return re.compile(f"{MARK}({self._alternatives}){MARK}")
