"""Low-rank adapters (LoRA, Hu et al., arXiv 2106.09685): what is trained, and what is saved of it.

An adapter adds `x a b * alpha / rank` to a projection, with `a` `[*summed, rank]` and `b` `[rank, *features]`; `b` is 0
at first. The base is frozen. A checkpoint of an adapter holds only the adapter and names its base:

    checkpoint_N/state         {target: the adapter, state: {step, param_states}}
    checkpoint_N/adapter.json  rank, alpha and targets; path and digest of the base's checkpoint
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import math
import os
from typing import Any, Self

from etils import epath
from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp

from next_jax import errors
from next_jax import files
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import stacking
from next_jax.models import transformer

ADAPTER = "adapter.json"
TARGETS = ("query", "key", "value", "out", "gate", "up", "down")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lora:
  """Tunes low-rank adapters of projections instead of the network.

  Attributes:
    rank: Rank of the adapters.
    alpha: Their results are multiplied by `alpha / rank`.
    targets: The projections that have one, of TARGETS.
  """

  rank: int = 16
  alpha: float = 32.0
  targets: Sequence[str] = TARGETS

  def __post_init__(self):
    object.__setattr__(self, "targets", tuple(self.targets))  # gin gives lists too, which have no hash
    if self.rank < 1:
      raise errors.EngineError(f"Lora.rank: found {self.rank}, expected 1 or more")
    unknown = [target for target in self.targets if target not in TARGETS]
    if unknown or not self.targets:
      raise errors.EngineError(
          f"Lora.targets: found {', '.join(unknown) or 'none'}, expected some of {', '.join(TARGETS)}"
      )

  @property
  def scale(self) -> float:
    return self.alpha / self.rank

  def boxed(self, model: transformer.Transformer) -> Any:
    """Tree of the adapters' shapes, in boxes that carry the axis names."""
    adapters = {}
    for path, box in traverse_util.flatten_dict(parameters.boxed_shapes(model)).items():
      if path[-1] != "kernel" or path[-2] not in self.targets:
        continue
      shape, names, stacked = box.value.shape, tuple(box.names), int(path[0] == "layers")
      cut = stacked + num_summed(path)
      for name, kept_shape, kept_names in (
          ("a", (*shape[:cut], self.rank), (*names[:cut], None)),
          ("b", (*shape[:stacked], self.rank, *shape[cut:]), (*names[:stacked], None, *names[cut:])),
      ):
        leaf = jax.ShapeDtypeStruct(kept_shape, jnp.float32)
        adapters[*path[:-1], name] = nn.LogicallyPartitioned(leaf, kept_names)  # type: ignore[arg-type]
    return traverse_util.unflatten_dict(adapters)

  def abstract(self, model: transformer.Transformer, layout: sharding.Layout) -> Any:
    """Tree of the adapters as `jax.ShapeDtypeStruct` with shardings."""
    boxed = self.boxed(model)
    return jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where),
        nn.unbox(boxed), layout.of_parameters(boxed),
    )

  def random(self, model: transformer.Transformer, layout: sharding.Layout, seed: int) -> Any:
    """Adapters that add nothing yet: `a` is random and `b` is 0."""
    shapes = nn.unbox(self.boxed(transformer.Transformer(model.config.unscanned)))

    def init(key):
      leaves, form = jax.tree_util.tree_flatten_with_path(shapes)
      values = []
      for (path, leaf), one in zip(leaves, jax.random.split(key, len(leaves)), strict=True):
        bound = math.prod(leaf.shape[:-1]) ** -0.5  # PEFT's: Kaiming's for a = sqrt(5)
        is_first = path[-1].key == "a"
        values.append(
            jax.random.uniform(one, leaf.shape, leaf.dtype, -bound, bound) if is_first else jnp.zeros(leaf.shape)
        )
      adapters = jax.tree_util.tree_unflatten(form, values)
      return stacking.stack(adapters) if model.scan_layers else adapters  # the same values in either form

    where = layout.of_parameters(self.boxed(model))
    return jax.jit(init, out_shardings=where)(jax.random.key(seed))

  def scaled(self, adapters: Any) -> Any:
    """The adapters as the network adds them: `b` times the scale."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * self.scale if path[-1].key == "b" else leaf, adapters
    )

  def merged(self, params: Any, adapters: Any) -> Any:
    """The parameters with the adapters added; those that have one are given up."""
    kernels = traverse_util.flatten_dict(params)
    flat = traverse_util.flatten_dict(adapters)
    for path in [path[:-1] for path in flat if path[-1] == "a"]:
      kernel = kernels.pop((*path, "kernel"))
      kernels[*path, "kernel"] = _add(kernel.sharding, path[0] == "layers")(
          kernel, flat[*path, "a"], flat[*path, "b"], self.scale
      )
    return traverse_util.unflatten_dict(kernels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adapter:
  """The contents of adapter.json.

  Attributes:
    lora: Form of the adapters.
    base: Checkpoint that they were trained on.
    base_digest: Digest of that checkpoint.
  """

  lora: Lora
  base: str
  base_digest: str

  @classmethod
  def on(cls, lora: Lora, base: epath.PathLike) -> Self:
    """Adapters on a checkpoint of a whole network, or on the base of adapters of the same form."""
    found = cls.of(base)
    if found is None:
      path = os.fspath(base) if "://" in os.fspath(base) else os.path.abspath(os.fspath(base))
      return cls(lora=lora, base=path, base_digest=files.digest(base))
    if found.lora != lora:
      raise errors.EngineError(
          f"{os.fspath(base)}/{ADAPTER}: found {found.lora}, expected {lora}, to train the adapters further; set the"
          " same Lora, or start from the base"
      )
    return found

  @classmethod
  def of(cls, checkpoint: epath.PathLike) -> Self | None:
    """What a checkpoint says of its adapters; None for a checkpoint of a whole network.

    Raises:
      EngineError: The base is missing or another one.
    """
    path = epath.Path(checkpoint) / ADAPTER
    if not path.exists():
      return None
    found = files.read_json(path)
    lora = Lora(rank=found["rank"], alpha=found["alpha"], targets=found["targets"])
    adapter = cls(lora=lora, base=found["base"], base_digest=found["base_digest"])
    if not epath.Path(adapter.base).is_dir():
      raise errors.EngineError(
          f"{os.fspath(path)}: names the base {adapter.base}, which does not exist; the adapters are nothing without"
          " it: put it back, or correct its path in this file"
      )
    if files.digest(adapter.base) != adapter.base_digest:
      raise errors.EngineError(
          f"{os.fspath(path)}: {adapter.base} is not the base that the adapters were trained on (digest"
          f" {files.digest(adapter.base)}, expected {adapter.base_digest}); put that one back"
      )
    return adapter

  def to_json(self) -> Mapping[str, Any]:
    return {
        "rank": self.lora.rank, "alpha": self.lora.alpha, "targets": list(self.lora.targets), "base": self.base,
        "base_digest": self.base_digest,
    }


def num_summed(path: Sequence[str]) -> int:
  """Number of axes that the projection at this path sums over: heads and kv for `out`, one for the others."""
  return 2 if "out" in path else 1


@functools.cache  # JAX would compile a new function again
def _add(where: Any, is_stacked: bool) -> Callable[..., jax.Array]:
  def one(kernel, a, b, scale):
    flat = a.reshape(-1, a.shape[-1]) @ b.reshape(b.shape[0], -1)
    return (kernel.astype(jnp.float32) + scale * flat.reshape(kernel.shape)).astype(kernel.dtype)

  function = jax.vmap(one, in_axes=(0, 0, 0, None)) if is_stacked else one
  return jax.jit(function, out_shardings=where, donate_argnums=0)
