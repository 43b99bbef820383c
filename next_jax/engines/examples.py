"""Token examples, stored in one flat array."""

import array
from collections.abc import Iterable, Mapping
import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenExamples:
  """Inputs and targets of many examples, one after another in one array.

  Attributes:
    tokens: `[all tokens]` int32. `tokens[offsets[i]:offsets[i + 1]]` holds the inputs of example i, then its targets.
    offsets: `[examples + 1]` int64.
    input_lengths: `[examples]` int64, number of input tokens.
    too_long: Number of examples left out because they are longer than a row.
  """

  tokens: np.ndarray
  offsets: np.ndarray
  input_lengths: np.ndarray
  too_long: int = 0

  def __len__(self) -> int:
    return len(self.input_lengths)

  @functools.cached_property
  def input_ids(self) -> np.ndarray:
    """`[examples]` int64; examples with the same inputs have the same number."""
    numbers: dict[bytes, int] = {}
    starts, ends = self.offsets[:-1], self.offsets[:-1] + self.input_lengths
    inputs = (self.tokens[start:end].tobytes() for start, end in zip(starts, ends, strict=True))
    return np.array([numbers.setdefault(text, len(numbers)) for text in inputs], np.int64)

  @property
  def lengths(self) -> np.ndarray:
    """`[examples]`, number of tokens of inputs and targets together."""
    return np.diff(self.offsets)


def collect(examples: Iterable[Mapping[str, np.ndarray]], max_length: int | None = None) -> TokenExamples:
  """Puts examples into one array; leaves out those with more than `max_length` tokens."""
  tokens, offsets, input_lengths = array.array("i"), array.array("q", [0]), array.array("q")
  too_long = 0
  for example in examples:
    inputs, targets = example["inputs"].astype(np.int32), example["targets"].astype(np.int32)
    if max_length is not None and len(inputs) + len(targets) > max_length:
      too_long += 1
      continue
    tokens.frombytes(inputs.tobytes())
    tokens.frombytes(targets.tobytes())
    offsets.append(len(tokens))
    input_lengths.append(len(inputs))
  return TokenExamples(
      tokens=np.asarray(tokens, np.int32),
      offsets=np.asarray(offsets, np.int64),
      input_lengths=np.asarray(input_lengths, np.int64),
      too_long=too_long,
  )
