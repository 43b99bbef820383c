"""Matrix products that carry logical axis names."""

from collections.abc import Sequence

from flax import linen as nn
import jax.numpy as jnp


def projection(
    features: int | Sequence[int], *, axes: tuple[str, ...], dtype: str, name: str, axis: int | Sequence[int] = -1
) -> nn.DenseGeneral:
  """A linear map without bias from `axis` of its input to `features`.

  Args:
    features: sizes of the new last axes.
    axes: logical names of the kernel's axes.
    dtype: of the product; the kernel is float32.
    name: in the tree of parameters.
    axis: axes of the input that are summed over.
  """
  init = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
  return nn.DenseGeneral(
      features,
      axis=axis,
      use_bias=False,
      dtype=jnp.dtype(dtype),
      param_dtype=jnp.float32,
      kernel_init=nn.with_logical_partitioning(init, axes),
      name=name,
  )
