"""Token examples of a SeqIO task, held once, in one flat array."""

import array
from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import functools

import numpy as np
import seqio

from next_jax import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenExamples:
  """Inputs and targets of many examples, one after the other in one array.

  Attributes:
    tokens: `[all tokens]` int32; of example i, `tokens[offsets[i]:offsets[i + 1]]` are its inputs
      and then its targets.
    offsets: `[examples + 1]` int64.
    input_lengths: `[examples]` int64, tokens of the inputs.
    too_long: examples left out because they have more tokens than a row.
  """

  tokens: np.ndarray
  offsets: np.ndarray
  input_lengths: np.ndarray
  too_long: int = 0

  def __len__(self) -> int:
    return len(self.input_lengths)

  @functools.cached_property
  def input_ids(self) -> np.ndarray:
    """`[examples]` int64, the same number for examples with the same inputs."""
    numbers: dict[bytes, int] = {}
    starts, ends = self.offsets[:-1], self.offsets[:-1] + self.input_lengths
    inputs = (self.tokens[start:end].tobytes() for start, end in zip(starts, ends))
    return np.array([numbers.setdefault(text, len(numbers)) for text in inputs], np.int64)

  @property
  def lengths(self) -> np.ndarray:
    """`[examples]`, tokens of inputs and targets together."""
    return np.diff(self.offsets)


def find_task(name: str, vocab_size: int) -> seqio.Task:
  """The registered task, checked against the network; raises EngineError."""
  try:
    task = seqio.get_mixture_or_task(name)
  except ValueError as error:
    raise errors.EngineError(f"SeqIO task {name!r}: {error}; is the module that registers it imported?") from None
  for feature in ("inputs", "targets"):
    if feature not in task.output_features:
      raise errors.EngineError(f"SeqIO task {name!r}: expected the features 'inputs' and 'targets', found no {feature!r}")
    found = task.output_features[feature].vocabulary.vocab_size
    if found > vocab_size:
      raise errors.EngineError(
          f"SeqIO task {name!r}: its vocabulary has {found} tokens, the network's vocab_size is {vocab_size};"
          f" make vocab_size at least {found}"
      )
  return task


def read(task: seqio.Task, split: str) -> Iterator[dict[str, np.ndarray]]:
  """Every example of the split once, in order, nothing cut."""
  if split not in task.splits:
    raise errors.EngineError(f"SeqIO task {task.name!r}: found no split {split!r}, it has: {', '.join(task.splits)}")
  dataset = task.get_dataset(sequence_length=None, split=split, use_cached=False, shuffle=False, num_epochs=1)
  yield from dataset.as_numpy_iterator()


def collect(examples: Iterable[Mapping[str, np.ndarray]], max_length: int | None = None) -> TokenExamples:
  """Puts examples, but for those of more than `max_length` tokens, into one array."""
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


def read_tokens(task: seqio.Task, split: str, max_length: int) -> TokenExamples:
  """Reads all examples of at most `max_length` tokens; raises EngineError when there are none."""
  examples = collect(read(task, split), max_length)
  if not len(examples):
    raise errors.EngineError(
        f"SeqIO task {task.name!r}, split {split!r}: no example has at most {max_length} tokens"
        f" ({examples.too_long} are longer); raise sequence_length or check the data"
    )
  return examples


def read_with_ids(task: seqio.Task, split: str) -> tuple[TokenExamples, list[str]]:
  """All examples, and of each its feature `task_id`, or its number where it has none."""
  task_ids = []

  def remember_ids():
    for number, example in enumerate(read(task, split)):
      task_ids.append(example["task_id"].decode("utf-8") if "task_id" in example else str(number))
      yield example

  return collect(remember_ids()), task_ids
