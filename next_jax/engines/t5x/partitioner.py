"""Where T5X puts arrays: on the native engine's mesh, by its axis rules."""

from typing import Any

from flax import traverse_util
import jax
from t5x import partitioning

from next_jax.engines import sharding


class MeshPartitioner(partitioning.PjitPartitioner):
  """T5X's partitioner on a given mesh.

  T5X makes a suitable mesh only for hardware it knows. On CPU it puts all devices but one on the axis
  "model", whatever the settings.
  """

  def __init__(self, layout: sharding.Layout):
    super().__init__(num_partitions=layout.mesh.shape["model"], logical_axis_rules=layout.rules)
    self._layout = layout

  @property
  def mesh(self) -> jax.sharding.Mesh:
    return self._layout.mesh

  def partition(self, *arguments: Any, **options: Any) -> partitioning.PartitionedCallable:
    """As T5X's, but the network's constraints on activations take effect.

    T5X activates the mesh in a way that JAX now ignores.
    """
    return _Active(super().partition(*arguments, **options), self._layout)

  def get_mesh_axes(self, train_state: Any) -> Any:
    """As T5X's, but an axis that does not divide over its mesh axis stays whole, as in the native engine."""
    axes = super().get_mesh_axes(train_state)
    leaves = traverse_util.flatten_dict(train_state.state_dict(), keep_empty_nodes=True)
    specs = traverse_util.flatten_dict(axes.state_dict(), keep_empty_nodes=True)
    for path, spec in specs.items():
      if isinstance(spec, jax.sharding.PartitionSpec):
        specs[path] = self._layout.fitting(leaves[path].shape, tuple(spec))
    return axes.restore_state(traverse_util.unflatten_dict(specs))


class _Active(partitioning.PartitionedCallable):
  """A compiled function, traced and called with mesh and axis rules active."""

  def __init__(self, function: partitioning.PartitionedCallable, layout: sharding.Layout):
    self._function = function
    self._layout = layout

  def __call__(self, *args: Any) -> Any:
    with self._layout.active():
      return self._function(*args)

  def lower(self, *args: Any) -> Any:
    with self._layout.active():
      return self._function.lower(*args)
