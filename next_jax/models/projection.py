"""Linear maps whose kernels carry logical axis names."""

from collections.abc import Sequence
import math

from flax import linen as nn
import jax
import jax.numpy as jnp

LORA = "lora"  # Collection of low-rank adapters.


class Projection(nn.Module):
  """A linear map from the last axes of its input to new axes.

  It stands in for Flax's `DenseGeneral`, which fails under a mesh that JAX knows of, such as T5X's. With
  two or more axes `DenseGeneral` makes a flat kernel, names its axes and reshapes it only then, so the
  names do not fit. Parameters and their initial values are those of `DenseGeneral`.

  A low-rank adapter (LoRA, arXiv 2106.09685) in the collection `lora` is added: `a`, `[*summed, rank]`, and `b`,
  `[rank, *features]`.

  Attributes:
    features: Sizes of the new last axes.
    axes: Logical names of the kernel's axes.
    dtype: Type of the operands. Products are summed in float32.
    num_summed: Number of last axes of the input that are summed over.
    use_bias: Whether to add a bias to the new axes.
    result_dtype: Type of the result; None is `dtype`.
  """

  features: Sequence[int]
  axes: Sequence[str]
  dtype: str
  num_summed: int = 1
  use_bias: bool = False
  result_dtype: str | None = None

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
    dtype = jnp.dtype(self.dtype)
    x = x.astype(dtype)
    y = product(x, kernel.astype(dtype), self.num_summed)
    if self.has_variable(LORA, "a"):
      down: jax.Array = self.get_variable(LORA, "a")
      up: jax.Array = self.get_variable(LORA, "b")
      y = y + product(product(x, down.astype(dtype), self.num_summed).astype(dtype), up.astype(dtype), 1)
    if self.use_bias:
      bias_init = nn.with_logical_partitioning(nn.initializers.zeros, tuple(self.axes[self.num_summed :]))
      bias: jax.Array = self.param("bias", bias_init, tuple(self.features), jnp.float32)  # type: ignore[assignment]
      y = y + bias
    return y.astype(self.result_dtype or dtype)


def product(x: jax.Array, kernel: jax.Array, num_summed: int) -> jax.Array:
  """The last axes of `x` times the first of `kernel`, summed in float32: the fast form on CPUs with AMX."""
  x_axes = tuple(range(x.ndim - num_summed, x.ndim))
  contracted = (x_axes, tuple(range(num_summed)))
  return jax.lax.dot_general(x, kernel, (contracted, ((), ())), preferred_element_type=jnp.float32)


def projection(
    features: int | Sequence[int], *, axes: tuple[str, ...], dtype: str, name: str, num_summed: int = 1,
    use_bias: bool = False, result_dtype: str | None = None,
) -> Projection:
  """A `Projection` with this name in the tree of parameters."""
  features = (features,) if isinstance(features, int) else tuple(features)
  return Projection(
      features=features, axes=axes, dtype=dtype, num_summed=num_summed, use_bias=use_bias, result_dtype=result_dtype,
      name=name,
  )
