"""How a token is drawn from logits."""

import dataclasses

import jax
import jax.numpy as jnp


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
    # One uniform number a row and the inverse of the cumulative distribution: a tenth of the cost
    # of a Gumbel number for every token.
    cumulative = jnp.cumsum(weights, axis=-1)
    total = cumulative[:, -1:]
    uniform = jax.vmap(jax.random.uniform)(keys)[:, None]
    # Rounding must not reach the total, behind which no token lies.
    aim = jnp.minimum(uniform * total, jnp.nextafter(total, jnp.zeros_like(total)))
    return jnp.sum(cumulative <= aim, axis=-1).astype(jnp.int32)


def _nucleus_threshold(weights: jax.Array, top_p: float) -> jax.Array:
  """`[batch, 1]`: the largest threshold that leaves a share of at least `top_p` (arXiv 1904.09751).

  Bisects on the bits of the weight, which order as the non-negative floats do: exact in 31 sums,
  and a tenth of the cost of a sort. Tokens as probable as the last one are kept as well.
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
