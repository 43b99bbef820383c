"""The processes that walk through a run together; of one process alone, nothing is asked here.

Every process runs the same program on the same work directory and meets the others at `gather` and
`from_first`. Which of them this one is, is a fact of the process, as its standard output is:
`current` tells, and it is not handed through every function of the loop. `pod.Pod` joins several.
"""

from collections.abc import Callable, Iterator
import contextlib
import contextvars
from typing import Any, Protocol


class Stopped(KeyboardInterrupt):
  """Raised, wherever this process is, when another one has failed."""


class Processes(Protocol):
  """All processes of a run; every process makes the same calls in the same order.

  Attributes:
    index: of this process; process 0 writes what all share.
    count: of all processes.
  """

  index: int
  count: int

  def gather(self, value: Any) -> list[Any]:
    """The values (JSON) of all processes, by index; returns when all have called it."""
    ...

  def from_first(self, make: Callable[[], Any]) -> Any:
    """What `make` (JSON) gave in process 0; the others do not call it, and wait."""
    ...


class Alone:
  """One process: it waits for nobody."""

  index = 0
  count = 1

  def gather(self, value: Any) -> list[Any]:
    return [value]

  def from_first(self, make: Callable[[], Any]) -> Any:
    return make()


_current: contextvars.ContextVar[Processes] = contextvars.ContextVar("processes", default=Alone())


def current() -> Processes:
  """The processes of this run."""
  return _current.get()


@contextlib.contextmanager
def joined(processes: Processes) -> Iterator[Processes]:
  """While active, `current` gives `processes`."""
  token = _current.set(processes)
  try:
    yield processes
  finally:
    _current.reset(token)


def alone() -> contextlib.AbstractContextManager[Processes]:
  """For work that process 0 does while the others wait: it meets nobody meanwhile."""
  return joined(Alone())
