"""Attention over whole sequences, and step by step over a cache.

Shape suffixes: B batch, L length, E embed, H heads, K key/value heads, G query heads that share a
key/value head (H / K), D dimensions of a head, T tasks, S cached positions, P positions of a prefix.
"""

from collections.abc import Callable

from flax import linen as nn
import jax
import jax.numpy as jnp

from next_jax import errors
from next_jax.models import axes
from next_jax.models import norm
from next_jax.models import projection
from next_jax.models import rotary

_MAX_BLOCKS = 8
# Positions come last in keys and second to last in values: a decoding step reads this layout fastest.
CACHED_AXES = {
    "cached_key": ("batch", "kv_heads", "kv", "length"),
    "cached_value": ("batch", "kv_heads", "length", "kv"),
}
_MASKED = -1e30  # Not -inf: a row of padding attends to nothing and must not become NaN.


def mask(
    length: int,
    segment_ids: jax.Array | None,
    causal_attention: jax.Array | None,
    completion_ids: jax.Array | None = None,
) -> jax.Array:
  """`[batch or 1, length, length]`, True where the first position may attend to the second."""
  steps = jnp.arange(length)
  seen = (steps[:, None] >= steps[None, :])[None]
  if causal_attention is not None:
    in_prompt = causal_attention > 0
    seen = seen | (in_prompt[:, :, None] & in_prompt[:, None, :])
  if segment_ids is not None:
    seen = seen & (segment_ids[:, :, None] == segment_ids[:, None, :])
  if completion_ids is not None:
    own = completion_ids[:, :, None] == completion_ids[:, None, :]
    seen = seen & (own | (completion_ids[:, None, :] == 0))
  return seen


def near(positions_BxL: jax.Array, window: int) -> jax.Array:
  """`[batch, length, length]`, True where the second position is among the last `window` up to the first."""
  return positions_BxL[:, :, None] - positions_BxL[:, None, :] < window


def _block_size(length: int, smallest: int) -> int:
  """Size of equal blocks: as many as possible, at most 8, none below `smallest`; one if `length` does not divide."""
  blocks = (n for n in range(_MAX_BLOCKS, 0, -1) if length % n == 0 and length // n >= smallest)
  return length // next(blocks, 1)


class Attention(nn.Module):
  """Grouped-query attention (arXiv 2305.13245), with three modes.

  - Neither flag: over whole sequences, with a mask, for training and scoring.
  - `prefill`: the same, and keys and values are written to the collection `cache`, whose
    `cache_index` becomes `prefill_lengths`.
  - `decode`: one token per row, against the cache. `cache_index` is a scalar (all rows are at the
    same position) or a `[batch]` vector. A collection `prefix`, if given, precedes the cache. It is
    the `cache` of prefilled prompts. Row `r` belongs to prompt `r // (rows / prompts)`, so the
    samples of a task share one copy of its prompt.

  Attributes:
    num_heads, num_kv_heads, head_dim: Sizes.
    block: Minimum number of queries that attend together in causal attention.
    dtype: Type of activations and matrix products.
    use_bias: Whether queries, keys and values have biases.
    norm: Makes the norms of queries and keys, called with `axis` and `name`; None for no such norms.
    query_scale: Factor of the scores.
    sees_start: Whether decoding steps see position 0. `mask_BxLxL` must agree with it.
  """

  num_heads: int
  num_kv_heads: int
  head_dim: int
  block: int
  dtype: str
  use_bias: bool
  norm: Callable[..., norm.RMSNorm] | None
  query_scale: float
  sees_start: bool

  @nn.compact
  def __call__(
      self,
      x_BxLxE: jax.Array,
      positions: rotary.Rotary,
      mask_BxLxL: jax.Array | None,
      window: int | jax.Array | None,
      *,
      causal: bool,
      decode: bool,
      max_decode_length: int | None,
      prefill: bool,
      prefill_lengths: jax.Array | None,
  ) -> jax.Array:
    """Attends; `window` is how far back a decoding step sees, itself included. `mask_BxLxL` must agree with it."""
    query = self._heads(self.num_heads, "heads", "query")(x_BxLxE)
    key = self._heads(self.num_kv_heads, "kv_heads", "key")(x_BxLxE)
    value = self._heads(self.num_kv_heads, "kv_heads", "value")(x_BxLxE)
    if self.norm is not None:
      query, key = self.norm(axis="kv", name="query_norm")(query), self.norm(axis="kv", name="key_norm")(key)
    query = axes.constrain(query, ("batch", "length", "heads", "kv"))
    key = axes.constrain(key, ("batch", "length", "kv_heads", "kv"))
    value = axes.constrain(value, ("batch", "length", "kv_heads", "kv"))

    has_cache = self.has_variable("cache", "cached_key")
    if decode and has_cache:
      attended = self._decode_step(rotary.rotate(query, positions), rotary.rotate(key, positions), value, window)
    else:
      query = rotary.rotate(query, positions)
      key = rotary.rotate(key, positions)
      if decode or prefill:
        self._fill_cache(key, value, max_decode_length, prefill_lengths if prefill else None)
      attended = self._attend(query, key, value, mask_BxLxL, causal)
    attended = axes.constrain(attended, ("batch", "length", "heads", "kv"))
    out = projection.projection(
        x_BxLxE.shape[-1], axes=("heads", "kv", "embed"), dtype=self.dtype, name="out", num_summed=2
    )
    return out(attended)

  def _heads(self, number, axis, name):
    return projection.projection(
        (number, self.head_dim), axes=("embed", axis, "kv"), dtype=self.dtype, name=name, use_bias=self.use_bias
    )

  def _attend(self, query_BxLxHxD, key_BxLxKxD, value_BxLxKxD, mask_BxLxL, causal):
    batch, length = query_BxLxHxD.shape[:2]
    groups = self.num_heads // self.num_kv_heads
    # Three-dimensional matrix products are five times as fast on CPU as one einsum over five axes.
    query = (query_BxLxHxD * self.query_scale).reshape(batch, length, self.num_kv_heads, groups, self.head_dim)
    query = query.transpose(0, 2, 3, 1, 4)
    key = key_BxLxKxD.swapaxes(1, 2).reshape(batch * self.num_kv_heads, length, self.head_dim)
    value = value_BxLxKxD.swapaxes(1, 2).reshape(batch * self.num_kv_heads, length, self.head_dim)
    # Queries of a block meet only the keys up to its end, because half of a causal mask is empty.
    block = _block_size(length, self.block) if causal else length
    attended = []
    for start in range(0, length, block):
      end = start + block
      seen = end if causal else length
      block_query = query[:, :, :, start:end].reshape(batch * self.num_kv_heads, groups * block, self.head_dim)
      scores = jnp.einsum("bld,bmd->blm", block_query, key[:, :seen], preferred_element_type=jnp.float32)
      scores = scores.reshape(batch, self.num_kv_heads, groups, block, seen)
      scores = jnp.where(mask_BxLxL[:, None, None, start:end, :seen], scores, _MASKED)
      weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
      weights = weights.reshape(batch * self.num_kv_heads, groups * block, seen)
      block_attended = jnp.einsum("blm,bmd->bld", weights, value[:, :seen])
      attended.append(block_attended.reshape(batch, self.num_kv_heads, groups, block, self.head_dim))
    attended = jnp.concatenate(attended, axis=3)
    return attended.transpose(0, 3, 1, 2, 4).reshape(query_BxLxHxD.shape)

  def _fill_cache(self, key_BxLxKxD, value_BxLxKxD, max_decode_length, prefill_lengths_B):
    batch, length, kv_heads, head_dim = key_BxLxKxD.shape
    size = max_decode_length or length
    existed = self.has_variable("cache", "cached_key")
    shapes = (batch, kv_heads, head_dim, size), (batch, kv_heads, size, head_dim)
    cached_key = self.variable("cache", "cached_key", jnp.zeros, shapes[0], key_BxLxKxD.dtype)
    cached_value = self.variable("cache", "cached_value", jnp.zeros, shapes[1], value_BxLxKxD.dtype)
    cache_index = self.variable("cache", "cache_index", lambda: jnp.zeros((), jnp.int32))
    if prefill_lengths_B is None:
      return  # This call only makes an empty cache.
    if existed and cached_key.value.shape[-1] < length:
      raise errors.ModelError(
          f"prefill: found {length} tokens, expected at most {cached_key.value.shape[-1]}, the length of the cache"
      )
    # Positions after a row's prefill length are masked, and decoding overwrites them.
    cached_key.value = axes.constrain(
        jax.lax.dynamic_update_slice_in_dim(cached_key.value, key_BxLxKxD.transpose(0, 2, 3, 1), 0, axis=3),
        CACHED_AXES["cached_key"],
    )
    cached_value.value = axes.constrain(
        jax.lax.dynamic_update_slice_in_dim(cached_value.value, value_BxLxKxD.swapaxes(1, 2), 0, axis=2),
        CACHED_AXES["cached_value"],
    )
    cache_index.value = prefill_lengths_B.astype(jnp.int32)

  def _decode_step(self, query_Bx1xHxD, key_Bx1xKxD, value_Bx1xKxD, window):
    batch = query_Bx1xHxD.shape[0]
    kv_heads, groups, head_dim = self.num_kv_heads, self.num_heads // self.num_kv_heads, self.head_dim
    cached_key = self.variable("cache", "cached_key")
    cached_value = self.variable("cache", "cached_value")
    cache_index = self.variable("cache", "cache_index")
    index = cache_index.value
    prefix = self.get_variable("prefix", "cached_key") if self.has_variable("prefix", "cached_key") else None

    key_BxKxD, value_BxKxD = key_Bx1xKxD[:, 0], value_Bx1xKxD[:, 0]
    query = (query_Bx1xHxD * self.query_scale).reshape(batch * kv_heads, groups, head_dim)
    keys = cached_key.value.reshape(batch * kv_heads, head_dim, -1)
    values = cached_value.value.reshape(batch * kv_heads, -1, head_dim)
    scores = jnp.einsum("bgd,bds->bgs", query, keys, preferred_element_type=jnp.float32)
    steps_back_BxS = jnp.broadcast_to(index, (batch,))[:, None] - jnp.arange(keys.shape[-1])
    before_BxS = steps_back_BxS > 0
    if window is not None:
      before_BxS &= steps_back_BxS < window
    if not self.sees_start and prefix is None:
      before_BxS &= jnp.arange(keys.shape[-1]) > 0
    scores = jnp.where(jnp.repeat(before_BxS, kv_heads, axis=0)[:, None], scores, _MASKED)
    own_key = key_BxKxD.reshape(batch * kv_heads, 1, head_dim)
    own_score = jnp.sum(query * own_key, axis=-1, keepdims=True, dtype=jnp.float32)
    largest = jnp.maximum(jnp.max(scores, axis=-1, keepdims=True), own_score)
    if prefix is not None:
      prefix_scores, by_task, by_row = self._prefix_scores(query, prefix, index, window)
      largest = jnp.maximum(largest, by_row(jnp.max(prefix_scores, axis=-1, keepdims=True)))

    # One softmax over three separate arrays: the cache, the token itself, the prefix.
    weights, own_weight = jnp.exp(scores - largest), jnp.exp(own_score - largest)
    total = jnp.sum(weights, axis=-1, keepdims=True) + own_weight
    attended = jnp.einsum("bgs,bsd->bgd", weights.astype(values.dtype), values)
    attended += own_weight.astype(values.dtype) * value_BxKxD.reshape(batch * kv_heads, 1, head_dim)
    if prefix is not None:
      prefix_weights = jnp.exp(prefix_scores - by_task(largest))
      total += by_row(jnp.sum(prefix_weights, axis=-1, keepdims=True))
      prefix_values = self.get_variable("prefix", "cached_value").reshape(-1, prefix.shape[-1], head_dim)
      attended += by_row(jnp.einsum("bgs,bsd->bgd", prefix_weights.astype(values.dtype), prefix_values))
    attended = (attended / total.astype(attended.dtype)).reshape(batch, 1, self.num_heads, head_dim)

    # The cache is written after it is read. XLA must see that, or it copies the whole cache each step.
    # The offset is always 0, but XLA cannot simplify it away.
    after_reading = jnp.minimum(jnp.abs(attended[0, 0, 0, 0]), 0).astype(jnp.int32)
    self._write(cached_key, cached_value, index + after_reading, key_BxKxD, value_BxKxD)
    cache_index.value = index + 1
    return attended

  def _write(self, cached_key, cached_value, index, key_BxKxD, value_BxKxD):
    if index.ndim == 0:
      cached_key.value = jax.lax.dynamic_update_slice_in_dim(cached_key.value, key_BxKxD[..., None], index, axis=3)
      cached_value.value = jax.lax.dynamic_update_slice_in_dim(
          cached_value.value, value_BxKxD[:, :, None], index, axis=2
      )
    else:
      rows = jnp.arange(key_BxKxD.shape[0])
      cached_key.value = cached_key.value.at[rows, :, :, index].set(key_BxKxD)
      cached_value.value = cached_value.value.at[rows, :, index].set(value_BxKxD)

  def _prefix_scores(self, query_BKxGxD, prefix_TxKxDxP, index, window):
    """Scores `[tasks * K, rows of a task * G, P]`, and functions to that order from rows and back."""
    kv_heads, groups, head_dim = self.num_kv_heads, self.num_heads // self.num_kv_heads, self.head_dim
    tasks, size = prefix_TxKxDxP.shape[0], prefix_TxKxDxP.shape[-1]
    rows = query_BKxGxD.shape[0] // (tasks * kv_heads)

    def by_task(x_BKxGxX):  # All rows of a task side by side: one product with its prefix.
      x = x_BKxGxX.reshape(tasks, rows, kv_heads, groups, -1).swapaxes(1, 2)
      return x.reshape(tasks * kv_heads, rows * groups, -1)

    def by_row(x_TKxRGxX):
      x = x_TKxRGxX.reshape(tasks, kv_heads, rows, groups, -1).swapaxes(1, 2)
      return x.reshape(tasks * rows * kv_heads, groups, -1)

    keys = prefix_TxKxDxP.reshape(tasks * kv_heads, head_dim, size)
    scores = jnp.einsum("bgd,bds->bgs", by_task(query_BKxGxD), keys, preferred_element_type=jnp.float32)
    lengths_T = self.get_variable("prefix", "cache_index")
    seen_Tx1xP = (jnp.arange(size) < lengths_T[:, None])[:, None]
    if not self.sees_start:
      seen_Tx1xP = seen_Tx1xP & (jnp.arange(size) > 0)
    if window is not None:
      positions_TxR = lengths_T[:, None] + jnp.broadcast_to(index, (tasks * rows,)).reshape(tasks, rows)
      steps_back_TxRxP = positions_TxR[:, :, None] - jnp.arange(size)
      seen_Tx1xP = seen_Tx1xP & jnp.repeat(steps_back_TxRxP < window, groups, axis=1)
    return jnp.where(jnp.repeat(seen_Tx1xP, kv_heads, axis=0), scores, _MASKED), by_task, by_row
