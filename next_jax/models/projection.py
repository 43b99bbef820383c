"""Matrix products that carry logical axis names."""

from collections.abc import Sequence
import math

from flax import linen as nn
import jax
import jax.numpy as jnp


class Projection(nn.Module):
  """A linear map without bias from the last axes of its input to new ones.

  Flax's `DenseGeneral` in two axes and more makes its kernel flat and puts it into shape after it
  has been given axis names, which then do not fit: under a mesh that JAX knows of, as T5X sets one,
  it fails. Parameters, initial ones too, are those of `DenseGeneral`.

  Attributes:
    features: sizes of the new last axes.
    axes: logical names of the kernel's axes.
    dtype: of the product; the kernel is float32.
    num_summed: how many axes of the input, its last ones, are summed over.
  """

  features: Sequence[int]
  axes: Sequence[str]
  dtype: str
  num_summed: int = 1

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    summed = x.shape[x.ndim - self.num_summed :]
    flat_init = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")

    def init(key, shape, dtype):
      return flat_init(key, (math.prod(summed), math.prod(self.features)), dtype).reshape(shape)

    shape = (*summed, *self.features)
    kernel: jax.Array = self.param(  # type: ignore[assignment]  # unboxed
        "kernel", nn.with_logical_partitioning(init, tuple(self.axes)), shape, jnp.float32
    )
    x_axes = tuple(range(x.ndim - self.num_summed, x.ndim))
    dtype = jnp.dtype(self.dtype)
    return jax.lax.dot_general(
        x.astype(dtype), kernel.astype(dtype), ((x_axes, tuple(range(self.num_summed))), ((), ()))
    )


def projection(
    features: int | Sequence[int], *, axes: tuple[str, ...], dtype: str, name: str, num_summed: int = 1
) -> Projection:
  """A `Projection` of this name in the tree of parameters."""
  features = (features,) if isinstance(features, int) else tuple(features)
  return Projection(features=features, axes=axes, dtype=dtype, num_summed=num_summed, name=name)
