"""Watches a program with `sys.monitoring` (PEP 669, Python 3.12 and later).

Only the program's own code objects have line events, so libraries run at their own speed, and no trace function of
the program's, or of a debugger, gets in the way. A callback learns no frame, so this keeps the stack of the frames that
begin, pause, go on and end.

Callbacks are called in every thread. As with `settrace`, only the thread that records is followed; the others are
looked for from the moment at which one of them runs code of the program.
"""

from __future__ import annotations  # those of closures would be evaluated for each recording, or even each call

import _thread
from collections.abc import Callable
import sys
import types
from typing import Any

from next_jax.tracing.recording import budgets
from next_jax.tracing.recording import frames

_NAME = "next_jax.tracing"
_TOOLS = (4, 3, 2, 1, 0, 5)  # those that Python gives no meaning first

_MONITORING: Any = getattr(sys, "monitoring", None)  # None before Python 3.12

if _MONITORING is not None:
  _E = _MONITORING.events
  _EVERYWHERE = _E.PY_THROW | _E.PY_UNWIND | _E.RAISE  # these know no single code objects
  _IN_THE_PROGRAM = _E.PY_START | _E.LINE | _E.PY_RETURN | _E.PY_YIELD | _E.PY_RESUME

Codes = list[tuple[types.CodeType, dict[int, int]]]  # each with its `jumps.on_one_line`


def free_tool() -> int | None:
  """Number of a monitoring tool that nobody uses; None where there is none, and before Python 3.12."""
  if _MONITORING is not None:
    for tool in _TOOLS:
      if _MONITORING.get_tool(tool) is None:
        return tool
  return None


class Monitoring:
  """The callbacks of one recording.

  Attributes:
    is_lost: Whether the program ended the watching.
  """

  def __init__(
      self, follower: frames.Follower, meter: budgets.Meter, ours: types.CodeType, codes: Codes
  ):
    """
    ours: code of the frame that runs the program.
    codes: what is watched: of the program, and what is not followed but must end.

    Raises:
      RuntimeError: other tools hold all numbers.
    """
    self._follower, self._meter, self._ours, self._codes = follower, meter, ours, codes
    tool = free_tool()
    if tool is None:
      raise RuntimeError("sys.monitoring has no tool number left")
    self._tool = tool
    self._callbacks: dict[int, Callable] = {}  # by event
    self._thread = _thread.get_ident()
    self._levels = [1]  # from a callback up to the frame that the event is about
    self.is_lost = False

  def start(self) -> None:
    self._old = sys.gettrace()
    if self._old is not None:
      sys.settrace(None)
    _MONITORING.use_tool_id(self._tool, _NAME)
    self._callbacks = self._make_callbacks()
    for event, callback in self._callbacks.items():
      _MONITORING.register_callback(self._tool, event, callback)
    _MONITORING.set_events(self._tool, _EVERYWHERE)
    for code, on_one_line in self._codes:
      events = _IN_THE_PROGRAM | _E.JUMP if on_one_line else _IN_THE_PROGRAM
      _MONITORING.set_local_events(self._tool, code, events)

  def stop(self) -> None:
    """May be called again."""
    monitoring, tool = _MONITORING, self._tool
    if monitoring.get_tool(tool) != _NAME:
      self.is_lost |= bool(self._callbacks)
    else:
      monitoring.set_events(tool, 0)
      for code, _ in self._codes:
        monitoring.set_local_events(tool, code, 0)
      for event in self._callbacks:
        monitoring.register_callback(tool, event, None)
      monitoring.free_tool_id(tool)
    self._callbacks = {}
    if sys.gettrace() is not self._old:
      sys.settrace(self._old)

  def _make_callbacks(self) -> dict[int, Callable]:
    """Closures: their variables, such as the frame that runs, are the fastest state that Python has."""
    follower, ran = self._follower, self._follower.ran
    begin, go_on, visit, fail, leave = follower.begin, follower.go_on, follower.visit, follower.fail, follower.leave
    get_frame, get_thread, thread = sys._getframe, _thread.get_ident, self._thread
    get_traceback = BaseException.__dict__["__traceback__"].__get__
    jumps_of = {id(code): on_one_line for code, on_one_line in self._codes}
    disable, spent, throw, levels = _MONITORING.DISABLE, budgets.Spent, self._throw, self._levels
    stack: list[tuple[types.FrameType | None, frames.Call | None]] = []
    paused: dict[types.FrameType, frames.Call] = {}
    top: Any = None  # the frame of the program that runs; never None where a line, return or yield is reported
    call: Any = None  # the frames.Call of `top`
    jumped = -1  # where a line begins that was visited already

    def on_start(code: types.CodeType, offset: int) -> None:
      nonlocal top, call
      if get_thread() != thread:
        self._tell_threads_apart()
        return
      ran[0] += 1
      frame = get_frame(levels[0])
      try:
        new = begin(frame)
      except spent:
        throw()
      except frames.TooDeep:
        raise RecursionError(frames.TOO_DEEP) from None
      stack.append((top, call))
      top, call = frame, new

    def on_resume(code: types.CodeType, offset: int, error: BaseException | None = None) -> None:
      nonlocal top, call
      if id(code) not in jumps_of:
        return
      if get_thread() != thread:
        self._tell_threads_apart()
        return
      ran[0] += 1
      frame = get_frame(levels[0])
      new: Any = frame.f_trace
      if type(new) is frames.Call:
        frame.f_trace = None
      else:
        new = paused.pop(frame, frames.UNSEEN)
      stack.append((top, call))
      top, call = frame, new
      try:
        go_on(new)
      except spent:
        throw()

    def on_line(code: types.CodeType, line: int) -> None:
      nonlocal jumped
      if jumped >= 0:
        at, jumped = jumped, -1
        if top.f_lasti == at:
          return
      try:
        visit(call, top, line)
      except spent:
        throw()

    def on_jump(code: types.CodeType, offset: int, target: int) -> Any:
      """A jump back within a line: a round of a loop on one line, for which there may be no line event."""
      nonlocal jumped
      line = jumps_of[id(code)].get(offset)
      if line is None:
        return disable
      jumped = target
      try:
        visit(call, top, line)
      except spent:
        throw()

    def on_return(code: types.CodeType, offset: int, value: Any) -> None:
      nonlocal top, call
      try:
        leave(call, top, frames.RETURN, value)
      except spent:
        throw()
      finally:
        top, call = stack.pop()

    def on_yield(code: types.CodeType, offset: int, value: Any) -> None:
      nonlocal top, call
      try:
        leave(call, top, frames.YIELD, value)
      except spent:
        throw()
      finally:
        if top.f_trace is None:  # where it lives as long as the frame and no longer
          top.f_trace = call
        else:  # the program traces itself
          paused[top] = call
        top, call = stack.pop()

    def on_raise(code: types.CodeType, offset: int, error: BaseException) -> None:
      if top is not None and code is top.f_code and get_frame(levels[0]) is top:
        fail(call, top, error, get_traceback(error))

    def on_unwind(code: types.CodeType, offset: int, error: BaseException) -> None:
      nonlocal top, call
      if top is not None and code is top.f_code and get_frame(levels[0]) is top:
        try:
          leave(call, top, frames.UNWIND, None)
        except spent:
          throw()
        finally:
          top, call = stack.pop()

    events = _MONITORING.events
    return {
        events.PY_START: on_start, events.PY_RESUME: on_resume, events.PY_THROW: on_resume, events.LINE: on_line,
        events.JUMP: on_jump, events.PY_RETURN: on_return, events.PY_YIELD: on_yield, events.RAISE: on_raise,
        events.PY_UNWIND: on_unwind,
    }

  def _tell_threads_apart(self) -> None:
    """From now on the callbacks look which thread calls them, which most programs need not pay for."""
    if self._levels[0] == 2:
      return
    self._levels[0] = 2
    get_thread, thread = _thread.get_ident, self._thread
    for event, callback in self._callbacks.items():
      def in_our_thread(*arguments: Any, callback: Callable = callback) -> Any:
        return callback(*arguments) if get_thread() == thread else None

      _MONITORING.register_callback(self._tool, event, in_our_thread)

  def _throw(self) -> None:
    """Throws Stop, and again at every event: the program may catch it."""
    get_frame, get_thread, thread, ours = sys._getframe, _thread.get_ident, self._thread, self._ours

    def on_any(code: types.CodeType, *_: Any) -> None:
      if get_thread() == thread and getattr(get_frame(1).f_back, "f_code", None) is not ours:
        raise budgets.Stop

    events = _MONITORING.events
    for event in self._callbacks:
      is_end = event == events.RAISE or event == events.PY_UNWIND
      _MONITORING.register_callback(self._tool, event, None if is_end else on_any)
    raise budgets.Stop
