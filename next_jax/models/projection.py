"""Linear maps whose kernels carry logical axis names."""

from collections.abc import Sequence
import math

from flax import linen as nn
import jax
import jax.numpy as jnp


class Projection(nn.Module):
  """A linear map without bias from the last axes of its input to new axes.

  It stands in for Flax's `DenseGeneral`, which fails under a mesh that JAX knows of, such as T5X's. With
  two or more axes `DenseGeneral` makes a flat kernel, names its axes and reshapes it only then, so the
  names do not fit. Parameters and their initial values are those of `DenseGeneral`.

  Attributes:
    features: Sizes of the new last axes.
    axes: Logical names of the kernel's axes.
    dtype: Type of the product; the kernel is float32.
    num_summed: Number of last axes of the input that are summed over.
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
  """A `Projection` with this name in the tree of parameters."""
  features = (features,) if isinstance(features, int) else tuple(features)
  return Projection(features=features, axes=axes, dtype=dtype, num_summed=num_summed, name=name)
