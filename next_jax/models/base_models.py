"""Base models: those that come with the package, and those that runs have made."""

import importlib.resources
import os

from etils import epath

from next_jax import errors

SHIPPED = "minirepair_1m"


class BaseModelError(errors.UserError):
  """A base model that is not there."""


def minirepair_1m() -> epath.Path:
  """The checkpoint that `gin_configs/runs/pretrain_minirepair.gin` makes."""
  directory = epath.Path(os.fspath(importlib.resources.files("next_jax.models") / "shipped" / SHIPPED))
  checkpoints = _checkpoints(directory)
  if not checkpoints:
    raise BaseModelError(
        f"{directory}/checkpoint_N: the base model is not in this installation; install the package again, or make the"
        " model with next-jax run --gin_file=gin_configs/runs/pretrain_minirepair.gin and give its checkpoint with"
        " --gin.BASE_CHECKPOINT=\"'WORKDIR/base/finetune/checkpoint_N'\""
    )
  return checkpoints[-1]


def made(directory: epath.PathLike, config: str) -> epath.Path:
  """The last checkpoint in WORKDIR/base/finetune of a run.

  Args:
    config: file that makes it, for the message.

  Raises:
    BaseModelError: there is none.
  """
  checkpoints = _checkpoints(epath.Path(directory))
  if not checkpoints:
    raise BaseModelError(
        f"{os.fspath(directory)}/checkpoint_N: there is none; make it first, with next-jax run --gin_file={config}"
    )
  return checkpoints[-1]


def _checkpoints(directory: epath.Path) -> list[epath.Path]:
  """Without checkpoint_N.partial, which a killed training leaves."""
  found = [path for path in directory.glob("checkpoint_*") if path.name.removeprefix("checkpoint_").isdecimal()]
  return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint_")))
