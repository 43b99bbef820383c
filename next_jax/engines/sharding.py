"""Where parameters and batches lie: a mesh over devices, and rules from axis names to mesh axes."""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
from typing import Any

from absl import logging
from flax import linen as nn
import jax
from jax.experimental import multihost_utils
import numpy as np

from next_jax import errors
from next_jax.models import axes

# Tensor parallelism inside layers. Parameters are not split along "data". A rule such as
# ("embed", "data") splits them there too: fully sharded data parallelism.
DEFAULT_RULES = (
    ("batch", "data"),
    ("vocab", "model"),
    ("heads", "model"),
    ("kv_heads", "model"),
    ("mlp", "model"),
    ("embed", None),
    ("kv", None),
    ("length", None),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
  """A mesh `("data", "model")` over devices, and logical axis rules."""

  mesh: jax.sharding.Mesh
  rules: tuple[tuple[str, str | None], ...] = DEFAULT_RULES

  @classmethod
  def over_all_devices(cls, *, model_parallelism: int = 1, rules: Sequence[Sequence[str | None]] = DEFAULT_RULES):
    """A layout over the devices of all processes, which compute together."""
    return cls._over(jax.devices(), "devices", model_parallelism, rules)

  @classmethod
  def over_own_devices(cls, *, model_parallelism: int = 1, rules: Sequence[Sequence[str | None]] = DEFAULT_RULES):
    """A layout over the devices of this process, which waits for no other; the network must fit on them."""
    return cls._over(jax.local_devices(), "devices of a process, which samples alone", model_parallelism, rules)

  @classmethod
  def _over(cls, devices: Sequence[jax.Device], what: str, model_parallelism: int, rules: Sequence[Any]):
    if model_parallelism < 1 or len(devices) % model_parallelism:
      raise errors.EngineError(
          f"model_parallelism: found {model_parallelism}, expected a divisor of the {len(devices)} {what}"
      )
    grid = np.asarray(devices).reshape(-1, model_parallelism)
    return cls(mesh=jax.sharding.Mesh(grid, ("data", "model")), rules=tuple((name, axis) for name, axis in rules))

  @contextlib.contextmanager
  def active(self) -> Iterator[None]:
    """Makes constraints on activations take effect in functions traced inside the context."""
    # Not `with self.mesh`: Flax and JAX now ignore that, and would silently drop the constraints.
    with jax.set_mesh(self.mesh), nn.logical_axis_rules(self.rules):
      yield

  def replicated(self) -> jax.sharding.NamedSharding:
    return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec())

  def of_parameters(self, boxed: Any) -> Any:
    """Shardings of a tree of parameters that carry axis names (arrays or shapes in boxes)."""
    specs = nn.get_partition_spec(boxed)
    return jax.tree.map(lambda leaf, spec: self._named(leaf.shape, spec), nn.unbox(boxed), specs)

  def like_parameters(self, tree: Any, params: Any, shardings: Any) -> Any:
    """Shardings of a tree such as an optimiser's state.

    A leaf with the path and the shape of a parameter gets the parameter's sharding; every other leaf is replicated.
    """
    by_path = {}
    for (path, leaf), sharding in zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(shardings)):
      by_path[_names(path)] = (leaf.shape, sharding)

    def find(path, leaf):
      names = _names(path)
      for start in range(len(names)):
        shape, sharding = by_path.get(names[start:], (None, None))
        if shape == leaf.shape:
          return sharding
      return self.replicated()

    return jax.tree_util.tree_map_with_path(find, tree)

  def of_batch(self, shape: tuple[int, ...], axis: int = 0) -> jax.sharding.NamedSharding:
    """Sharding of an array whose `axis` counts rows of a batch."""
    names: list[str | None] = [None] * len(shape)
    names[axis] = "batch"
    return self._named(shape, jax.sharding.PartitionSpec(*names))

  def put_batch(self, value: np.ndarray, axis: int = 0) -> jax.Array:
    """Puts a batch on the devices, each of which gets its rows; every process must hold the whole batch."""
    sharding = self.of_batch(value.shape, axis)
    return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

  def to_host(self, value: jax.Array) -> np.ndarray:
    """The whole array; if it lies on the devices of several processes, all of them must call this together."""
    if value.is_fully_addressable:
      return np.asarray(value)
    return multihost_utils.process_allgather(value, tiled=True)

  def _named(self, shape: tuple[int, ...], names: jax.sharding.PartitionSpec) -> jax.sharding.NamedSharding:
    spec = tuple(nn.logical_to_mesh_axes(tuple(names), self.rules) or ()) if len(names) else ()
    return jax.sharding.NamedSharding(self.mesh, self.fitting(shape, spec, tuple(names)))

  def fitting(
      self, shape: tuple[int, ...], spec: Sequence[axes.MeshAxis], names: Sequence[Any] | None = None
  ) -> jax.sharding.PartitionSpec:
    """`spec` without the mesh axes that do not divide their axis of `shape`; a warning names each, by `names`."""
    kept = axes.fitting(shape, (*spec, *[None] * (len(shape) - len(spec))), self.mesh.shape)
    for size, name, asked, given in zip(shape, names or range(len(shape)), spec, kept):
      if asked != given:
        logging.warning("axis %r of size %d does not divide over mesh axis %r; kept whole", name, size, asked)
    return kept


def _names(path: Sequence[Any]) -> tuple[str, ...]:
  return tuple(str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path)
