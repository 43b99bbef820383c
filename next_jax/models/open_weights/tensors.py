"""Tensors: their names and shapes at Hugging Face, and where our network has them."""

from collections.abc import Callable, Iterator
import dataclasses

import numpy as np

from next_jax.models import transformer

Path = tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
  """One parameter of a network.

  Attributes:
    path: Names in our tree of parameters.
    name: Name at Hugging Face.
    shape: Shape at Hugging Face.
    ours: Makes our array of theirs; a view where that is possible.
    theirs: Makes their array of ours.
  """

  path: Path
  name: str
  shape: tuple[int, ...]
  ours: Callable[[np.ndarray], np.ndarray]
  theirs: Callable[[np.ndarray], np.ndarray]


def of_network(network: transformer.TransformerConfig) -> Iterator[Tensor]:
  """All parameters of a network, in the order of its layers."""
  yield _same(("token_embedder", "embedding"), "model.embed_tokens.weight", (network.vocab_size, network.embed_dim))
  for number in range(network.num_layers):
    for tensor in _of_layer(network):
      yield dataclasses.replace(
          tensor, path=(f"layers_{number}", *tensor.path), name=f"model.layers.{number}.{tensor.name}"
      )
  yield _same(("final_norm", "scale"), "model.norm.weight", (network.embed_dim,))
  if not network.tie_embeddings:
    yield _matrix(("logits", "kernel"), "lm_head.weight", (network.embed_dim,), (network.vocab_size,))


def _of_layer(network: transformer.TransformerConfig) -> Iterator[Tensor]:
  width, dim = (network.embed_dim,), network.head_dim
  yield _same(("attention_norm", "scale"), "input_layernorm.weight", width)
  for ours, theirs, heads in (
      ("query", "q", network.num_heads), ("key", "k", network.num_kv_heads), ("value", "v", network.num_kv_heads)
  ):
    yield _matrix(("attention", ours, "kernel"), f"self_attn.{theirs}_proj.weight", width, (heads, dim))
    if network.qkv_bias:
      yield _reshaped(("attention", ours, "bias"), f"self_attn.{theirs}_proj.bias", (heads, dim))
    if network.qk_norm and theirs != "v":
      yield _same(("attention", f"{ours}_norm", "scale"), f"self_attn.{theirs}_norm.weight", (dim,))
  yield _matrix(("attention", "out", "kernel"), "self_attn.o_proj.weight", (network.num_heads, dim), width)
  # Llama calls the norm before the MLP by what comes before it.
  before = "pre_feedforward_layernorm" if network.post_norms else "post_attention_layernorm"
  yield _same(("mlp_norm", "scale"), f"{before}.weight", width)
  if network.post_norms:
    yield _same(("post_attention_norm", "scale"), "post_attention_layernorm.weight", width)
    yield _same(("post_mlp_norm", "scale"), "post_feedforward_layernorm.weight", width)
  hidden = (network.mlp_dim,)
  for name, before_dims, after_dims in (("gate", width, hidden), ("up", width, hidden), ("down", hidden, width)):
    yield _matrix(("mlp", name, "kernel"), f"mlp.{name}_proj.weight", before_dims, after_dims)


def _same(path: Path, name: str, shape: tuple[int, ...]) -> Tensor:
  return Tensor(path=path, name=name, shape=shape, ours=lambda x: x, theirs=lambda x: x)


def _reshaped(path: Path, name: str, shape: tuple[int, ...]) -> Tensor:
  flat = (int(np.prod(shape)),)
  return Tensor(path=path, name=name, shape=flat, ours=lambda x: x.reshape(shape), theirs=lambda x: x.reshape(flat))


def _matrix(path: Path, name: str, summed: tuple[int, ...], features: tuple[int, ...]) -> Tensor:
  """A kernel `[*summed, *features]`, which is `[features, summed]` at Hugging Face."""
  rows, columns = int(np.prod(features)), int(np.prod(summed))
  return Tensor(
      path=path,
      name=name,
      shape=(rows, columns),
      ours=lambda x: x.T.reshape(*summed, *features),
      theirs=lambda x: x.reshape(columns, rows).T,
  )
