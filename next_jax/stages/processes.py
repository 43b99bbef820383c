"""The processes that work on one run together.

Every process runs the same program on the same work directory and meets the others at `gather` and `broadcast`.
`current()` is ambient, like standard output. `pod.joined` connects several processes.
"""

from collections.abc import Callable, Iterator
import contextlib
import contextvars
from typing import Any, Protocol


class Stopped(KeyboardInterrupt):
  """Raised in this process when another one has failed."""


class Processes(Protocol):
  """All processes of a run; every process makes the same calls in the same order.

  Attributes:
    index: Number of this process, from 0. Process 0 writes the files that all share.
    count: Number of processes.
  """

  index: int
  count: int

  def gather(self, value: Any) -> list[Any]:
    """Waits until all processes have called it; returns their values (JSON), ordered by index."""
    ...

  def broadcast(self, make: Callable[[], Any]) -> Any:
    """Returns what `make` returns (JSON) in process 0. The other processes wait and do not call it."""
    ...


class Alone:
  """A run of one process, which waits for no other."""

  index = 0
  count = 1

  def gather(self, value: Any) -> list[Any]:
    return [value]

  def broadcast(self, make: Callable[[], Any]) -> Any:
    return make()


_current: contextvars.ContextVar[Processes | None] = contextvars.ContextVar("processes", default=None)


def current() -> Processes:
  """The processes of this run: one process alone, unless `joined` is active."""
  return _current.get() or Alone()


@contextlib.contextmanager
def joined(processes: Processes) -> Iterator[Processes]:
  """While active, `current` returns `processes`."""
  token = _current.set(processes)
  try:
    yield processes
  finally:
    _current.reset(token)


def alone() -> contextlib.AbstractContextManager[Processes]:
  """While active, `current` returns one process alone. For work that process 0 does while the others wait."""
  return joined(Alone())
