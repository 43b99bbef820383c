"""A decoder-only transformer in the shape of today's open models.

RMSNorm before every block, rotary positions, grouped-query attention, gated MLP. Settings give Llama, SmolLM2, Mistral,
Qwen2, Qwen3 and Gemma 3; `open_weights` reads theirs from a model's config. Parameters and
activations carry logical axis names, which an engine maps to its mesh; without rules they have no
effect. The call signature is the one that T5X's `DecoderOnlyModel` expects, but T5X is not imported.

Axes of parameters: vocab, embed, heads, kv_heads, kv (the dimensions of one head), mlp; layers, if they are scanned.
Shape suffixes: B batch, L length, E embed.
"""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from next_jax import errors
from next_jax.models import attention
from next_jax.models import axes
from next_jax.models import norm
from next_jax.models import projection
from next_jax.models import rotary

_EVERYTHING = 2**30  # tokens, more than any sequence has

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "silu": nn.silu, "gelu_tanh": functools.partial(nn.gelu, approximate=True)
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
  """Sizes of a network.

  Attributes:
    vocab_size: Rows of the embedding; at least the vocabulary's size.
    head_dim: Dimensions of a head. Must be even, because rotary positions rotate pairs of dimensions.
    num_kv_heads: Number of key/value heads. Must divide num_heads; 1 is multi-query, num_heads is multi-head attention.
    rope_scaling: How rotary positions are stretched; None leaves them.
    qkv_bias: Whether queries, keys and values have biases, as in Qwen2.
    qk_norm: Whether queries and keys are normed per head before rotation, as in Qwen3 and Gemma 3.
    query_scale: Factor of attention scores; None is `head_dim**-0.5`.
    sliding_window: Number of tokens that a local layer sees, the current one included; None has no local layers.
    full_attention_every: Of local layers, every n-th sees all tokens instead, as in Gemma 3 (6); 0 is none.
    local_rope_theta: Base of the rotary positions of local layers, which are not stretched; None is as in the others.
    post_norms: Whether the results of attention and MLP are normed too, as in Gemma 3.
    norm_offset: Added to the scales of norms; 1.0 for Gemma.
    activation: Of the gate in the MLP: "silu", or "gelu_tanh".
    embedding_scale: Factor of embedded tokens; Gemma's is `embed_dim**0.5`.
    tie_embeddings: Whether the output layer is the transposed embedding.
    scale_tied_logits: Whether tied logits are multiplied by `embed_dim**-0.5`: an embedding of unit variance, as we
      initialise it, would give logits of about `embed_dim**0.5`. Open models were trained without the factor.
    start_id: Token that stands at position 0 of every sequence, before the first of its own. None is none: other
      positions do not see position 0, so that a sequence begins with its own first token, as Qwen's do.
    attention_block: Minimum number of queries that attend together in causal attention; affects only speed.
    dtype: Type of activations and matrix products; parameters, norms, softmax and logits are float32.
    rematerialize: Whether training keeps only the input of each layer and recomputes the rest for the gradient (arXiv
      1604.06174). It takes about a third more work, and memory for one layer's activations instead of all.
    scan_layers: Whether training runs one compiled layer over the parameters of all layers, stacked along a first axis
      "layers". Compile time then does not grow with depth. Checkpoints of either form are restored into both (see
      engines/stacking.py). Results are the same up to rounding, except for dropout's masks.
  """

  changes_no_result = ("rematerialize", "scan_layers")  # see stages/settings.py

  vocab_size: int
  embed_dim: int = 128
  num_layers: int = 4
  num_heads: int = 4
  num_kv_heads: int = 2
  head_dim: int = 32
  mlp_dim: int = 384
  rope_theta: float = 10_000.0
  rope_scaling: rotary.Scaling | None = None
  norm_epsilon: float = 1e-6
  dropout_rate: float = 0.0
  qkv_bias: bool = False
  qk_norm: bool = False
  query_scale: float | None = None
  sliding_window: int | None = None
  full_attention_every: int = 0
  local_rope_theta: float | None = None
  post_norms: bool = False
  norm_offset: float = 0.0
  activation: str = "silu"
  embedding_scale: float = 1.0
  tie_embeddings: bool = False
  scale_tied_logits: bool = True
  start_id: int | None = 0
  attention_block: int = 64
  dtype: str = "float32"
  rematerialize: bool = False
  scan_layers: bool = False

  def __post_init__(self):
    if self.num_heads % self.num_kv_heads:
      raise errors.ModelError(
          f"num_kv_heads: found {self.num_kv_heads}, expected a divisor of num_heads={self.num_heads}"
      )
    if self.head_dim % 2:
      raise errors.ModelError(f"head_dim: found {self.head_dim}, expected an even number (rotary positions need pairs)")
    if self.activation not in ACTIVATIONS:
      raise errors.ModelError(f"activation: found {self.activation!r}, expected one of {', '.join(ACTIVATIONS)}")
    if self.sliding_window is None and (self.full_attention_every or self.local_rope_theta is not None):
      raise errors.ModelError(
          "full_attention_every and local_rope_theta say what local layers are, but sliding_window is None, so that"
          " there are none"
      )

  @property
  def local_layers(self) -> tuple[bool, ...]:
    """For each layer, whether it sees only the last `sliding_window` tokens."""
    every = self.full_attention_every
    return tuple(
        self.sliding_window is not None and not (every and (number + 1) % every == 0)
        for number in range(self.num_layers)
    )

  @property
  def unscanned(self) -> "TransformerConfig":
    """The same network without a scan, for decoding: each decoding step would copy the caches of scanned layers."""
    return dataclasses.replace(self, scan_layers=False)


class MLP(nn.Module):
  """Gated MLP: SwiGLU or GeGLU (arXiv 2002.05202)."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x_BxLxE: jax.Array) -> jax.Array:
    config = self.config
    gate = projection.projection(config.mlp_dim, axes=("embed", "mlp"), dtype=config.dtype, name="gate")
    up = projection.projection(config.mlp_dim, axes=("embed", "mlp"), dtype=config.dtype, name="up")
    down = projection.projection(config.embed_dim, axes=("mlp", "embed"), dtype=config.dtype, name="down")
    hidden = ACTIVATIONS[config.activation](gate(x_BxLxE)) * up(x_BxLxE)
    return down(axes.constrain(hidden, ("batch", "length", "mlp")))


class Layer(nn.Module):
  """Attention, then MLP; each follows a norm and is added to the residual stream."""

  config: TransformerConfig

  @nn.compact
  def __call__(
      self, x_BxLxE: jax.Array, positions, mask, window, *, enable_dropout: bool, **attention_mode
  ) -> jax.Array:
    dropout = nn.Dropout(self.config.dropout_rate, deterministic=not enable_dropout)
    h = _norm(self.config, name="attention_norm")(x_BxLxE)
    h = self._attention()(h, positions, mask, window, **attention_mode)
    if self.config.post_norms:
      h = _norm(self.config, name="post_attention_norm")(h)
    x_BxLxE = axes.constrain(x_BxLxE + dropout(h), ("batch", "length", "embed"))
    h = MLP(self.config, name="mlp")(_norm(self.config, name="mlp_norm")(x_BxLxE))
    if self.config.post_norms:
      h = _norm(self.config, name="post_mlp_norm")(h)
    return axes.constrain(x_BxLxE + dropout(h), ("batch", "length", "embed"))

  def _attention(self) -> attention.Attention:
    config = self.config
    return attention.Attention(
        num_heads=config.num_heads,
        num_kv_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        block=config.attention_block,
        dtype=config.dtype,
        use_bias=config.qkv_bias,
        norm=functools.partial(_norm, config) if config.qk_norm else None,
        query_scale=config.head_dim**-0.5 if config.query_scale is None else config.query_scale,
        sees_start=config.start_id is not None,
        name="attention",
    )


# Rotary positions, mask of whole sequences, and how far back a decoding step sees.
_View = tuple[rotary.Rotary, jax.Array | None, int | jax.Array | None]


def _chosen(is_local: jax.Array, local: _View, full: _View) -> _View:
  """One of two views by a number that only the loop over layers knows."""
  if local is full:
    return full
  full = (*full[:2], _EVERYTHING)
  return jax.tree.map(lambda here, everywhere: jnp.where(is_local, here, everywhere), local, full)


def _norm(config: TransformerConfig, **options: Any) -> norm.RMSNorm:
  return norm.RMSNorm(epsilon=config.norm_epsilon, offset=config.norm_offset, dtype=config.dtype, **options)


class Embedder(nn.Module):
  """The table of token embeddings, which may also be the output layer."""

  config: TransformerConfig

  def setup(self):
    init = nn.with_logical_partitioning(nn.initializers.normal(1.0), ("vocab", "embed"))
    shape = (self.config.vocab_size, self.config.embed_dim)
    self.embedding = self.param("embedding", init, shape, jnp.float32)

  def __call__(self, tokens: jax.Array) -> jax.Array:
    x = jnp.take(self.embedding, tokens, axis=0).astype(jnp.dtype(self.config.dtype))
    return x if self.config.embedding_scale == 1.0 else x * jnp.asarray(self.config.embedding_scale, x.dtype)

  def attend(self, x: jax.Array) -> jax.Array:
    """Logits by the transposed table, float32."""
    table = self.embedding.astype(x.dtype)
    logits = jax.lax.dot_general(x, table, (((x.ndim - 1,), (1,)), ((), ())), preferred_element_type=jnp.float32)
    return logits * self.config.embed_dim**-0.5 if self.config.scale_tied_logits else logits


class Transformer(nn.Module):
  """The network; T5X calls it the way its `DecoderOnlyModel` does."""

  config: TransformerConfig

  @property
  def scan_layers(self) -> bool:
    """Whether layers are scanned. T5X reads it, because caches of scanned layers have their rows on the second axis."""
    return self.config.scan_layers

  @nn.compact
  def __call__(
      self,
      decoder_input_tokens: jax.Array,
      decoder_target_tokens: jax.Array | None = None,
      decoder_segment_ids: jax.Array | None = None,
      decoder_positions: jax.Array | None = None,
      decoder_causal_attention: jax.Array | None = None,
      *,
      decoder_completion_ids: jax.Array | None = None,
      enable_dropout: bool = True,
      decode: bool = False,
      max_decode_length: int | None = None,
      prefill: bool = False,
      prefill_lengths: jax.Array | None = None,
  ) -> jax.Array:
    """Logits of the next token.

    Args:
      decoder_input_tokens: `[batch, length]`, shifted right by one; `[batch, 1]` for a decoding step.
      decoder_target_tokens: Not used; T5X passes it.
      decoder_segment_ids: `[batch, length]`, 1, 2, ... for the examples packed in a row, 0 for padding.
        None means one example per row.
      decoder_positions: `[batch, length]`, position in the example. None means position in the row.
      decoder_causal_attention: `[batch, length]`, 1 where all tokens of an example see one another (its
        prompt). None means that every token sees only itself and those before it.
      decoder_completion_ids: `[batch, length]`, 0 in prompts; 1, 2, ... in completions that share the
        prompt of their segment and do not see one another. None means one completion per prompt.
      enable_dropout: Whether to apply dropout, which needs the random stream "dropout".
      decode: Whether to decode one step from the cache. Without a cache, the call makes an empty one in
        the collection `cache`.
      max_decode_length: Length of a cache made by this call. None means the length of the input.
      prefill: Whether to also write keys and values to the cache, which is made if there is none.
      prefill_lengths: `[batch]`, number of prompt tokens that count; the rest is padding.

    Returns:
      `[batch, length, vocab_size]`, float32.

    Raises:
      ModelError: `prefill` and `decode` are both set, or `prefill` has no `prefill_lengths`.
    """
    del decoder_target_tokens
    if prefill and decode:
      raise errors.ModelError("prefill and decode: found both set, expected one of them in a call")
    if prefill and prefill_lengths is None:
      raise errors.ModelError("prefill_lengths: found None, expected [batch] lengths in a call with prefill=True")
    config = self.config
    has_cache = decode and self.has_variable("cache", self._first_layer)
    positions = decoder_positions
    if has_cache:
      positions = self._decoding_positions(decoder_input_tokens.shape[0])
    elif positions is None:
      positions = jnp.broadcast_to(jnp.arange(decoder_input_tokens.shape[1]), decoder_input_tokens.shape)
    tokens = decoder_input_tokens
    if config.start_id:
      tokens = jnp.where(positions == 0, config.start_id, tokens)
    embedder = Embedder(config, name="token_embedder")
    x = axes.constrain(embedder(tokens), ("batch", "length", "embed"))
    x = nn.Dropout(config.dropout_rate, deterministic=not enable_dropout)(x)

    mask = None
    if not has_cache:
      mask = attention.mask(
          x.shape[1], decoder_segment_ids, decoder_causal_attention, decoder_completion_ids
      )
      mask = jnp.broadcast_to(mask, (x.shape[0], *mask.shape[1:]))
    full, local = self._views(positions, mask)

    def run(layer, x, view):
      return layer(
          x, *view, enable_dropout=enable_dropout, causal=decoder_causal_attention is None, decode=decode,
          max_decode_length=max_decode_length, prefill=prefill, prefill_lengths=prefill_lengths,
      )

    if config.rematerialize and not (decode or prefill):
      run = nn.remat(run, prevent_cse=not config.scan_layers)  # a loop already keeps the two computations apart
    if config.scan_layers:
      scan = nn.scan(
          lambda layer, x, is_local: (run(layer, x, _chosen(is_local, local, full)), None),
          variable_axes={"params": 0, "cache": 0, "prefix": 0, projection.LORA: 0},
          split_rngs={"params": True, "dropout": True},
          length=config.num_layers,
          metadata_params={nn.PARTITION_NAME: "layers"},
      )
      x, _ = scan(Layer(config, name="layers"), x, jnp.asarray(config.local_layers))
    else:
      for number, is_local in enumerate(config.local_layers):
        x = run(Layer(config, name=f"layers_{number}"), x, local if is_local else full)
    x = _norm(config, name="final_norm")(x)
    if config.tie_embeddings:
      logits = embedder.attend(x)
    else:
      head = projection.projection(
          config.vocab_size, axes=("embed", "vocab"), dtype=config.dtype, name="logits", result_dtype="float32"
      )
      logits = head(x)
    return axes.constrain(logits, ("batch", "length", "vocab"))

  def _views(self, positions: jax.Array, mask: jax.Array | None) -> tuple["_View", "_View"]:
    """What layers see that see everything, and what local layers see."""
    config = self.config
    if config.start_id is None and mask is not None:
      mask = mask & ((positions[:, None, :] > 0) | (positions[:, :, None] == 0))
    full = rotary.rotary(positions, config.head_dim, config.rope_theta, config.rope_scaling), mask, None
    if config.sliding_window is None:
      return full, full
    if mask is not None:
      mask = mask & attention.near(positions, config.sliding_window)
    turns = full[0]
    if config.local_rope_theta is not None:
      turns = rotary.rotary(positions, config.head_dim, config.local_rope_theta)
    return full, (turns, mask, config.sliding_window)

  @property
  def _first_layer(self) -> str:
    return "layers" if self.config.scan_layers else "layers_0"

  def _decoding_positions(self, rows: int) -> jax.Array:
    """`[rows, 1]`, position of the next token, counted from the start of the row's prompt."""

    def index(collection):
      found = self.get_variable(collection, self._first_layer)["attention"]["cache_index"]
      return found[0] if self.config.scan_layers else found

    positions = jnp.broadcast_to(index("cache"), (rows,))
    if self.has_variable("prefix", self._first_layer):
      lengths = index("prefix")
      positions = positions + jnp.repeat(lengths, rows // len(lengths), total_repeat_length=rows)
    return positions[:, None]
