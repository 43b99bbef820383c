"""Checkpoints in the layout that T5X reads and writes under Orbax.

    checkpoint_N/state          Orbax PyTree (OCDBT, zarr2): {target, state: {step, param_states}}
    checkpoint_N/metrics.json   metrics of the training so far; written last
    checkpoint_N/validation.json  metrics of `engine.Validation`, if the training has one (see training_plan.py)

`param_states` is the optimiser's state as `flax.serialization.to_state_dict` gives it, without empty
nodes. A finished training leaves it out: inference needs only `target` and `step`, and T5X can train
further from them with a fresh optimiser.
"""

from collections.abc import Collection, Mapping
import os
import re
from typing import Any

from etils import epath
from flax import serialization
from flax import traverse_util
import jax
from jax.experimental import multihost_utils
import numpy as np
import orbax.checkpoint as ocp

from next_jax import files
from next_jax.engines import engine
from next_jax.engines import lora
from next_jax.engines import stacking

_NAME = re.compile(r"checkpoint_(\d+)")
_SHOWN_DIFFERENCES = 5

CheckpointError = engine.CheckpointError


def steps(directory: epath.PathLike) -> list[int]:
  """Steps of the complete checkpoints `directory/checkpoint_N`, ascending."""
  directory = epath.Path(directory)
  if not directory.exists():
    return []
  found = (_NAME.fullmatch(path.name) for path in directory.iterdir())
  return sorted(int(match[1]) for match in found if match and (directory / match[0] / "metrics.json").exists())


def steps_of_training(directory: epath.PathLike, num_steps: int) -> list[int]:
  """As `steps`; raises CheckpointError if a checkpoint lies beyond `num_steps`, the end of the training."""
  done = steps(directory)
  if done and done[-1] > num_steps:
    raise CheckpointError(
        f"{path_of(directory, done[-1])}: found step {done[-1]} in a training of {num_steps} steps;"
        " it was made with other settings: use another directory, or remove it"
    )
  return done


def path_of(directory: epath.PathLike, step: int) -> epath.Path:
  """Absolute path `directory/checkpoint_N` of a step; the checkpoint need not exist."""
  return _absolute(directory) / f"checkpoint_{step}"


def save(
    directory: epath.PathLike, step: int, params: Any, opt_state: Any | None, metrics: Mapping[str, float],
    adapter: lora.Adapter | None = None,
) -> epath.Path:
  """Writes `directory/checkpoint_N` entirely or not at all; all processes must call it together.

  With `adapter`, the parameters are those of adapters; see lora.py.
  """
  path = path_of(directory, step)
  partial = path.with_name(path.name + ".partial")
  if jax.process_index() == 0:
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (path, partial):
      if leftover.exists():
        leftover.rmtree()
    partial.mkdir()
  barrier(f"save {path} begins")
  state: dict[str, Any] = {"step": np.asarray(step, np.int32)}
  if opt_state is not None:
    state["param_states"] = _prune(serialization.to_state_dict(opt_state))
  with _checkpointer(together=True) as checkpointer:
    checkpointer.save(partial / "state", args=ocp.args.PyTreeSave({"target": params, "state": state}))
  if jax.process_index() == 0:
    if adapter is not None:
      files.write_json(partial / lora.ADAPTER, adapter.to_json())
    partial.rename(path)
    # Written after the rename. On gs:// that renames file by file, in the order of names, and can be killed half-way.
    files.write_json(path / "metrics.json", dict(metrics))
  barrier(f"save {path} ends")
  return path


def restore(path: epath.PathLike, params: Any, opt_state: Any | None = None) -> tuple[int, Any, Any]:
  """Reads (step, params, opt_state) of a checkpoint, laid out as the templates.

  Layers are stacked or unstacked as the templates need. All processes must call this together, unless the templates
  lie only on the devices of this process.

  Args:
    path: Directory `.../checkpoint_N`.
    params: Tree of `jax.ShapeDtypeStruct` with shardings.
    opt_state: Such a tree for the optimiser's state; None leaves the state unread.

  Raises:
    CheckpointError: The checkpoint is missing, unreadable, or has other shapes.
  """
  path = _absolute(path)
  if not (path / "state").is_dir():
    raise CheckpointError(
        f"{os.fspath(path)}: expected a checkpoint directory with 'state' in it, found"
        f" {'none in this directory' if path.is_dir() else 'no such directory'}; give the path of a checkpoint_N"
    )
  template = {"target": params, "state": {"step": jax.ShapeDtypeStruct((), np.int32)}}
  if opt_state is not None:
    template["state"]["param_states"] = _prune(serialization.to_state_dict(opt_state))
  is_own = all(leaf.sharding.is_fully_addressable for leaf in jax.tree.leaves(params))
  try:
    with _checkpointer(together=not is_own) as checkpointer:
      found = traverse_util.flatten_dict(checkpointer.metadata(path / "state").item_metadata.tree)
      expected = traverse_util.flatten_dict(template)
      stored = stacking.template_of(expected, found)
      _compare(path, found, stored, whole_optimizer=opt_state is not None)
      template = traverse_util.unflatten_dict(stored)
      restore_args = jax.tree.map(_restore_argument, template)
      restored = checkpointer.restore(
          path / "state", args=ocp.args.PyTreeRestore(item=template, restore_args=restore_args, partial_restore=True)
      )
      restored = stacking.as_expected(traverse_util.flatten_dict(restored), expected)
      restored = traverse_util.unflatten_dict(restored)
  except CheckpointError:
    raise
  except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
    reason = " ".join(str(error).split())
    raise CheckpointError(
        f"{os.fspath(path)}: cannot be read as a checkpoint ({type(error).__name__}: {reason[:300]});"
        " it is incomplete or damaged: copy or make it again"
    ) from error
  if opt_state is not None:
    state_dict = serialization.to_state_dict(opt_state)
    flat = traverse_util.flatten_dict(state_dict, keep_empty_nodes=True)
    flat.update(traverse_util.flatten_dict(restored["state"]["param_states"]))
    opt_state = serialization.from_state_dict(opt_state, traverse_util.unflatten_dict(flat))
  return int(restored["state"]["step"]), restored["target"], opt_state


def metrics(path: epath.PathLike) -> dict[str, float]:
  """Metrics of the training up to the checkpoint `path`."""
  return files.read_json(epath.Path(path) / "metrics.json")


def remove_all_but(directory: epath.PathLike, kept: Collection[int]) -> None:
  """Removes the checkpoints of other steps, and leftovers of a killed `save`; all processes call it together."""
  kept_paths = [path_of(directory, step) for step in kept]
  barrier(f"all know what is in {os.fspath(directory)}")
  if jax.process_index() == 0:
    for path in _absolute(directory).iterdir():
      if re.fullmatch(_NAME.pattern + r"(\.partial)?", path.name) and path not in kept_paths:
        path.rmtree()
  barrier(f"only {sorted(kept)} are left in {os.fspath(directory)}")


def _absolute(path: epath.PathLike) -> epath.Path:
  """Absolute form of a local path: Orbax accepts no relative ones."""
  return epath.Path(path) if "://" in os.fspath(path) else epath.Path(os.path.abspath(path))


def _checkpointer(*, together: bool) -> ocp.Checkpointer:
  processes = ocp.options.MultiprocessingOptions()
  if not together and jax.process_count() > 1:
    this = jax.process_index()
    processes = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process_{this}"
    )
  handler = ocp.PyTreeCheckpointHandler(use_ocdbt=True, use_zarr3=False, multiprocessing_options=processes)
  return ocp.Checkpointer(handler, multiprocessing_options=processes)


def _restore_argument(leaf: Any) -> ocp.RestoreArgs:
  sharding = getattr(leaf, "sharding", None)
  if sharding is None:
    return ocp.RestoreArgs(restore_type=np.ndarray, dtype=leaf.dtype)
  return ocp.ArrayRestoreArgs(sharding=sharding, global_shape=leaf.shape, dtype=leaf.dtype)


def _prune(state_dict: Any) -> dict[str, Any]:
  return traverse_util.unflatten_dict(traverse_util.flatten_dict(state_dict))


def _compare(path: epath.Path, found: Any, expected: Any, *, whole_optimizer: bool) -> None:
  found = {k: tuple(v.shape) for k, v in found.items() if hasattr(v, "shape")}
  expected = {k: tuple(v.shape) for k, v in expected.items()}
  differences = []
  for key in sorted(found.keys() | expected.keys()):
    if key[0] == "state" and not (whole_optimizer or key[1] == "step"):
      continue
    if found.get(key) != expected.get(key):
      here = f"shape {list(found[key])}" if key in found else "no such parameter"
      wanted = f"shape {list(expected[key])}" if key in expected else "no such parameter"
      differences.append(f"{'/'.join(key)}: found {here}, expected {wanted}")
  if differences:
    more = f" and {len(differences) - _SHOWN_DIFFERENCES} more" if len(differences) > _SHOWN_DIFFERENCES else ""
    raise CheckpointError(
        f"{os.fspath(path)}: not a checkpoint of this network; {'; '.join(differences[:_SHOWN_DIFFERENCES])}{more};"
        " give the checkpoint of this network, or the network settings of this checkpoint"
    )


def barrier(name: str) -> None:
  """Waits until all processes have reached the barrier of this name."""
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(name)
