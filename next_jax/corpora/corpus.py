"""What a corpus is: something that builds directories of checked and traced repair tasks."""

import typing
from typing import Protocol

from etils import epath

if typing.TYPE_CHECKING:  # who only reads tasks has no use for the executor
  from next_jax.execution import executor as executor_lib


class Corpus(Protocol):
  """A source of repair tasks."""

  @property
  def name(self) -> str:
    """Also the name of its folder in the data directory: "minirepair", "mbpp_r", "hefix_plus"."""
    ...

  def build(self, directory: epath.PathLike, executor: "executor_lib.Executor") -> dict[str, int]:
    """Writes `directory/<split>.jsonl`, each whole or not at all, and returns the tasks of each split.

    Every task is a `schema.RepairTask` with a trace, and was proven by execution: the reference
    passes all its tests, the bug fails one: the first public one, or a hidden one
    where it passes all public ones. Code that is not ours runs in the executor only.
    Same settings and files, same bytes.
    """
    ...
