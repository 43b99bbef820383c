"""A budget of tokens for a prompt, counted by the vocabulary of the model that will read it."""

from collections.abc import Sequence
import dataclasses
from typing import Protocol

from next_jax import errors


class Vocabulary(Protocol):
  """Counts tokens; SeqIO's vocabularies do."""

  def encode(self, text: str) -> Sequence[int]:
    """The tokens of a text, without end-of-sequence."""
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenBudget:
  """Maximum length of a prompt.

  Attributes:
    max_tokens: Maximum tokens of the whole prompt, counted as for an engine's `max_prompt_length`.
    vocabulary: Vocabulary of the model.
  """

  max_tokens: int
  vocabulary: Vocabulary

  def __post_init__(self):
    if type(self.max_tokens) is not int or self.max_tokens < 1:
      raise errors.PromptError(
          f"TokenBudget.max_tokens={self.max_tokens!r}: expected a whole number of tokens, at least 1"
      )
    if isinstance(self.vocabulary, str) or not callable(getattr(self.vocabulary, "encode", None)):
      raise errors.PromptError(
          f"TokenBudget.vocabulary={self.vocabulary!r}: expected a vocabulary, such as minirepair_vocabulary() of"
          " next_jax.models.vocabularies"
      )

  def count(self, text: str) -> int:
    return len(self.vocabulary.encode(text))
