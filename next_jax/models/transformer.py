"""A decoder-only transformer in the shape of today's open models (Llama, Gemma, Qwen).

RMSNorm before every block, rotary positions, grouped-query attention, gated MLP. Parameters and
activations carry logical axis names, which an engine maps to its mesh; without rules they have no
effect. The call signature is the one that T5X's `DecoderOnlyModel` expects, but T5X is not imported.

Axes of parameters: vocab, embed, heads, kv_heads, kv (the dimensions of one head), mlp; layers, if they are scanned.
Shape suffixes: B batch, L length, E embed.
"""

import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from next_jax import errors
from next_jax.models import attention
from next_jax.models import axes
from next_jax.models import projection


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
  """Sizes of a network.

  Attributes:
    vocab_size: Rows of the embedding; at least the vocabulary's size.
    head_dim: Dimensions of a head. Must be even, because rotary positions rotate pairs of dimensions.
    num_kv_heads: Number of key/value heads. Must divide num_heads; 1 is multi-query, num_heads is multi-head attention.
    tie_embeddings: Whether the output layer is the transposed embedding.
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
  norm_epsilon: float = 1e-6
  dropout_rate: float = 0.0
  tie_embeddings: bool = False
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

  @property
  def unscanned(self) -> "TransformerConfig":
    """The same network without a scan, for decoding: each decoding step would copy the caches of scanned layers."""
    return dataclasses.replace(self, scan_layers=False)


class RMSNorm(nn.Module):
  """Root mean square layer normalisation (arXiv 1910.07467)."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x_BxLxE: jax.Array) -> jax.Array:
    init = nn.with_logical_partitioning(nn.initializers.ones, ("embed",))
    scale: jax.Array = self.param("scale", init, (x_BxLxE.shape[-1],), jnp.float32)  # type: ignore[assignment]  # unboxed
    x = x_BxLxE.astype(jnp.float32)
    x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + self.config.norm_epsilon)
    return (x * scale).astype(jnp.dtype(self.config.dtype))


class MLP(nn.Module):
  """Gated MLP: SwiGLU (arXiv 2002.05202)."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x_BxLxE: jax.Array) -> jax.Array:
    config = self.config
    gate = projection.projection(config.mlp_dim, axes=("embed", "mlp"), dtype=config.dtype, name="gate")
    up = projection.projection(config.mlp_dim, axes=("embed", "mlp"), dtype=config.dtype, name="up")
    down = projection.projection(config.embed_dim, axes=("mlp", "embed"), dtype=config.dtype, name="down")
    hidden = nn.silu(gate(x_BxLxE)) * up(x_BxLxE)
    return down(axes.constrain(hidden, ("batch", "length", "mlp")))


class Layer(nn.Module):
  """Attention, then MLP; each follows a norm and is added to the residual stream."""

  config: TransformerConfig

  @nn.compact
  def __call__(self, x_BxLxE: jax.Array, positions, mask, *, enable_dropout: bool, **attention_mode) -> jax.Array:
    dropout = nn.Dropout(self.config.dropout_rate, deterministic=not enable_dropout)
    h = RMSNorm(self.config, name="attention_norm")(x_BxLxE)
    h = self._attention()(h, positions, mask, **attention_mode)
    x_BxLxE = axes.constrain(x_BxLxE + dropout(h), ("batch", "length", "embed"))
    h = MLP(self.config, name="mlp")(RMSNorm(self.config, name="mlp_norm")(x_BxLxE))
    return axes.constrain(x_BxLxE + dropout(h), ("batch", "length", "embed"))

  def _attention(self) -> attention.Attention:
    return attention.Attention(
        num_heads=self.config.num_heads,
        num_kv_heads=self.config.num_kv_heads,
        head_dim=self.config.head_dim,
        block=self.config.attention_block,
        dtype=self.config.dtype,
        name="attention",
    )


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
    embedder = nn.Embed(
        config.vocab_size,
        config.embed_dim,
        dtype=jnp.dtype(config.dtype),
        param_dtype=jnp.float32,
        embedding_init=nn.with_logical_partitioning(nn.initializers.normal(1.0), ("vocab", "embed")),
        name="token_embedder",
    )
    x = axes.constrain(embedder(decoder_input_tokens), ("batch", "length", "embed"))
    x = nn.Dropout(config.dropout_rate, deterministic=not enable_dropout)(x)

    positions, mask = decoder_positions, None
    if decode and self.has_variable("cache", self._first_layer):
      positions = self._decoding_positions(x.shape[0])
    else:
      if positions is None:
        positions = jnp.broadcast_to(jnp.arange(x.shape[1]), x.shape[:2])
      mask = attention.mask(
          x.shape[1], decoder_segment_ids, decoder_causal_attention, decoder_completion_ids
      )
      mask = jnp.broadcast_to(mask, (x.shape[0], *mask.shape[1:]))
    turns = attention.rotary(positions, config.head_dim, config.rope_theta)

    def run(layer, x, positions, mask):
      return layer(
          x, positions, mask, enable_dropout=enable_dropout, causal=decoder_causal_attention is None, decode=decode,
          max_decode_length=max_decode_length, prefill=prefill, prefill_lengths=prefill_lengths,
      )

    if config.rematerialize and not (decode or prefill):
      run = nn.remat(run, prevent_cse=not config.scan_layers)  # a loop already keeps the two computations apart
    if config.scan_layers:
      scan = nn.scan(
          lambda layer, *arguments: (run(layer, *arguments), None),
          variable_axes={"params": 0, "cache": 0, "prefix": 0},
          split_rngs={"params": True, "dropout": True},
          in_axes=(nn.broadcast, nn.broadcast),
          length=config.num_layers,
          metadata_params={nn.PARTITION_NAME: "layers"},
      )
      x, _ = scan(Layer(config, name="layers"), x, turns, mask)
    else:
      for number in range(config.num_layers):
        x = run(Layer(config, name=f"layers_{number}"), x, turns, mask)
    x = RMSNorm(config, name="final_norm")(x)
    if config.tie_embeddings:
      # Without the factor, an embedding of unit variance gives logits of about sqrt(embed_dim).
      logits = embedder.attend(x) * config.embed_dim**-0.5
    else:
      head = projection.projection(config.vocab_size, axes=("embed", "vocab"), dtype=config.dtype, name="logits")
      logits = head(x)
    return axes.constrain(logits.astype(jnp.float32), ("batch", "length", "vocab"))

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
