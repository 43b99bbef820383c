"""What an engine returns for the prompts of one chunk."""

from collections.abc import Callable, Sequence
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Completions:
  """Completions of one chunk. Row `task * num_samples + sample` is one sample.

  Attributes:
    tokens: `[rows, steps]`, 0 after the end of a completion.
    lengths: `[rows]`, number of tokens, including the end-of-sequence token if there is one. Where a stop rule ended
      the text, these are the tokens that hold it.
    log_probabilities: `[rows]`, natural, summed over tokens, at temperature 1 and without truncation.
  """

  tokens: np.ndarray
  lengths: np.ndarray
  log_probabilities: np.ndarray


Complete = Callable[[Sequence[np.ndarray], Sequence[str]], Completions]
