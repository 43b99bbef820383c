"""Where T5X puts arrays: on the mesh, and by the axis rules, of the native engine."""

import jax
from t5x import partitioning

from next_jax.engines.native import sharding


class MeshPartitioner(partitioning.PjitPartitioner):
  """T5X's partitioner on a given mesh.

  T5X makes a mesh of its own only where it knows the hardware: on CPU it puts every device but one
  on the axis "model", whatever is asked for.
  """

  def __init__(self, layout: sharding.Layout):
    super().__init__(num_partitions=layout.mesh.shape["model"], logical_axis_rules=layout.rules)
    self._given_mesh = layout.mesh

  @property
  def mesh(self) -> jax.sharding.Mesh:
    return self._given_mesh
