"""Budgets: where a recording ends although the program does not, and how to make the program end then."""

import dataclasses
import itertools
import time

_TICKS_BETWEEN_CLOCKS = 64  # a power of two


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
  """Where a recording ends although the program does not; the trace is then "truncated".

  Attributes:
    max_steps: Statements that run, calls and returns, whether or not anything changes. The lines of one statement and
      the rounds of a comprehension count as one, and exceptions as none, so that every Python counts the same.
    max_seconds: CPU seconds of the thread, import of the module included, so that a busy machine does not change the
      trace.
    max_wall_seconds: Wall-clock seconds; ends programs that wait.
    max_value_size: Maximum size of a variable: bits of an int, characters of a text, items of a container. The whole
      value may have 8 times as many bytes.
    max_value_chars: Maximum characters of a value's text. It only shortens the text and never ends a recording.
  """

  max_steps: int = 10_000
  max_seconds: float = 5.0
  max_wall_seconds: float = 60.0
  max_value_size: int = 1_000_000
  max_value_chars: int = 200


class Stop(BaseException):
  """Thrown into the program when a budget is spent."""


class Spent(Exception):
  """Ends our own callback when a budget is spent; the watcher throws a Stop into the program then."""


class Meter:
  """Counts what a recording uses.

  Attributes:
    ticks: gives how many lines are left. `next(ticks, 0)` for every line, and `check` when its last 6 bits are 0, is
      what the callbacks do themselves, because they are called for every line.
    stopped: The budget that ended the recording, in words; None if none did.
  """

  def __init__(self, budget: Budget):
    self._budget = budget
    self._cpu_deadline = time.thread_time() + budget.max_seconds
    self._wall_deadline = time.monotonic() + budget.max_wall_seconds
    self._glances = itertools.count()
    self.ticks = iter(range(budget.max_steps, 0, -1))
    self.stopped: str | None = None

  def tick(self) -> None:
    """Called for a line of the program; raises Spent."""
    left = next(self.ticks, 0)
    if not left & (_TICKS_BETWEEN_CLOCKS - 1):
      self.check(left)

  def glance(self) -> None:
    """Called for what is not a line of the program, such as a call of a library; raises Spent."""
    if not next(self._glances) & (_TICKS_BETWEEN_CLOCKS - 1):
      self.check()

  def check(self, left: int = 1) -> None:
    """Looks at the clocks; raises Spent."""
    if not left:
      self.stop(f"steps: more than {self._budget.max_steps}")
    if time.thread_time() > self._cpu_deadline:
      self.stop(f"time: more than {self._budget.max_seconds:g} seconds")
    if time.monotonic() > self._wall_deadline:
      self.stop(f"time: more than {self._budget.max_wall_seconds:g} seconds of waiting")

  def stop(self, reason: str) -> None:
    """Raises Spent, for which the watcher of the program throws Stop into it."""
    self.stopped = reason
    raise Spent
