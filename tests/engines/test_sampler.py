"""Rows that are done leave the batch, and no other row changes by it."""

import conftest
import numpy as np
import pytest

from next_jax.engines import engine
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import stops
from next_jax.engines.native import sampler
from next_jax.models import transformer

TASKS, SAMPLES, STEPS = 5, 8, 40
SAMPLING = engine.Sampling(temperature=1.0, max_completion_length=STEPS)


@pytest.fixture(scope="module")
def complete():
  """`complete(segment, eos_id, ending)`: completions, and how many rows each segment had."""
  layout = sharding.Layout.over_all_devices()
  params = parameters.random(transformer.Transformer(conftest.NETWORK), layout, 0)
  prompts = [np.arange(3, 3 + length, dtype=np.int32) for length in (4, 9, 2, 7, 5)]

  def run(segment, ending=None):
    drawing = sampler.Sampler(conftest.NETWORK, layout, segment=segment, cache_step=8)
    rows = []
    decode = drawing._segment

    def counted(params, prefix, state, *arguments, **options):
      rows.append(len(state["done"]))
      return decode(params, prefix, state, *arguments, **options)

    drawing._segment = counted
    found = drawing.complete(
        params, prompts=prompts, task_ids=[str(number) for number in range(TASKS)], chunk_tasks=TASKS,
        num_samples=SAMPLES, sampling=SAMPLING, seed=3, eos_id=7, ending=ending,
    )
    return found, rows

  return run


class Short:
  """Ends the texts of most rows early, and those of a few late."""

  def __call__(self, text):
    length = 3 + 4 * (len(text) and ord(text[0]) % 9)
    return length if len(text) >= length else None


ENDING = stops.Ending(stop=Short(), decode=lambda ids: "".join(chr(300 + id) for id in ids), eos_id=7)


@pytest.mark.parametrize("ending", [None, ENDING])
def test_samples_are_the_same_however_often_the_sampler_looks(complete, ending):
  often, _ = complete(2, ending)
  once, _ = complete(STEPS, ending)
  np.testing.assert_array_equal(often.tokens, once.tokens)
  np.testing.assert_array_equal(often.lengths, once.lengths)
  np.testing.assert_allclose(often.log_probabilities, once.log_probabilities, atol=1e-4)


def test_rows_that_are_done_leave_the_batch(complete):
  _, rows = complete(4, ENDING)
  assert rows[0] == TASKS * SAMPLES and rows[-1] <= rows[0] / 4 and sorted(rows, reverse=True) == rows


def test_a_text_that_ended_holds_no_further_tokens(complete):
  found, _ = complete(16, ENDING)
  for tokens, length in zip(found.tokens, found.lengths, strict=True):
    assert not tokens[length:].any() and ENDING.num_tokens(tokens[:length]) == length
  assert len(set(found.lengths.tolist())) > 3
