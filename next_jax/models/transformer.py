"""A decoder-only transformer in the shape of today's open models (Llama, Gemma, Qwen).

RMSNorm before every block, rotary positions, grouped-query attention, gated MLP. Parameters and
activations carry logical axis names, which an engine maps to its mesh; without rules they mean
nothing. The call signature is the one that T5X's `DecoderOnlyModel` expects, yet nothing of T5X is
imported.

Axes of parameters: vocab, embed, heads, kv_heads, kv (the dimensions of one head), mlp.
Shape suffixes: B batch, L length, E embed, H heads, K key/value heads, G query heads that share a
key/value head (H / K), D dimensions of a head, T tasks, S cached positions.
"""

import dataclasses
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from next_jax import errors

_MAX_BLOCKS = 8
_MASKED = -1e30  # Not -inf: a row of padding attends to nothing, and must not become NaN.


class ConfigError(errors.UserError):
  """Sizes that do not make a network."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
  """Sizes of a network.

  Attributes:
    vocab_size: rows of the embedding; at least the vocabulary's size.
    head_dim: even, as rotary positions turn pairs of dimensions.
    num_kv_heads: divides num_heads; 1 is multi-query, num_heads is multi-head attention.
    tie_embeddings: the output layer is the transposed embedding.
    attention_block: the fewest queries that attend together when attention is causal; speed only.
    dtype: of activations and matrix products; parameters, norms, softmax and logits are float32.
  """

  vocab_size: int
  embed_dim: int = 128
  num_layers: int = 4
  num_heads: int = 4
  num_kv_heads: int = 2
  head_dim: int = 32
  mlp_dim: int = 384
  rope_theta: float = 10_000.0
  norm_epsilon: float = 1e-6
  dropout_rate: float = 0.0
  tie_embeddings: bool = False
  attention_block: int = 64
  dtype: str = "float32"

  def __post_init__(self):
    if self.num_heads % self.num_kv_heads:
      raise ConfigError(f"num_kv_heads: found {self.num_kv_heads}, expected a divisor of num_heads={self.num_heads}")
    if self.head_dim % 2:
      raise ConfigError(f"head_dim: found {self.head_dim}, expected an even number (rotary positions turn pairs)")


def _kernel_init(axes: tuple[str, ...], in_axis: Any = 0, out_axis: Any = -1) -> Any:
  init = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=in_axis, out_axis=out_axis)
  return nn.with_logical_partitioning(init, axes)


def _dense(config: TransformerConfig, features: int | tuple[int, ...], axes: tuple[str, ...], name: str, axis: Any = -1):
  return nn.DenseGeneral(
      features,
      axis=axis,
      use_bias=False,
      dtype=jnp.dtype(config.dtype),
      param_dtype=jnp.float32,
      kernel_init=_kernel_init(axes),
      name=name,
  )


def _block_size(length: int, smallest: int) -> int:
  """Of at most 8 equal blocks, none below the smallest; one block where the length does not divide."""
  blocks = (n for n in range(_MAX_BLOCKS, 0, -1) if length % n == 0 and length // n >= smallest)
  return length // next(blocks, 1)


def rotate(x_BxLxHxD: jax.Array, positions_BxL: jax.Array, theta: float) -> jax.Array:
  """Rotary positions (RoFormer, arXiv 2104.09864), in the half-split layout of Llama's weights."""
  half = x_BxLxHxD.shape[-1] // 2
  frequencies = theta ** (-jnp.arange(half, dtype=jnp.float32) / half)
  angles = positions_BxL[:, :, None, None].astype(jnp.float32) * frequencies
  sin, cos = jnp.sin(angles), jnp.cos(angles)
  first, second = jnp.split(x_BxLxHxD.astype(jnp.float32), 2, axis=-1)
  rotated = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
  return rotated.astype(x_BxLxHxD.dtype)


class RMSNorm(nn.Module):
  """Root mean square layer normalisation (arXiv 1910.07467)."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x_BxLxE: jax.Array) -> jax.Array:
    init = nn.with_logical_partitioning(nn.initializers.ones, ("embed",))
    scale = self.param("scale", init, (x_BxLxE.shape[-1],), jnp.float32)
    x = x_BxLxE.astype(jnp.float32)
    x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + self.config.norm_epsilon)
    return (x * scale).astype(jnp.dtype(self.config.dtype))


class Attention(nn.Module):
  """Grouped-query attention (arXiv 2305.13245) with three ways to be called.

  - Over whole sequences, with a mask: training, scoring, prefill.
  - `prefill`: the same, and keys and values go to the collection `cache`, whose `cache_index`
    becomes `prefill_lengths`.
  - `decode`: one token a row, against the cache. `cache_index` is a scalar (all rows are at the
    same position) or a `[batch]` vector. When a collection `prefix` is given, which is the `cache`
    of prefilled prompts, it precedes the cache, and row `r` belongs to prompt
    `r // (rows / prompts)`: the samples of a task share one copy of its prompt.
  """

  config: TransformerConfig

  @nn.compact
  def __call__(
      self,
      x_BxLxE: jax.Array,
      positions_BxL: jax.Array | None,
      mask_BxLxL: jax.Array | None,
      *,
      causal: bool,
      decode: bool,
      max_decode_length: int | None,
      prefill: bool,
      prefill_lengths: jax.Array | None,
  ) -> jax.Array:
    config = self.config
    query = _dense(config, (config.num_heads, config.head_dim), ("embed", "heads", "kv"), "query")(x_BxLxE)
    key = _dense(config, (config.num_kv_heads, config.head_dim), ("embed", "kv_heads", "kv"), "key")(x_BxLxE)
    value = _dense(config, (config.num_kv_heads, config.head_dim), ("embed", "kv_heads", "kv"), "value")(x_BxLxE)
    query = nn.with_logical_constraint(query, ("batch", "length", "heads", "kv"))
    key = nn.with_logical_constraint(key, ("batch", "length", "kv_heads", "kv"))
    value = nn.with_logical_constraint(value, ("batch", "length", "kv_heads", "kv"))

    has_cache = self.has_variable("cache", "cached_key")
    if decode and has_cache:
      attended = self._decode_step(query, key, value)
    else:
      query = rotate(query, positions_BxL, config.rope_theta)
      key = rotate(key, positions_BxL, config.rope_theta)
      if decode or prefill:
        self._fill_cache(key, value, max_decode_length, prefill_lengths if prefill else None)
      attended = self._attend(query, key, value, mask_BxLxL, causal)
    attended = nn.with_logical_constraint(attended, ("batch", "length", "heads", "kv"))
    return _dense(config, config.embed_dim, ("heads", "kv", "embed"), "out", axis=(-2, -1))(attended)

  def _attend(self, query_BxLxHxD, key_BxLxKxD, value_BxLxKxD, mask_BxLxL, causal):
    config = self.config
    batch, length = query_BxLxHxD.shape[:2]
    groups = config.num_heads // config.num_kv_heads
    # Three-dimensional matrix products: on CPU five times as fast as one einsum over five axes.
    query = (query_BxLxHxD * config.head_dim**-0.5).reshape(batch, length, config.num_kv_heads, groups, config.head_dim)
    query = query.transpose(0, 2, 3, 1, 4)
    key = key_BxLxKxD.swapaxes(1, 2).reshape(batch * config.num_kv_heads, length, config.head_dim)
    value = value_BxLxKxD.swapaxes(1, 2).reshape(batch * config.num_kv_heads, length, config.head_dim)
    # Queries of a block meet the keys up to its end only: of a causal mask, half is empty.
    block = _block_size(length, config.attention_block) if causal else length
    attended = []
    for start in range(0, length, block):
      end = start + block
      seen = end if causal else length
      block_query = query[:, :, :, start:end].reshape(batch * config.num_kv_heads, groups * block, config.head_dim)
      scores = jnp.einsum("bld,bmd->blm", block_query, key[:, :seen], preferred_element_type=jnp.float32)
      scores = scores.reshape(batch, config.num_kv_heads, groups, block, seen)
      scores = jnp.where(mask_BxLxL[:, None, None, start:end, :seen], scores, _MASKED)
      weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
      weights = weights.reshape(batch * config.num_kv_heads, groups * block, seen)
      block_attended = jnp.einsum("blm,bmd->bld", weights, value[:, :seen])
      attended.append(block_attended.reshape(batch, config.num_kv_heads, groups, block, config.head_dim))
    attended = jnp.concatenate(attended, axis=3)
    return attended.transpose(0, 3, 1, 2, 4).reshape(query_BxLxHxD.shape)

  def _fill_cache(self, key_BxLxKxD, value_BxLxKxD, max_decode_length, prefill_lengths_B):
    batch, length, kv_heads, head_dim = key_BxLxKxD.shape
    size = max_decode_length or length
    existed = self.has_variable("cache", "cached_key")
    # Positions last in keys and next to last in values: what a step of decoding reads fastest.
    shapes = (batch, kv_heads, head_dim, size), (batch, kv_heads, size, head_dim)
    cached_key = self.variable("cache", "cached_key", jnp.zeros, shapes[0], key_BxLxKxD.dtype)
    cached_value = self.variable("cache", "cached_value", jnp.zeros, shapes[1], value_BxLxKxD.dtype)
    cache_index = self.variable("cache", "cache_index", lambda: jnp.zeros((), jnp.int32))
    if prefill_lengths_B is None:
      return  # The call that only makes an empty cache.
    if existed and cached_key.value.shape[-1] < length:
      raise ConfigError(f"prefill: found {length} tokens for a cache of {cached_key.value.shape[-1]}")
    # What lies behind a row's prefill length is masked, and overwritten as decoding goes on.
    cached_key.value = jax.lax.dynamic_update_slice_in_dim(
        cached_key.value, key_BxLxKxD.transpose(0, 2, 3, 1), 0, axis=3
    )
    cached_value.value = jax.lax.dynamic_update_slice_in_dim(
        cached_value.value, value_BxLxKxD.swapaxes(1, 2), 0, axis=2
    )
    cache_index.value = prefill_lengths_B.astype(jnp.int32)

  def _decode_step(self, query_Bx1xHxD, key_Bx1xKxD, value_Bx1xKxD):
    config = self.config
    batch = query_Bx1xHxD.shape[0]
    kv_heads, groups, head_dim = config.num_kv_heads, config.num_heads // config.num_kv_heads, config.head_dim
    cached_key = self.variable("cache", "cached_key")
    cached_value = self.variable("cache", "cached_value")
    cache_index = self.variable("cache", "cache_index")
    index = cache_index.value
    prefix = self.get_variable("prefix", "cached_key") if self.has_variable("prefix", "cached_key") else None

    positions_B = jnp.broadcast_to(index, (batch,))
    if prefix is not None:
      prefix_length_T = self.get_variable("prefix", "cache_index")
      tasks = prefix_length_T.shape[0]
      positions_B = positions_B + jnp.repeat(prefix_length_T, batch // tasks, total_repeat_length=batch)
    query = rotate(query_Bx1xHxD, positions_B[:, None], config.rope_theta) * config.head_dim**-0.5
    key_BxKxD = rotate(key_Bx1xKxD, positions_B[:, None], config.rope_theta)[:, 0]
    value_BxKxD = value_Bx1xKxD[:, 0]

    if index.ndim == 0:
      keys = jax.lax.dynamic_update_slice_in_dim(cached_key.value, key_BxKxD[..., None], index, axis=3)
      values = jax.lax.dynamic_update_slice_in_dim(cached_value.value, value_BxKxD[:, :, None], index, axis=2)
    else:
      rows = jnp.arange(batch)
      keys = cached_key.value.at[rows, :, :, index].set(key_BxKxD)
      values = cached_value.value.at[rows, :, index].set(value_BxKxD)
    cached_key.value, cached_value.value, cache_index.value = keys, values, index + 1

    size = keys.shape[-1]
    query = query.reshape(batch * kv_heads, groups, head_dim)
    keys = keys.reshape(batch * kv_heads, head_dim, size)
    values = values.reshape(batch * kv_heads, size, head_dim)
    scores = jnp.einsum("bgd,bds->bgs", query, keys, preferred_element_type=jnp.float32)
    seen_BxS = jnp.arange(size) <= jnp.broadcast_to(index, (batch,))[:, None]
    scores = jnp.where(jnp.repeat(seen_BxS, kv_heads, axis=0)[:, None], scores, _MASKED)
    if prefix is None:
      weights = jax.nn.softmax(scores, axis=-1).astype(values.dtype)
      attended = jnp.einsum("bgs,bsd->bgd", weights, values)
    else:
      attended = self._attend_prefix_too(query, scores, values, prefix, prefix_length_T)
    return attended.reshape(batch, 1, config.num_heads, head_dim)

  def _attend_prefix_too(self, query_BKxGxD, scores_BKxGxS, values_BKxSxD, prefix_TxKxDxP, prefix_length_T):
    """One softmax over the shared prefix of a task's rows and over each row's own positions."""
    config = self.config
    kv_heads, groups, head_dim = config.num_kv_heads, config.num_heads // config.num_kv_heads, config.head_dim
    tasks, size = prefix_TxKxDxP.shape[0], prefix_TxKxDxP.shape[-1]
    rows = query_BKxGxD.shape[0] // (tasks * kv_heads)

    def by_task(x_BKxGxX):  # All rows of a task side by side: their product with its prefix is one.
      x = x_BKxGxX.reshape(tasks, rows, kv_heads, groups, -1).swapaxes(1, 2)
      return x.reshape(tasks * kv_heads, rows * groups, -1)

    def by_row(x_TKxRGxX):
      x = x_TKxRGxX.reshape(tasks, kv_heads, rows, groups, -1).swapaxes(1, 2)
      return x.reshape(tasks * rows * kv_heads, groups, -1)

    keys = prefix_TxKxDxP.reshape(tasks * kv_heads, head_dim, size)
    values = self.get_variable("prefix", "cached_value").reshape(tasks * kv_heads, size, head_dim)
    scores = jnp.einsum("bgd,bds->bgs", by_task(query_BKxGxD), keys, preferred_element_type=jnp.float32)
    seen_TxP = jnp.arange(size) < prefix_length_T[:, None]
    scores = jnp.where(jnp.repeat(seen_TxP, kv_heads, axis=0)[:, None], scores, _MASKED)

    largest = jnp.maximum(
        jnp.max(scores_BKxGxS, axis=-1, keepdims=True), by_row(jnp.max(scores, axis=-1, keepdims=True))
    )
    own_weights = jnp.exp(scores_BKxGxS - largest)
    weights = jnp.exp(scores - by_task(largest))
    total = jnp.sum(own_weights, axis=-1, keepdims=True) + by_row(jnp.sum(weights, axis=-1, keepdims=True))
    attended = jnp.einsum("bgs,bsd->bgd", own_weights.astype(values.dtype), values_BKxSxD)
    attended += by_row(jnp.einsum("bgs,bsd->bgd", weights.astype(values.dtype), values))
    return attended / total.astype(attended.dtype)


class MLP(nn.Module):
  """SwiGLU (arXiv 2002.05202)."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x_BxLxE: jax.Array) -> jax.Array:
    gate = _dense(self.config, self.config.mlp_dim, ("embed", "mlp"), "gate")(x_BxLxE)
    up = _dense(self.config, self.config.mlp_dim, ("embed", "mlp"), "up")(x_BxLxE)
    hidden = nn.with_logical_constraint(nn.silu(gate) * up, ("batch", "length", "mlp"))
    return _dense(self.config, self.config.embed_dim, ("mlp", "embed"), "down")(hidden)


class Layer(nn.Module):
  """Attention and MLP, each behind a norm and added to the residual stream."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x_BxLxE: jax.Array, positions, mask, *, enable_dropout: bool, **attention_mode) -> jax.Array:
    dropout = nn.Dropout(self.config.dropout_rate, deterministic=not enable_dropout)
    h = RMSNorm(self.config, name="attention_norm")(x_BxLxE)
    h = Attention(self.config, name="attention")(h, positions, mask, **attention_mode)
    x_BxLxE = nn.with_logical_constraint(x_BxLxE + dropout(h), ("batch", "length", "embed"))
    h = MLP(self.config, name="mlp")(RMSNorm(self.config, name="mlp_norm")(x_BxLxE))
    return nn.with_logical_constraint(x_BxLxE + dropout(h), ("batch", "length", "embed"))


class Transformer(nn.Module):
  """The network; T5X calls it the way its `DecoderOnlyModel` does."""

  config: TransformerConfig

  @nn.compact
  def __call__(
      self,
      decoder_input_tokens: jax.Array,
      decoder_target_tokens: jax.Array | None = None,
      decoder_segment_ids: jax.Array | None = None,
      decoder_positions: jax.Array | None = None,
      decoder_causal_attention: jax.Array | None = None,
      *,
      enable_dropout: bool = True,
      decode: bool = False,
      max_decode_length: int | None = None,
      prefill: bool = False,
      prefill_lengths: jax.Array | None = None,
  ) -> jax.Array:
    """Logits of the next token.

    Args:
      decoder_input_tokens: `[batch, length]`, shifted right by one; `[batch, 1]` for a step of
        decoding.
      decoder_target_tokens: not used; T5X gives it.
      decoder_segment_ids: `[batch, length]`, 1, 2, ... for the examples packed in a row, 0 for
        padding. None: one example a row.
      decoder_positions: `[batch, length]`, position in the example; None: position in the row.
      decoder_causal_attention: `[batch, length]`, 1 where all tokens of an example see one another
        (its prompt); None: every token sees only those before it.
      enable_dropout: needs the random stream "dropout".
      decode: without a cache, makes an empty one of this length in the collection `cache`; with one,
        a step of decoding.
      max_decode_length: length of a cache made by this call; None: the length of the input.
      prefill: also writes keys and values to the cache (made when there is none).
      prefill_lengths: `[batch]`, tokens of the prompt that count; the rest is padding.

    Returns:
      `[batch, length, vocab_size]`, float32.
    """
    del decoder_target_tokens
    if prefill and decode:
      raise ConfigError("prefill and decode: found both set, expected one of them in a call")
    if prefill and prefill_lengths is None:
      raise ConfigError("prefill_lengths: found None, expected [batch] lengths in a call with prefill=True")
    config = self.config
    embedder = nn.Embed(
        config.vocab_size,
        config.embed_dim,
        dtype=jnp.dtype(config.dtype),
        param_dtype=jnp.float32,
        embedding_init=nn.with_logical_partitioning(nn.initializers.normal(1.0), ("vocab", "embed")),
        name="token_embedder",
    )
    x = nn.with_logical_constraint(embedder(decoder_input_tokens), ("batch", "length", "embed"))
    x = nn.Dropout(config.dropout_rate, deterministic=not enable_dropout)(x)

    positions, mask = decoder_positions, None
    if not (decode and self.has_variable("cache", "layers_0")):
      if positions is None:
        positions = jnp.broadcast_to(jnp.arange(x.shape[1]), x.shape[:2])
      mask = attention_mask(x.shape[1], decoder_segment_ids, decoder_causal_attention)
      mask = jnp.broadcast_to(mask, (x.shape[0], *mask.shape[1:]))
    for number in range(config.num_layers):
      x = Layer(config, name=f"layers_{number}")(
          x, positions, mask, enable_dropout=enable_dropout, causal=decoder_causal_attention is None, decode=decode,
          max_decode_length=max_decode_length, prefill=prefill, prefill_lengths=prefill_lengths,
      )  # fmt: skip
    x = RMSNorm(config, name="final_norm")(x)
    if config.tie_embeddings:
      # An embedding of unit variance would make logits of the size sqrt(embed_dim).
      logits = embedder.attend(x) * config.embed_dim**-0.5
    else:
      logits = _dense(config, config.vocab_size, ("embed", "vocab"), "logits")(x)
    return nn.with_logical_constraint(logits.astype(jnp.float32), ("batch", "length", "vocab"))


def attention_mask(length: int, segment_ids: jax.Array | None, causal_attention: jax.Array | None) -> jax.Array:
  """`[batch or 1, length, length]`, True where the second index may be seen from the first."""
  steps = jnp.arange(length)
  mask = (steps[:, None] >= steps[None, :])[None]
  if causal_attention is not None:
    in_prompt = causal_attention > 0
    mask = mask | (in_prompt[:, :, None] & in_prompt[:, None, :])
  if segment_ids is not None:
    mask = mask & (segment_ids[:, :, None] == segment_ids[:, None, :])
  return mask
