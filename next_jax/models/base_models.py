"""Base models: the one shipped with the package, and those that runs have made."""

import importlib.resources
import os

from etils import epath

from next_jax import errors
from next_jax import files

SHIPPED = "minirepair_1m"


def minirepair_1m() -> epath.Path:
  """The shipped checkpoint, made by `gin_configs/runs/pretrain_minirepair.gin`; raises ModelError if it is missing."""
  directory = epath.Path(str(importlib.resources.files("next_jax.models") / "shipped" / SHIPPED))
  checkpoints = _checkpoints(directory)
  if not checkpoints:
    raise errors.ModelError(
        f"{directory}/checkpoint_N: the base model is not in this installation; install the package again, or make the"
        " model with next-jax run --gin_file=gin_configs/runs/pretrain_minirepair.gin and give its checkpoint with"
        " --gin.BASE_CHECKPOINT=\"'WORKDIR/base/finetune/checkpoint_N'\""
    )
  return checkpoints[-1]


def made(directory: epath.PathLike, config: str) -> epath.Path:
  """The checkpoint of a finished `finetune` stage, such as WORKDIR/base/finetune.

  Args:
    directory: Directory of the stage.
    config: Config file that makes the checkpoint, for the error message.

  Raises:
    ModelError: The stage is missing or not finished.
  """
  manifest = epath.Path(directory) / "stage.json"
  if not manifest.exists():
    raise errors.ModelError(
        f"{os.fspath(manifest)}: no such file, so the base model is not finished; make it, or resume making it,"
        f" with next-jax run --gin_file={config}"
    )
  return epath.Path(directory) / files.read_json(manifest)["metrics"]["checkpoint"]


def _checkpoints(directory: epath.Path) -> list[epath.Path]:
  return sorted(directory.glob("checkpoint_*"), key=lambda path: int(path.name.removeprefix("checkpoint_")))
