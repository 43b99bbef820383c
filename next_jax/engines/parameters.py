"""Shapes, shardings and first values of a network's parameters."""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from next_jax.engines import sharding
from next_jax.engines import stacking
from next_jax.models import transformer


def boxed_shapes(model: transformer.Transformer) -> Any:
  """Tree of parameter shapes, in boxes that carry the axis names."""
  tokens = jax.ShapeDtypeStruct((1, 2), jnp.int32)
  return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, enable_dropout=False), tokens)["params"]


def shardings(model: transformer.Transformer, layout: sharding.Layout) -> Any:
  """Tree of the parameters' shardings."""
  return layout.of_parameters(boxed_shapes(model))


def abstract(model: transformer.Transformer, layout: sharding.Layout, *, matrices: str = "float32") -> Any:
  """Tree of the parameters as `jax.ShapeDtypeStruct` with shardings; `matrices` is the type of matrices."""
  shapes = nn.unbox(boxed_shapes(model))

  def described(leaf, where):
    dtype = leaf.dtype if leaf.ndim < 2 else jnp.dtype(matrices)
    return jax.ShapeDtypeStruct(leaf.shape, dtype, sharding=where)

  return jax.tree.map(described, shapes, shardings(model, layout))


def random(model: transformer.Transformer, layout: sharding.Layout, seed: int) -> Any:
  """Parameters of an untrained network, made on their devices; scanned or unscanned layers get the same values."""
  unscanned = transformer.Transformer(model.config.unscanned)

  def init(key):
    params = nn.unbox(unscanned.init(key, jnp.zeros((1, 2), jnp.int32), enable_dropout=False)["params"])
    return stacking.stack(params) if model.scan_layers else params

  return jax.jit(init, out_shardings=shardings(model, layout))(jax.random.key(seed))
