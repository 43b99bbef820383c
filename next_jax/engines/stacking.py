"""Layers one by one (`layers_0`, `layers_1`, ...) and the stack that a scanned network has of them (`layers`).

A stack has its layers along the first axis of each parameter. A checkpoint is written as its network lies, and
restored as the network that asks for it lies: parameters, and moments of an optimiser where these are of the same form.
Paths are tuples of names, as `flax.traverse_util.flatten_dict` gives them.
"""

from collections.abc import Collection, Mapping, Sequence
import functools
import re
from typing import Any

import jax
import jax.numpy as jnp

_STACK = "layers"
_ONE = re.compile(r"layers_(\d+)")

Path = tuple[str, ...]


def stack(params: Mapping[str, Any]) -> dict[str, Any]:
  """A tree of parameters with its layers stacked."""
  numbers = {name: int(match[1]) for name in params if (match := _ONE.fullmatch(name))}
  names = sorted(numbers, key=numbers.__getitem__)
  others = {name: value for name, value in params.items() if name not in numbers}
  return {**others, _STACK: jax.tree.map(lambda *leaves: jnp.stack(leaves), *(params[name] for name in names))}


def template_of(
    expected: Mapping[Path, jax.ShapeDtypeStruct], found: Collection[Path]
) -> dict[Path, jax.ShapeDtypeStruct]:
  """What `expected` says, of arrays that lie as those `found` in a checkpoint do; what is in neither form stays."""
  template = {}
  for path, leaf in expected.items():
    stacked, parts = _stack_of(path), _parts_of(path, leaf)
    if path not in found and stacked is not None and stacked in found:
      shape = (sum(_stack_of(other) == stacked for other in expected), *leaf.shape)
      template[stacked] = _like(leaf, shape, (None, *leaf.sharding.spec))
    elif path not in found and parts and parts[0] in found:
      template.update({part: _like(leaf, leaf.shape[1:], leaf.sharding.spec[1:]) for part in parts})
    else:
      template[path] = leaf
  return template


def as_expected(
    restored: dict[Path, jax.Array], expected: Mapping[Path, jax.ShapeDtypeStruct]
) -> dict[Path, jax.Array]:
  """The arrays of `template_of(expected, ...)` as `expected` says; empties `restored` of what it stacks."""
  arrays = {}
  for path, leaf in expected.items():
    if path in restored:
      arrays[path] = restored[path]
    elif parts := _parts_of(path, leaf):
      arrays[path] = _stacking(leaf.sharding)([restored.pop(part) for part in parts])
    elif (stacked := _stack_of(path)) is not None:
      number = next(int(match[1]) for match in map(_ONE.fullmatch, path) if match)
      arrays[path] = _picking(leaf.sharding)(restored[stacked], number)
  return arrays


def _stack_of(path: Path) -> Path | None:
  """Path of the stack that a layer's parameter is in; None for one that is in no layer."""
  stacked = tuple(_STACK if _ONE.fullmatch(name) else name for name in path)
  return None if stacked == path else stacked


def _parts_of(path: Path, leaf: jax.ShapeDtypeStruct) -> list[Path]:
  """Paths of the layers' parameters that a stack is made of; none for what is no stack."""
  if _STACK not in path or not leaf.shape:
    return []
  return [
      tuple(f"{_STACK}_{number}" if name == _STACK else name for name in path) for number in range(leaf.shape[0])
  ]


def _like(leaf: jax.ShapeDtypeStruct, shape: Sequence[int], spec: Sequence[Any]) -> jax.ShapeDtypeStruct:
  sharding = jax.sharding.NamedSharding(leaf.sharding.mesh, jax.sharding.PartitionSpec(*spec))
  return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=sharding)


@functools.lru_cache
def _stacking(sharding: jax.sharding.Sharding) -> Any:
  """Kept by where the result lies: a function that is made anew is compiled anew."""
  return jax.jit(jnp.stack, out_shardings=sharding)


@functools.lru_cache
def _picking(sharding: jax.sharding.Sharding) -> Any:
  return jax.jit(lambda stacked, number: stacked[number], out_shardings=sharding)
