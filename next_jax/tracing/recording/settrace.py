"""Watches a program with `sys.settrace`, for Python before 3.12; later versions use `monitoring`.

While it watches, `sys.settrace` and `sys.gettrace` are stand-ins, so that a program that traces itself neither ends our
watching nor notices it: its trace functions are called by ours.
"""

from __future__ import annotations  # those of closures would be evaluated for each recording, or even each call

from collections.abc import Callable
import ctypes
import dis
import functools
import inspect
import sys
import types
from typing import Any

from next_jax.tracing.recording import budgets
from next_jax.tracing.recording import frames
from next_jax.tracing.recording import monitoring

_RETURNS = frozenset(dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap)
_YIELDS = frozenset({dis.opmap["YIELD_VALUE"], dis.opmap["RESUME"]})  # 3.13 stands on the instruction after
_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Settrace:
  """The trace functions of one recording.

  Attributes:
    is_lost: Whether the program ended the watching. Only C code can.
  """
  def __init__(
      self, follower: frames.Follower, meter: budgets.Meter, ours: types.CodeType, codes: monitoring.Codes
  ):
    """
    ours: Code of the frame that runs the program.
    codes: Code objects to watch: those of the program, and those that are not followed but must end.
    """
    self._follower, self._meter, self._ours = follower, meter, ours
    self._codes = frozenset([id(code) for code, _ in codes])
    self._theirs: list[Callable | None] = [None]  # the program's own trace function
    self._trace_function = self._make_trace()
    self.is_lost = False

  def start(self) -> None:
    self._settrace, self._gettrace, self._old = sys.settrace, sys.gettrace, sys.gettrace()
    # C functions, as those for which they stand: no call of them is seen.
    sys.settrace = functools.partial(self._theirs.__setitem__, 0)
    sys.gettrace = functools.partial(self._theirs.__getitem__, 0)
    self._settrace(self._trace_function)

  def stop(self) -> None:
    """May be called again."""
    self.is_lost |= self._gettrace() is not self._trace_function
    self._settrace(self._old)
    sys.settrace, sys.gettrace = self._settrace, self._gettrace

  def _make_trace(self) -> Callable:
    """The global trace function: a frame begins or a generator goes on. A closure, as are those of the frames."""
    codes, ran, theirs, glance = self._codes, self._follower.ran, self._theirs, self._meter.glance
    begin, go_on, visit = self._follower.begin, self._follower.go_on, self._follower.visit
    fail, leave = self._follower.fail, self._follower.leave

    def trace(frame: types.FrameType, event: str, arg: Any) -> Callable | None:
      code = frame.f_code
      local = None
      try:
        if id(code) not in codes:
          glance()
        else:
          ran[0] += 1
          local = frame.f_trace
          if local is not None and code.co_flags & _SUSPENDS:
            local(frame, "call", None)
          else:
            local = follow(begin(frame), code)
      except budgets.Spent:
        self._end()
        return None
      except frames.TooDeep:
        _Thrower(RecursionError(frames.TOO_DEEP), self._ours, self._settrace, self._trace_function).install()
        return None
      return local if theirs[0] is None else self._both(frame, local)

    def follow(call: frames.Call, code: types.CodeType) -> Callable:
      """The trace function of one frame."""
      suspends = code.co_flags & _SUSPENDS
      is_failing = False

      def local(here: types.FrameType, event: str, arg: Any) -> Callable | None:
        nonlocal is_failing
        try:
          if event == "line":
            is_failing = False
            visit(call, here, here.f_lineno)
          elif event == "return":
            way = frames.RETURN
            if suspends or arg is None:
              opcode = code.co_code[here.f_lasti]
              if is_failing and arg is None and opcode not in _RETURNS:
                way = frames.UNWIND
              elif suspends and opcode in _YIELDS:
                way = frames.YIELD
            is_failing = False
            leave(call, here, way, arg)
          elif event == "exception":
            is_failing = True
            fail(call, here, arg[1], arg[2])
          elif event == "call":
            go_on(call)
          return local
        except budgets.Spent:
          self._end()
          return None

      return local

    return trace

  def _both(self, frame: types.FrameType, ours: Callable | None) -> Callable | None:
    """Calls our trace function of a frame and the program's."""
    theirs = self._theirs[0]

    def trace(here: types.FrameType, event: str, arg: Any) -> Callable:
      nonlocal theirs
      if ours is not None and not (event == "call" and here is not frame):
        ours(here, event, arg)
      if theirs is not None and self._meter.stopped is None:
        try:
          theirs = theirs(here, event, arg)
        except BaseException as error:  # it belongs to the program, which has no trace function from now on
          theirs = self._theirs[0] = None
          _Thrower(error, self._ours, self._settrace, self._trace_function).install()
      return trace

    trace_call, ours_of_call = trace, ours
    ours = None  # the call itself was seen
    trace_call(frame, "call", None)
    ours = ours_of_call
    return trace

  def _end(self) -> None:
    _Thrower(None, self._ours, self._settrace).install()


class _Thrower:
  """A trace function that throws into the program at its next event.

  Python takes a trace function away when it raises, and the program may catch what it raised and run on unwatched.
  A trace function of the C API may raise again and again (`PyEval_SetTrace`: -1 raises, the function stays). This is
  `PyObject_DelItem`, a C function whose parameters begin like those of a trace function: it calls `__delitem__` of
  the object it was installed with. So the next line, call or return of the program raises, in a handler as well, and
  each throw leaves at least one `try` behind.
  """

  def __init__(
      self, error: BaseException | None, ours: types.CodeType, settrace: Callable, then: Callable | None = None
  ):
    """Throws `error` once, after which `then` is the trace function, or Stop at every event.

    ours: code of the frame that runs the program; it gets no exception, and with it the throwing ends.
    settrace: the real one.
    """
    self._error, self._ours, self._settrace, self._then = error, ours, settrace, then

  def install(self) -> None:
    ctypes.pythonapi.PyEval_SetTrace(
        ctypes.cast(ctypes.pythonapi.PyObject_DelItem, ctypes.c_void_p), ctypes.py_object(self)
    )

  def __delitem__(self, frame: types.FrameType) -> None:
    if frame.f_code is self._ours:
      self._settrace(None)
      return
    if self._error is None:
      raise budgets.Stop
    self._settrace(self._then)
    raise self._error
