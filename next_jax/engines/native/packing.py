"""Which examples share a row of a batch, and the features of such a row.

The features are those of `seqio.PrefixLMFeatureConverter(pack=True)`. SeqIO's own packing runs
inside a tf.data pipeline; here the whole plan is made ahead, because then it fits tighter (best
fit over all rows), the number of steps is known before the first, and a killed training goes on at
any row without reading the ones before it.
"""

import bisect
from collections.abc import Sequence
import dataclasses

import numpy as np

from next_jax.engines.native import examples as examples_lib

Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """Rows of a training, in order; row r packs the examples `ids[offsets[r]:offsets[r + 1]]`."""

  ids: np.ndarray
  offsets: np.ndarray

  def __len__(self) -> int:
    return len(self.offsets) - 1

  def row(self, number: int) -> np.ndarray:
    return self.ids[self.offsets[number] : self.offsets[number + 1]]


def plan_rows(lengths: np.ndarray, *, row_length: int, num_epochs: float, seed: int) -> Plan:
  """Packs `num_epochs` passes over examples of these lengths into rows.

  Every pass is shuffled by (seed, pass); of a fractional last pass, the first examples of its
  shuffle are taken. A row never mixes two passes.
  """
  ids, sizes = [], []
  epoch = 0
  while num_epochs > epoch:
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    order = order[: round(min(1.0, num_epochs - epoch) * len(order))]
    # Long examples first leave the smallest holes; the shuffle lives on among equal lengths, and
    # the rows are shuffled again, as their order must not show the length of what is in them.
    rows = best_fit(lengths, order[np.argsort(-lengths[order], kind="stable")], row_length)
    for number in generator.permutation(len(rows)):
      ids.extend(rows[number])
      sizes.append(len(rows[number]))
    epoch += 1
  return Plan(ids=np.array(ids, np.int64), offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))


def best_fit(lengths: np.ndarray, order: Sequence[int], row_length: int) -> list[list[int]]:
  """Rows of example ids: each example goes to the fullest row that still has room for it."""
  rows = []
  open_rows = {}  # Free tokens -> rows that have exactly so many.
  free_sizes = []  # Keys of open_rows, sorted.
  for example in order:
    length = int(lengths[example])
    at = bisect.bisect_left(free_sizes, length)
    if at == len(free_sizes):
      row, free = [], row_length
      rows.append(row)
    else:
      free = free_sizes[at]
      row = open_rows[free].pop()
      if not open_rows[free]:
        del open_rows[free]
        del free_sizes[at]
    row.append(int(example))
    free -= length
    if free:
      if free not in open_rows:
        bisect.insort(free_sizes, free)
        open_rows[free] = []
      open_rows[free].append(row)
  return rows


def make_batch(
    examples: examples_lib.TokenExamples, rows: Sequence[Sequence[int]], *, num_rows: int, row_length: int,
    loss_on_targets_only: bool = True,
) -> Batch:  # fmt: skip
  """Features `[num_rows, row_length]` int32 of packed rows; rows that are not given are padding."""
  names = (
      "decoder_input_tokens",
      "decoder_target_tokens",
      "decoder_segment_ids",
      "decoder_positions",
      "decoder_causal_attention",
      "decoder_loss_weights",
  )
  batch = {name: np.zeros((num_rows, row_length), np.int32) for name in names}
  for number, row in enumerate(rows):
    start = 0
    for segment, example in enumerate(row, 1):
      tokens = examples.tokens[examples.offsets[example] : examples.offsets[example + 1]]
      inputs = int(examples.input_lengths[example])
      end = start + len(tokens)
      batch["decoder_target_tokens"][number, start:end] = tokens
      batch["decoder_input_tokens"][number, start + 1 : end] = tokens[:-1]
      batch["decoder_segment_ids"][number, start:end] = segment
      batch["decoder_positions"][number, start:end] = np.arange(len(tokens))
      # One more than the inputs: there the last of them is read, and the first target is predicted.
      batch["decoder_causal_attention"][number, start : min(start + inputs + 1, end)] = 1
      batch["decoder_loss_weights"][number, start + (inputs if loss_on_targets_only else 0) : end] = 1
      start = end
  return batch
