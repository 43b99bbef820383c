"""The interface of a corpus, which builds directories of proven and traced repair tasks."""

import typing
from typing import Protocol

from etils import epath

if typing.TYPE_CHECKING:  # reading tasks needs no executor
  from next_jax.execution import executor as executor_lib


class Corpus(Protocol):
  """A source of repair tasks."""

  @property
  def name(self) -> str:
    """Name of the corpus and of its folder in the data directory, such as "minirepair" or "mbpp_r"."""
    ...

  def build(self, directory: epath.PathLike, executor: "executor_lib.Executor") -> dict[str, int]:
    """Writes `directory/<split>.jsonl`, each atomically; returns the number of tasks in each split.

    Every task is a `schema.RepairTask` with a trace, and was proven by execution: the reference passes all tests, and
    the bug fails the first public test, or a hidden test if it passes all public ones. Foreign code runs only in the
    executor. Equal settings and files give equal bytes.
    """
    ...
