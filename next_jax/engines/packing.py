"""Packing: which examples share a row of a batch, and the features of such a row.

The features are those of `seqio.PrefixLMFeatureConverter(pack=True)`. SeqIO's own packing runs
inside a tf.data pipeline. Here all rows are planned ahead, for three reasons: rows are fuller (best
fit over all rows), the number of steps is known before the first one, and a killed training resumes
at any row without reading the earlier ones.

Examples with the same inputs, such as the kept fixes of one task, can share one copy of them in a
row. Their losses are unchanged, and the row holds fewer tokens.
"""

import bisect
from collections.abc import Iterable, Sequence
import dataclasses

import numpy as np

from next_jax.engines import examples as examples_lib

Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packing:
  """Rows of a training, in order; row r packs the examples `ids[offsets[r]:offsets[r + 1]]`."""

  ids: np.ndarray
  offsets: np.ndarray

  def __len__(self) -> int:
    return len(self.offsets) - 1

  def row(self, number: int) -> np.ndarray:
    return self.ids[self.offsets[number] : self.offsets[number + 1]]


def pack(
    lengths: np.ndarray, *, row_length: int, num_epochs: float, seed: int,
    sharing: examples_lib.TokenExamples | None = None,
) -> Packing:
  """Packs `num_epochs` passes over examples of these lengths into rows.

  Every pass is shuffled by (seed, pass). A fractional last pass takes the first examples of its
  shuffle. A row never mixes two passes.

  Args:
    lengths: `[examples]`, number of tokens.
    row_length: Maximum tokens in a row.
    num_epochs: Number of passes; may be fractional.
    seed: Seed of the shuffles.
    sharing: The examples, if those with the same inputs shall share one copy. Such examples are then
      neighbours, in as few rows as possible. None shares nothing.
  """
  ids, sizes = [], []
  epoch = 0
  while num_epochs > epoch:
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    order = order[: round(min(1.0, num_epochs - epoch) * len(order))]
    bundles = [[example] for example in order] if sharing is None else bundle(sharing, order, row_length)
    bundle_lengths = np.array([_bundle_length(lengths, bundle_, sharing) for bundle_ in bundles], np.int64)
    # Longest first leaves the smallest holes. Equal lengths keep their shuffled order. The rows are
    # shuffled again, so that their order does not depend on the lengths.
    rows = best_fit(bundle_lengths, np.argsort(-bundle_lengths, kind="stable"), row_length)
    for number in generator.permutation(len(rows)):
      row = [example for bundle_number in rows[number] for example in bundles[bundle_number]]
      ids.extend(row)
      sizes.append(len(row))
    epoch += 1
  return Packing(ids=np.array(ids, np.int64), offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))


def bundle(
    examples: examples_lib.TokenExamples, order: Iterable[int], row_length: int
) -> list[list[int]]:
  """Bundles of examples with the same inputs, in `order`; each fits into a row if its inputs are written once."""
  bundles: list[list[int]] = []
  open_bundles: dict[int, tuple[list[int], int]] = {}  # Inputs -> (their last bundle, its free tokens).
  for example in order:
    inputs, input_length = int(examples.input_ids[example]), int(examples.input_lengths[example])
    target_length = int(examples.lengths[example]) - input_length
    members, free = open_bundles.get(inputs, ([], 0))
    if not members or not input_length or target_length > free:
      members, free = [], row_length - input_length
      bundles.append(members)
    members.append(int(example))
    open_bundles[inputs] = members, free - target_length
  return bundles


def _bundle_length(lengths: np.ndarray, members: Sequence[int], sharing: examples_lib.TokenExamples | None) -> int:
  total = int(lengths[members].sum())
  if sharing is None or len(members) == 1:
    return total
  return total - (len(members) - 1) * int(sharing.input_lengths[members[0]])


def best_fit(lengths: np.ndarray, order: Iterable[int], row_length: int) -> list[list[int]]:
  """Rows of example ids; each example, in `order`, goes to the fullest row that has room for it."""
  rows: list[list[int]] = []
  open_rows: dict[int, list[list[int]]] = {}  # Free tokens -> rows with exactly that many.
  free_sizes: list[int] = []  # Keys of open_rows, sorted.
  for example in order:
    length = int(lengths[example])
    at = bisect.bisect_left(free_sizes, length)
    if at == len(free_sizes):
      row: list[int] = []
      free = row_length
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
    examples: examples_lib.TokenExamples, rows: Sequence[Sequence[int] | np.ndarray], *, num_rows: int, row_length: int,
    loss_on_targets_only: bool = True, share_prompts: bool = False,
) -> Batch:
  """Features `[num_rows, row_length]` int32 of packed rows; missing rows are padding.

  Args:
    examples: The examples.
    rows: Ids of the examples in each row.
    num_rows: Number of rows in the batch.
    row_length: Tokens in a row.
    loss_on_targets_only: Whether inputs have loss weight 0.
    share_prompts: Whether neighbours in a row with the same inputs share one copy of them. Adds the feature
      `decoder_completion_ids`: 0 in inputs, and 1, 2, ... in the targets that follow them.
  """
  names: tuple[str, ...] = (
      "decoder_input_tokens",
      "decoder_target_tokens",
      "decoder_segment_ids",
      "decoder_positions",
      "decoder_causal_attention",
      "decoder_loss_weights",
  )
  if share_prompts:
    names += ("decoder_completion_ids",)
  batch = {name: np.zeros((num_rows, row_length), np.int32) for name in names}
  for number, row in enumerate(rows):
    start, segment, completion = 0, 0, 0
    for place, example in enumerate(row):
      tokens = examples.tokens[examples.offsets[example] : examples.offsets[example + 1]]
      inputs = int(examples.input_lengths[example])
      shared = share_prompts and place and inputs and examples.input_ids[example] == examples.input_ids[row[place - 1]]
      written = inputs if shared else 0  # Number of its tokens that the row already holds.
      segment, completion = (segment, completion + 1) if shared else (segment + 1, 1)
      end = start + len(tokens) - written
      batch["decoder_target_tokens"][number, start:end] = tokens[written:]
      # The first position reads 0. Where inputs are shared, the first target reads the last input token.
      first = 0 if written else 1
      batch["decoder_input_tokens"][number, start + first : end] = tokens[max(written - 1, 0) : -1]
      batch["decoder_segment_ids"][number, start:end] = segment
      batch["decoder_positions"][number, start:end] = np.arange(written, len(tokens))
      # One more than the inputs: that position reads the last input token and predicts the first target.
      batch["decoder_causal_attention"][number, start : min(start + inputs - written + 1, end)] = 1
      targets = start + inputs - written
      batch["decoder_loss_weights"][number, (targets if loss_on_targets_only else start) : end] = 1
      if share_prompts:
        batch["decoder_completion_ids"][number, targets:end] = completion
      start = end
  return batch
