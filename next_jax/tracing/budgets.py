"""Budgets: where a recording ends although the program does not, and how to make the program end then."""

import ctypes
import dataclasses
import itertools
import sys
import time
import types
from collections.abc import Callable

_TICKS_BETWEEN_CLOCKS = 64  # a power of two


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
  """Where a recording ends although the program does not; the trace is then "truncated".

  Attributes:
    max_steps: lines that run, calls and returns, whether or not anything changes.
    max_seconds: CPU time of the thread, import of the module included, so that a busy machine does not change the
      trace.
    max_wall_seconds: for programs that wait.
    max_value_size: of a variable: bits of an int, characters of a text, items of a container, and 8 times as many bytes
      of the whole value.
    max_value_chars: of the text of one value. This one only shortens the text.
  """

  max_steps: int = 10_000
  max_seconds: float = 5.0
  max_wall_seconds: float = 60.0
  max_value_size: int = 1_000_000
  max_value_chars: int = 200


class Stop(BaseException):
  """Thrown into the program when a budget is spent."""


class Spent(Exception):
  """Ends our own callback when a budget is spent; the program gets its Stop at the next event."""


class Meter:
  """Counts what a recording uses.

  Attributes:
    ticks: gives how many lines are left. `next(ticks, 0)` for every line, and `check` when its last 6 bits are 0, is
      what the callbacks do themselves, because they are called for every line.
    stopped: which budget ended the recording, in words; None as long as none did.
  """

  def __init__(self, budget: Budget, ours: types.CodeType):
    """ours: code of the frame that runs the program."""
    self._budget = budget
    self._ours = ours
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
    """Ends the callback that calls this with Spent, and the program with Stop."""
    self.stopped = reason
    Thrower(Stop, self._ours).install()
    raise Spent


class Thrower:
  """A trace function that throws into the program at its next event.

  Python takes a trace function away when it raises, and the program may catch what it raised and run on unwatched.
  A trace function of the C API may raise again and again (`PyEval_SetTrace`: -1 raises, the function stays). This is
  `PyObject_DelItem`, a C function whose parameters begin like those of a trace function: it calls `__delitem__` of
  the object it was installed with. So the next line, call or return of the program raises, in a handler as well, and
  each throw leaves at least one `try` behind.
  """

  def __init__(self, make: Callable[[], BaseException], ours: types.CodeType, then: Callable | None = None):
    """Throws `make()`, at every event or, when `then` is given, once before `then` is the trace function again.

    ours: code of the frame that runs the program; it gets no exception, and with it the throwing ends.
    """
    self._make, self._ours, self._then = make, ours, then

  def install(self) -> None:
    ctypes.pythonapi.PyEval_SetTrace(
        ctypes.cast(ctypes.pythonapi.PyObject_DelItem, ctypes.c_void_p), ctypes.py_object(self)
    )

  def __delitem__(self, frame: types.FrameType) -> None:
    if frame.f_code is self._ours:
      sys.settrace(None)
      return
    if self._then is not None:
      sys.settrace(self._then)
    raise self._make()
