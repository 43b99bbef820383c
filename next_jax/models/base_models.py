"""Base models that come with the package."""

import importlib.resources
import os

from etils import epath

from next_jax import errors

SHIPPED = "minirepair_1m"


class BaseModelError(errors.UserError):
  """A base model that is not in this installation."""


def minirepair_1m() -> epath.Path:
  """The checkpoint that `gin_configs/runs/pretrain_minirepair.gin` makes."""
  directory = epath.Path(os.fspath(importlib.resources.files("next_jax.models") / "shipped" / SHIPPED))
  checkpoints = sorted(directory.glob("checkpoint_*"), key=lambda path: int(path.name.rpartition("_")[2]))
  if not checkpoints:
    raise BaseModelError(
        f"{directory}/checkpoint_N: the base model is not in this installation; install the package again, or make the"
        " model with next-jax run --gin_file=gin_configs/runs/pretrain_minirepair.gin and give its checkpoint with"
        " --gin.BASE_CHECKPOINT=\"'WORKDIR/base/finetune/checkpoint_N'\""
    )
  return checkpoints[-1]
