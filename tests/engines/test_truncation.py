"""Tokens are drawn from the truncated distribution, and from nothing else."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from next_jax.engines import truncation

LOGITS = jnp.log(jnp.array([0.5, 0.25, 0.15, 0.07, 0.03]))


def draw(num, *, seed=0, logits=LOGITS, **settings_):
  settings_ = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **settings_}
  keys = jax.random.split(jax.random.key(seed), num)
  return np.asarray(truncation.Truncation(**settings_).draw(jnp.tile(logits, (num, 1)), keys))


def test_temperature_zero_is_greedy():
  assert set(draw(20, temperature=0)) == {0}


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_frequencies_are_those_of_the_softmax(temperature):
  tokens = draw(20_000, temperature=temperature)
  found = np.bincount(tokens, minlength=5) / len(tokens)
  np.testing.assert_allclose(found, jax.nn.softmax(LOGITS / temperature), atol=0.015)


@pytest.mark.parametrize(
    ("settings_", "kept"),
    [
        ({"top_k": 2}, {0, 1}),
        ({"top_k": 1}, {0}),
        ({"top_k": 99}, {0, 1, 2, 3, 4}),
        ({"top_p": 0.5}, {0}),
        ({"top_p": 0.51}, {0, 1}),
        ({"top_p": 0.9}, {0, 1, 2}),
        ({"top_k": 4, "top_p": 0.96}, {0, 1, 2, 3}),
        ({"top_k": 3, "top_p": 0.55}, {0}),  # Of what top-k left, the first has 0.5 / 0.9.
    ],
)
def test_truncation_keeps_exactly_the_most_probable(settings_, kept):
  assert set(draw(3000, **settings_)) == kept


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-60, 60, width=32), min_size=7, max_size=7), st.floats(0.01, 0.99))
def test_the_nucleus_is_the_smallest_that_holds_top_p(logits, top_p):
  weights = np.exp(np.array(logits, np.float32) - max(logits)).astype(np.float32)
  threshold = float(truncation._nucleus_threshold(jnp.array(weights)[None], top_p)[0, 0])
  total = weights.sum(dtype=np.float64)
  kept = weights[weights >= threshold]
  assert kept.sum(dtype=np.float64) >= top_p * total * (1 - 1e-5)
  without_smallest = kept[kept > kept.min()]
  assert without_smallest.sum(dtype=np.float64) < top_p * total * (1 + 1e-5)


def test_a_row_of_one_possible_token_always_gives_it():
  logits = jnp.array([-1e9, 3.0, -1e9, -1e9])
  assert set(draw(2000, logits=logits)) == {1}
