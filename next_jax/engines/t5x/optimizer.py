"""Any Optax optimiser under T5X, with the learning rate as an argument."""

from collections.abc import Callable
from typing import Any

from flax import core
from flax import serialization
from flax import struct
from flax import traverse_util
import jax
import optax
from t5x import optimizers


@struct.dataclass
class _HyperParams:
  learning_rate: Any = 0.0


class OptaxOptimizer(optimizers.OptaxWrapper):
  """T5X's wrapper of Optax with two changes.

  First, the learning rate is an argument of the step, where T5X's wrapper compiles it in. A training of
  another length then compiles nothing. The state's tree is that of Optax with a schedule.

  Second, the axes of the state are found by the names and shapes of its leaves. T5X knows only the
  states of a fixed list of optimisers, which lacks Muon.
  """

  def __init__(self, make: Callable[..., optax.GradientTransformation]):
    """Makes an optimiser; `make(learning_rate=<schedule>)` returns the Optax transformation."""
    super().__init__(make(learning_rate=lambda count: 0.0))
    self._make = make
    self.hyper_params = _HyperParams()

  def apply_gradient(self, hyper_params, params, state, grads):
    transformation = self._make(learning_rate=lambda count: hyper_params.learning_rate)
    updates, new_state = transformation.update(grads, state.param_states, params)
    return optax.apply_updates(params, updates), optimizers.OptimizerState(step=state.step + 1, param_states=new_state)

  def derive_logical_axes(self, optimizer, param_logical_axes):
    shapes = traverse_util.flatten_dict(serialization.to_state_dict(optimizer.target))
    axes = traverse_util.flatten_dict(core.unfreeze(param_logical_axes))

    def find(path, leaf):
      for start in range(len(path)):
        name = path[start:]
        if name in axes and getattr(leaf, "shape", None) == shapes[name].shape:
          return axes[name]
      return None

    state = optimizer.state_dict()["state"]
    found = {path: find(path, leaf) for path, leaf in traverse_util.flatten_dict(state).items()}
    return optimizer.restore_state(
        {"target": core.unfreeze(param_logical_axes), "state": traverse_util.unflatten_dict(found)}
    )


def abstract(tree: Any, axes: Any, mesh: jax.sharding.Mesh) -> Any:
  """`tree` as `jax.ShapeDtypeStruct`s, sharded by `axes`: a tree of partition specs, None for replicated leaves."""

  def sharded(leaf, spec):
    sharding = jax.sharding.NamedSharding(mesh, spec or jax.sharding.PartitionSpec())
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

  leaves, structure = jax.tree.flatten(tree)
  specs = jax.tree.leaves(axes, is_leaf=lambda x: x is None or isinstance(x, jax.sharding.PartitionSpec))
  return jax.tree.unflatten(structure, [sharded(leaf, spec) for leaf, spec in zip(leaves, specs, strict=True)])
