"""Logical names of an array's axes, and what they mean on the active mesh.

A network names the axes of its parameters and activations; an engine activates a mesh
(`jax.set_mesh`) and rules (`flax.linen.logical_axis_rules`) around what it traces. Flax's
`with_logical_constraint` does the same, but lets XLA pad an axis that does not divide over its mesh
axis, such as two key heads over four devices. Every product then moves the padding between devices.
"""

from collections.abc import Mapping, Sequence
import math

from flax import linen as nn
import jax

MeshAxis = str | tuple[str, ...] | None


def fitting(
    shape: Sequence[int], spec: Sequence[MeshAxis], mesh_shape: Mapping[str, int]
) -> jax.sharding.PartitionSpec:
  """`spec` without the mesh axes that do not divide their axis of `shape`."""

  def pieces(axis: MeshAxis) -> int:
    names = (axis,) if isinstance(axis, str) else axis or ()
    return math.prod(mesh_shape[name] for name in names)

  return jax.sharding.PartitionSpec(
      *(None if size % pieces(axis) else axis for size, axis in zip(shape, spec, strict=True))
  )


def constrain(x: jax.Array, names: Sequence[str | None]) -> jax.Array:
  """Lays out `x`, whose axes have these names, by the active rules; returns it unchanged if no mesh is active."""
  mesh = jax.sharding.get_abstract_mesh()
  rules = nn.get_logical_axis_rules()
  if mesh.size <= 1 or not rules:
    return x
  spec = nn.logical_to_mesh_axes(tuple(names), rules)
  return jax.lax.with_sharding_constraint(x, fitting(x.shape, tuple(spec or ()), mesh.shape))
