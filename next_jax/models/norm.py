"""Root mean square layer normalisation (arXiv 1910.07467)."""

from flax import linen as nn
import jax
import jax.numpy as jnp


class RMSNorm(nn.Module):
  """Divides by the root mean square of the last axis, in float32, and multiplies by a learned scale.

  Attributes:
    epsilon: Added to the mean square.
    offset: Added to the scale; Gemma's scales are stored as differences from 1.
    dtype: Type of the result.
    axis: Logical name of the normalised axis.
  """

  epsilon: float
  offset: float
  dtype: str
  axis: str = "embed"

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    init = nn.with_logical_partitioning(nn.initializers.constant(1.0 - self.offset), (self.axis,))
    scale: jax.Array = self.param("scale", init, (x.shape[-1],), jnp.float32)  # type: ignore[assignment]  # unboxed
    if self.offset:
      scale = scale + self.offset
    x = x.astype(jnp.float32)
    x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + self.epsilon)
    return (x * scale).astype(jnp.dtype(self.dtype))
