"""Rows hold every example of a pass once, whole, and have SeqIO's features."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import seqio
import tensorflow as tf

from next_jax.engines import examples as examples_lib
from next_jax.engines import packing


def token_examples(pairs):
  arrays = [{"inputs": np.array(i, np.int32), "targets": np.array(t, np.int32)} for i, t in pairs]
  return examples_lib.collect(arrays)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 32), min_size=1, max_size=60), st.integers(0, 5))
def test_a_pass_holds_every_example_once_and_no_row_overflows(lengths, seed):
  lengths = np.array(lengths)
  plan = packing.pack(lengths, row_length=32, num_epochs=1, seed=seed)
  assert sorted(plan.ids) == list(range(len(lengths)))
  assert all(lengths[plan.row(number)].sum() <= 32 for number in range(len(plan)))


def test_best_fit_leaves_few_holes():
  lengths = np.random.default_rng(0).integers(100, 260, 2000)
  plan = packing.pack(lengths, row_length=384, num_epochs=1, seed=0)
  assert lengths.sum() / (len(plan) * 384) > 0.97


def test_passes_are_shuffled_differently_and_the_same_for_the_same_seed():
  lengths = np.full(50, 4)
  plan = packing.pack(lengths, row_length=4, num_epochs=2, seed=3)
  again = packing.pack(lengths, row_length=4, num_epochs=2, seed=3)
  other = packing.pack(lengths, row_length=4, num_epochs=2, seed=4)
  np.testing.assert_array_equal(plan.ids, again.ids)
  assert list(plan.ids) != list(other.ids)
  assert list(plan.ids[:50]) != list(plan.ids[50:])
  assert sorted(plan.ids[:50]) == sorted(plan.ids[50:])


def test_a_fractional_pass_takes_that_share_of_the_examples():
  plan = packing.pack(np.full(40, 3), row_length=9, num_epochs=1.25, seed=0)
  assert len(plan.ids) == 50
  assert len(set(plan.ids[40:])) == 10


def test_a_row_has_the_features_of_seqios_prefix_lm_converter():
  pairs = [([7, 8, 5, 2], [3, 9, 1]), ([8, 4, 9, 3, 2], [4, 1])]
  converter = seqio.PrefixLMFeatureConverter(pack=True)
  dataset = tf.data.Dataset.from_generator(
      lambda: ({"inputs": i, "targets": t} for i, t in pairs),
      output_signature={name: tf.TensorSpec([None], tf.int32) for name in ("inputs", "targets")},
  )
  (expected,) = converter(dataset, {"inputs": 8, "targets": 8}).as_numpy_iterator()
  found = packing.make_batch(token_examples(pairs), [[0, 1]], num_rows=1, row_length=16)
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(found[name][0], value, err_msg=name)


def test_the_loss_can_be_on_prompts_too():
  pairs = [([7, 8], [3, 1])]
  batch = packing.make_batch(token_examples(pairs), [[0]], num_rows=2, row_length=6, loss_on_targets_only=False)
  np.testing.assert_array_equal(batch["decoder_loss_weights"], [[1, 1, 1, 1, 0, 0], [0] * 6])


def test_longer_examples_are_left_out_and_counted():
  arrays = [{"inputs": np.arange(n), "targets": np.arange(2)} for n in (3, 9, 4)]
  examples = examples_lib.collect(arrays, max_length=6)
  assert (len(examples), examples.too_long, list(examples.lengths)) == (2, 1, [5, 6])


def examples_of_tasks(sizes, input_length, target_length):
  """Examples of several tasks, `sizes` of them each, mixed."""
  pairs = [
      (np.full(input_length, 10 + task), np.arange(target_length) + 100 * task + 50 * number)
      for task, size in enumerate(sizes)
      for number in range(size)
  ]
  order = np.random.default_rng(0).permutation(len(pairs))
  return token_examples([pairs[place] for place in order])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 20), st.integers(1, 12), st.integers(0, 5))
def test_with_shared_prompts_too_a_pass_holds_every_example_once_and_no_row_overflows(sizes, inputs, targets, seed):
  examples = examples_of_tasks(sizes, inputs, targets)
  plan = packing.pack(examples.lengths, row_length=32, num_epochs=1, seed=seed, sharing=examples)
  assert sorted(plan.ids) == list(range(len(examples)))
  rows = [plan.row(number) for number in range(len(plan))]
  batch = packing.make_batch(examples, rows, num_rows=len(rows), row_length=32, share_prompts=True)
  assert batch["decoder_loss_weights"].sum() == targets * len(examples)


def test_sharing_prompts_takes_fewer_rows():
  examples = examples_of_tasks([3] * 100, 60, 20)
  alone = packing.pack(examples.lengths, row_length=256, num_epochs=1, seed=0)
  shared = packing.pack(examples.lengths, row_length=256, num_epochs=1, seed=0, sharing=examples)
  assert (len(alone), len(shared)) == (100, 50)


def test_examples_with_the_same_inputs_share_them_in_a_row():
  examples = token_examples([([7, 8], [3, 1]), ([7, 8], [4, 5, 1]), ([9], [1])])
  batch = packing.make_batch(examples, [[0, 1, 2]], num_rows=1, row_length=10, share_prompts=True)
  rows = {name.removeprefix("decoder_"): value[0].tolist() for name, value in batch.items()}
  assert rows == {
      "target_tokens": [7, 8, 3, 1, 4, 5, 1, 9, 1, 0],
      "input_tokens": [0, 7, 8, 3, 8, 4, 5, 0, 9, 0],
      "segment_ids": [1, 1, 1, 1, 1, 1, 1, 2, 2, 0],
      "positions": [0, 1, 2, 3, 2, 3, 4, 0, 1, 0],
      "causal_attention": [1, 1, 1, 0, 1, 0, 0, 1, 1, 0],
      "loss_weights": [0, 0, 1, 1, 1, 1, 1, 0, 1, 0],
      "completion_ids": [0, 0, 1, 1, 2, 2, 2, 0, 1, 0],
  }
