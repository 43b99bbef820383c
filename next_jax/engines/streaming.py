"""Writes and reads checkpoints parameter by parameter, for weights that fill the memory when they are there once."""

from collections.abc import Callable, Iterable
import os
import re
from typing import Any

from etils import epath
from flax import traverse_util
import numpy as np
import tensorstore

from next_jax.engines import checkpoints
from next_jax.engines import lora

_CHUNK_BYTES = 64 << 20


def save(directory: epath.Path, paths: Iterable[tuple[str, ...]], arrays: Iterable[np.ndarray]) -> epath.Path:
  """Writes `directory/checkpoint_0`, as `checkpoints.save` does, with one array in memory at a time.

  Orbax holds a copy of all that it writes. So it writes the layout with one number for each parameter, and these
  are then replaced, in the format that its layout names: zarr in an OCDBT store.

  Args:
    directory: Directory on a local disk.
    paths: Path of each parameter in the tree.
    arrays: The parameters, in the same order.
  """
  paths = list(paths)
  empty: dict[Any, Any] = {path: np.zeros(1, np.float32) for path in paths}
  checkpoint = checkpoints.save(directory, 0, traverse_util.unflatten_dict(empty), None, {"steps": 0})
  context = tensorstore.Context()  # shared, so that the store is opened once
  for path, array in zip(paths, arrays, strict=True):
    stored = tensorstore.open(
        _spec(checkpoint / "state", path) | {
            "metadata": {"chunks": _chunks(array), "compressor": {"id": "zstd", "level": 1}}
        },
        dtype=tensorstore.dtype(array.dtype), shape=array.shape, create=True, delete_existing=True, context=context,
    ).result()
    stored.write(array).result()
  return checkpoint


def _chunks(array: np.ndarray) -> list[int]:
  """Sizes of pieces along the first axis, so that a part of a large array can be read alone."""
  row = max(1, array.nbytes // max(1, array.shape[0]))
  return [max(1, min(array.shape[0], _CHUNK_BYTES // row)), *array.shape[1:]]


class ParameterReader:
  """Reads parameters of a checkpoint one by one."""

  def __init__(self, checkpoint: epath.PathLike):
    """Opens `.../checkpoint_N` on a local disk; raises CheckpointError if there is none."""
    self._state = epath.Path(checkpoint) / "state"
    if not self._state.is_dir():
      raise checkpoints.CheckpointError(
          f"{os.fspath(checkpoint)}: expected a checkpoint directory with 'state' in it; give the path of a"
          " checkpoint_N"
      )
    self._context = tensorstore.Context()

  def read(self, path: tuple[str, ...]) -> np.ndarray:
    """The parameter at this path, also if it is one layer of a stack; raises CheckpointError if it is not there."""
    try:
      return self._open(path).read().result()
    except (ValueError, KeyError):
      pass
    layer = re.fullmatch(r"layers_(\d+)", path[0])
    try:
      if layer is None:
        raise ValueError
      return self._open(("layers", *path[1:]))[int(layer[1])].read().result()
    except (ValueError, KeyError, IndexError):
      raise checkpoints.CheckpointError(
          f"{os.fspath(self._state)}: found no parameter {'/'.join(path)}; give the network of this checkpoint"
      ) from None

  def _open(self, path: tuple[str, ...]) -> Any:
    return tensorstore.open(_spec(self._state, path), open=True, context=self._context).result()


def reader(checkpoint: epath.PathLike) -> Callable[[tuple[str, ...]], np.ndarray]:
  """Reads the parameters of the whole network, one by one; adapters are merged into their base."""
  adapter = lora.Adapter.of(checkpoint)
  own = ParameterReader(checkpoint).read
  if adapter is None:
    return own
  base, form = ParameterReader(adapter.base).read, adapter.lora

  def read(path: tuple[str, ...]) -> np.ndarray:
    kernel = base(path)
    if path[-1] != "kernel" or path[-2] not in form.targets:
      return kernel
    a, b = own((*path[:-1], "a")), own((*path[:-1], "b"))
    added = form.scale * (a.reshape(-1, form.rank) @ b.reshape(form.rank, -1)).reshape(kernel.shape)
    return (kernel.astype(np.float32) + added).astype(kernel.dtype)

  return read


def _spec(state: epath.Path, path: tuple[str, ...]) -> dict[str, Any]:
  """Where Orbax has a parameter: zarr in an OCDBT store."""
  return {
      "driver": "zarr",
      "kvstore": {
          "driver": "ocdbt", "base": f"file://{os.path.abspath(os.fspath(state))}/",
          "path": ".".join(("target", *path)) + "/",
      },
  }
