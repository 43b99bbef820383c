"""Reads the token examples of a SeqIO task; trainer and sampler see only arrays."""

from collections.abc import Iterator
from typing import Any

import seqio

from next_jax import errors
from next_jax.engines import examples as examples_lib


def find_task(name: str, vocab_size: int) -> seqio.Task:
  """The registered task; raises EngineError if it does not exist or does not fit the network."""
  try:
    task = seqio.get_mixture_or_task(name)
  except ValueError as error:
    raise errors.EngineError(f"SeqIO task {name!r}: {error}; is the module that registers it imported?") from None
  for feature in ("inputs", "targets"):
    if feature not in task.output_features:
      raise errors.EngineError(
          f"SeqIO task {name!r}: expected the features 'inputs' and 'targets', found no {feature!r}"
      )
    found = task.output_features[feature].vocabulary.vocab_size
    if found > vocab_size:
      raise errors.EngineError(
          f"SeqIO task {name!r}: its vocabulary has {found} tokens, the network's vocab_size is {vocab_size};"
          f" make vocab_size at least {found}"
      )
  return task


def read(task: seqio.Task, split: str) -> Iterator[dict[str, Any]]:
  """Yields every example of the split once, in order, uncut; raises EngineError for an unknown split."""
  if split not in task.splits:
    raise errors.EngineError(f"SeqIO task {task.name!r}: found no split {split!r}, it has: {', '.join(task.splits)}")
  dataset = task.get_dataset(sequence_length=None, split=split, use_cached=False, shuffle=False, num_epochs=1)
  yield from dataset.as_numpy_iterator()


def read_tokens(task: seqio.Task, split: str, max_length: int) -> examples_lib.TokenExamples:
  """Reads all examples of at most `max_length` tokens; raises EngineError if there are none."""
  examples = examples_lib.collect(read(task, split), max_length)
  if not len(examples):
    raise errors.EngineError(
        f"SeqIO task {task.name!r}, split {split!r}: no example has at most {max_length} tokens"
        f" ({examples.too_long} are longer); raise sequence_length or check the data"
    )
  return examples


def read_with_ids(task: seqio.Task, split: str) -> tuple[examples_lib.TokenExamples, list[str]]:
  """All examples, and the `task_id` of each, or its number if it has no such feature."""
  task_ids = []

  def remember_ids():
    for number, example in enumerate(read(task, split)):
      task_ids.append(example["task_id"].decode("utf-8") if "task_id" in example else str(number))
      yield example

  return examples_lib.collect(remember_ids()), task_ids
