"""What an engine gives back for the prompts of one chunk."""

from collections.abc import Callable, Sequence
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Completions:
  """Completions of one chunk; row `task * num_samples + sample`.

  Attributes:
    tokens: `[rows, steps]`, 0 after the end.
    lengths: `[rows]`, number of tokens, with the end-of-sequence token where there is one.
    log_probabilities: `[rows]`, natural, summed over tokens, at temperature 1 with nothing truncated.
  """

  tokens: np.ndarray
  lengths: np.ndarray
  log_probabilities: np.ndarray


Complete = Callable[[Sequence[np.ndarray], Sequence[str]], Completions]
