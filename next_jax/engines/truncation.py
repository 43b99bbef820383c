"""Draws tokens from logits: temperature, top-k and top-p."""

import dataclasses

import jax
import jax.numpy as jnp

_BLOCK = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truncation:
  """Temperature, then top-k, then top-p; the fields are those of `engine.Sampling`."""

  temperature: float
  top_k: int
  top_p: float

  def draw(self, logits: jax.Array, keys: jax.Array) -> jax.Array:
    """Tokens `[batch]` from logits `[batch, vocab]`, with a random key for each row."""
    if self.temperature == 0:
      return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    logits = logits / self.temperature
    weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    if 0 < self.top_k < logits.shape[-1]:
      smallest = jax.lax.top_k(weights, self.top_k)[0][:, -1:]
      weights = jnp.where(weights >= smallest, weights, 0.0)
    if self.top_p < 1.0:
      weights = jnp.where(weights >= _nucleus_threshold(weights, self.top_p), weights, 0.0)
    return _inverse_cumulative(weights, jax.vmap(jax.random.uniform)(keys)).astype(jnp.int32)


def _inverse_cumulative(weights: jax.Array, uniform: jax.Array) -> jax.Array:
  """Index `[batch]` drawn with probability proportional to `weights` `[batch, vocab]`.

  Takes one uniform number per row and inverts the cumulative distribution, at a tenth of the cost of
  a Gumbel number for every token. It first finds a block of tokens, then the token in that block, so
  it need not sum over the whole vocabulary token by token.
  """
  batch, size = weights.shape
  padded = -(-size // _BLOCK) * _BLOCK
  blocks = jnp.pad(weights, ((0, 0), (0, padded - size))).reshape(batch, -1, _BLOCK)
  totals = jnp.sum(blocks, axis=-1)
  cumulative = jnp.cumsum(totals, axis=-1)
  aim = uniform[:, None] * cumulative[:, -1:]
  block = _first_above(cumulative, aim, totals)
  before = jnp.take_along_axis(cumulative - totals, block[:, None], axis=1)
  inside = jnp.take_along_axis(blocks, block[:, None, None], axis=1)[:, 0]
  return block * _BLOCK + _first_above(jnp.cumsum(inside, axis=-1), aim - before, inside)


def _first_above(cumulative: jax.Array, aim: jax.Array, weights: jax.Array) -> jax.Array:
  """First index of positive weight whose cumulative sum is above `aim`, or the last one if rounding leaves none."""
  positive = weights > 0
  above = (cumulative > aim) & positive
  last = weights.shape[-1] - 1 - jnp.argmax(positive[:, ::-1], axis=-1)
  return jnp.where(jnp.any(above, axis=-1), jnp.argmax(above, axis=-1), last)


def _nucleus_threshold(weights: jax.Array, top_p: float) -> jax.Array:
  """`[batch, 1]`, the largest threshold that keeps a share of at least `top_p` (arXiv 1904.09751).

  Bisects on the bits of the weight, since non-negative floats sort as their bits do. This is exact in
  31 sums, at a tenth of the cost of a sort. Tokens as probable as the last one are kept as well.
  """
  needed = top_p * jnp.sum(weights, axis=-1, keepdims=True)

  def halve(_, bounds):
    low, high = bounds
    middle = low + (high - low) // 2
    threshold = jax.lax.bitcast_convert_type(middle, jnp.float32)
    enough = jnp.sum(jnp.where(weights >= threshold, weights, 0.0), axis=-1, keepdims=True) >= needed
    return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

  low = jnp.zeros(needed.shape, jnp.int32)
  largest = jnp.max(weights, axis=-1, keepdims=True)
  high = jax.lax.bitcast_convert_type(largest, jnp.int32) + 1
  low, _ = jax.lax.fori_loop(0, 31, halve, (low, high))
  return jax.lax.bitcast_convert_type(low, jnp.float32)
