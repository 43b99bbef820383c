"""Rotary positions (RoFormer, arXiv 2104.09864), and how open models stretch them for longer sequences."""

import dataclasses
import math

import jax
import jax.numpy as jnp

Rotary = tuple[jax.Array, jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearScaling:
  """Divides all frequencies by `factor` (position interpolation, arXiv 2306.15595), as in Gemma 3 from 4B on."""

  factor: float

  def __call__(self, frequencies: jax.Array) -> jax.Array:
    return frequencies / self.factor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
  """Divides low frequencies by `factor`, keeps high ones, and interpolates between, as Llama 3.1 and later do.

  A frequency is low if it turns less than `low_freq_factor` times in `original_max_position_embeddings` tokens, and
  high if it turns more than `high_freq_factor` times. The names are those of Hugging Face's `rope_scaling`.
  """

  factor: float
  low_freq_factor: float
  high_freq_factor: float
  original_max_position_embeddings: int

  def __call__(self, frequencies: jax.Array) -> jax.Array:
    turns = self.original_max_position_embeddings * frequencies / (2 * math.pi)
    kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
    kept = jnp.clip(kept, 0.0, 1.0)
    return kept * frequencies + (1 - kept) * frequencies / self.factor


Scaling = LinearScaling | Llama3Scaling


def rotary(positions_BxL: jax.Array, head_dim: int, theta: float, scaling: Scaling | None = None) -> Rotary:
  """Sines and cosines `[B, L, 1, D / 2]` of rotary positions."""
  half = head_dim // 2
  frequencies = theta ** (-jnp.arange(half, dtype=jnp.float32) / half)
  if scaling is not None:
    frequencies = scaling(frequencies)
  angles = positions_BxL[:, :, None, None].astype(jnp.float32) * frequencies
  return jnp.sin(angles), jnp.cos(angles)


def rotate(x_BxLxHxD: jax.Array, positions: Rotary) -> jax.Array:
  """Rotates pairs of dimensions, in the half-split layout of Llama's weights."""
  sin, cos = positions
  first, second = jnp.split(x_BxLxHxD.astype(jnp.float32), 2, axis=-1)
  rotated = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
  return rotated.astype(x_BxLxHxD.dtype)
