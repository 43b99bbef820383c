"""Converts between separate layers (`layers_0`, `layers_1`, ...) and the stack of a scanned network (`layers`).

The first axis of each parameter in a stack numbers the layers. A checkpoint is written in the form of its network and
restored in the form of the network that asks for it. This covers the parameters, and an optimiser's moments where they
have the parameters' form. Paths are tuples of names, as `flax.traverse_util.flatten_dict` gives them.
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
  """`expected` in the form that a checkpoint has, given the paths `found` in it; leaves found in neither form stay."""
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
  """Arrays restored by `template_of(expected, ...)`, in the form of `expected`; what it stacks leaves `restored`."""
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
  """Path of the stack for a layer's parameter; None for a parameter outside the layers."""
  stacked = tuple(_STACK if _ONE.fullmatch(name) else name for name in path)
  return None if stacked == path else stacked


def _parts_of(path: Path, leaf: jax.ShapeDtypeStruct) -> list[Path]:
  """Paths of the layers' parameters that make up a stack; empty if `leaf` is no stack."""
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
  """Stacks arrays into one with this sharding. Cached, since JAX would compile a new function again."""
  return jax.jit(jnp.stack, out_shardings=sharding)


@functools.lru_cache
def _picking(sharding: jax.sharding.Sharding) -> Any:
  return jax.jit(lambda stacked, number: stacked[number], out_shardings=sharding)
