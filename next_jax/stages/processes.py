"""The processes that make a run together.

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
    index: Number of this process; process 0 writes what all share.
    count: Number of processes.
  """

  index: int
  count: int

  def gather(self, value: Any) -> list[Any]:
    """Returns the values (JSON) of all processes, by index, once all have called it."""
    ...

  def broadcast(self, make: Callable[[], Any]) -> Any:
    """Returns what `make` gives (JSON) in process 0; the other processes wait and do not call it."""
    ...


class Alone:
  """One process, which waits for nobody."""

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
  """While active, `current` is one process alone: for work that process 0 does while the others wait."""
  return joined(Alone())
