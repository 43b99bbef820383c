"""The recorder: runs one call of a program and notes the states its variables go through.

The rules, by which the example of METHOD (Ni et al., NExT, arXiv 2404.14662, section 2) gets its numbers:

- Traced are the functions, methods and lambdas that the source defines, from the moment the call starts. The
  module's own body, comprehensions and libraries are not; `setup_code` is not.
- A call is a step on the `def` line with the arguments.
- A line that runs is a step when it is done: the variables of its frame that differ from the frame's previous state,
  and what it returned or yielded, or the exception it raised. Steps are numbered in the order in which they are done,
  so those of a called function come before that of the line which called it.
- A step that changes nothing has its number too, but nothing is written. A statement with a block is represented by
  the steps inside of it: its header line (`if`, `while`, `try`, `with`, `match`) is a step only when it changes
  something or when nothing inside of it ran. A `for` line is a step for each value it takes.
- `return` is written where there is a `return` statement or a lambda; a function that ends without one just has the
  state of its last line.
- An exception is written once, on the line that raised it; of the frames it passes on its way, only changed states.
- The names that `def`, `class` and `import` bind are not written; a deleted name is, as `<deleted>`, for `del` only.
- All physical lines of a statement count as its first line.

Time, steps and size of values are bounded (`Budget`). The program may catch the exception that ends it; then it is
thrown again on the next line, until the program gives up (`_Thrower`). What no exception can end (a single endless
call into C) only a process limit can: `next_jax.execution` runs the recorder in a process that can be killed.
"""

import ctypes
import dataclasses
import dis
import gc
import inspect
import io
import signal
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

from next_jax import schema
from next_jax.tracing import statements
from next_jax.tracing import values

SETUP_FILE_NAME = "<setup>"
CALL_FILE_NAME = "<call>"
DELETED = "<deleted>"

_RECURSION_MARGIN = 250  # frames that our own callbacks may need on top of the program's
_EVENTS_BETWEEN_CLOCKS = 64
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_RETURNS = frozenset(dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap)
_YIELDS = frozenset({dis.opmap["YIELD_VALUE"], dis.opmap["RESUME"]})  # 3.13 stands on the instruction after
# Where the end of an iterator is raised and caught by Python itself: `for`, `yield from`, `await`.
_ITERATIONS = frozenset(dis.opmap[name] for name in ("FOR_ITER", "SEND", "END_SEND") if name in dis.opmap)
_TOO_DEEP = "maximum recursion depth exceeded"
_MISSING = object()

TraceError = statements.TraceError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
  """Where a recording ends although the program does not; the trace is then "truncated".

  Attributes:
    max_steps: lines that run, whether or not anything changes.
    max_seconds: wall time, import of the module included.
    max_value_size: of a variable: bits of an int, characters of a text, items of a container, and 8 times as many bytes
      of the whole value.
    max_value_chars: of the text of one value. This one only shortens the text.
  """

  max_steps: int = 10_000
  max_seconds: float = 5.0
  max_value_size: int = 1_000_000
  max_value_chars: int = 200


def record(source: str, call: str, *, setup_code: str = "", budget: Budget = Budget()) -> schema.Trace:
  """Runs `setup_code`, the source and the expression `call`, and records the call.

  What the program does wrong is the trace's outcome. Its output is dropped, its standard input is empty.

  Raises:
    TraceError: the source (then it is a statements.SourceError) or the setup code does not compile, or `call` is
      not an expression.
  """
  layout = statements.analyse(source)
  setup = _compile(setup_code, SETUP_FILE_NAME, "exec", "the setup code does not compile")
  expression = _compile(call.strip(), CALL_FILE_NAME, "eval", f"the call {call!r} is not a Python expression")
  return _Recording(layout, budget).run(call, setup, expression)


def _compile(source: str, file_name: str, mode: str, complaint: str) -> types.CodeType | None:
  if not source and mode == "exec":
    return None
  try:
    return compile(source, file_name, mode, dont_inherit=True)
  except SyntaxError as error:
    raise TraceError(f"{complaint}: {error.msg} (line {error.lineno}); correct it") from None
  except (ValueError, RecursionError, MemoryError, OverflowError) as error:
    raise TraceError(f"{complaint}: {error}; correct it") from None


class _Stop(BaseException):
  """Thrown into the program when a budget is spent."""


class _Enough(Exception):
  """Ends our own callback when a budget is spent."""


class _Thrower:
  """A trace function that throws into the program at its next event.

  Python takes a trace function away when it raises, and the program may catch what it raised and run on unwatched.
  A trace function of the C API may raise again and again (`PyEval_SetTrace`: -1 raises, the function stays). This is
  `PyObject_DelItem`, a C function whose parameters begin like those of a trace function: it calls `__delitem__` of
  the object it was installed with. So the next line, call or return of the program raises, in a handler as well, and
  each throw leaves at least one `try` behind.
  """

  def __init__(self, make: Callable[[], BaseException], ours: types.CodeType, then: Callable | None = None):
    """Throws `make()`, at every event or, when `then` is given, once before `then` is the trace function again.

    ours: code of the frame that started the program, which gets no exception.
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


class _Sink(io.TextIOBase):
  """Standard output of the program: takes everything, keeps nothing."""

  def writable(self):
    return True

  def write(self, text):
    return len(text)


class _Recording:
  """One run. `local functions` as trace functions, one for each frame, keep the frame's state in their closure."""

  def __init__(self, layout: statements.Statements, budget: Budget):
    self._layout = layout
    self._budget = budget
    self._steps: list[tuple[int, str, tuple, str | None]] = []
    self._recording = False  # False while the module is imported
    self._events_left = budget.max_steps
    self._deadline = time.monotonic() + budget.max_seconds
    self._stopped: str | None = None
    self._depth = 0
    self._max_depth = 0
    self._interrupted = False
    self._trace_function: Callable | None = None
    self._plans: dict[types.CodeType, tuple | None] = {}

  def run(self, call: str, setup: types.CodeType | None, expression: types.CodeType) -> schema.Trace:
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    limit = sys.getrecursionlimit()
    self._max_depth = limit - _stack_depth()
    old_trace, old_streams = sys.gettrace(), (sys.stdin, sys.stdout, sys.stderr)
    collecting = gc.isenabled()
    result = error = None
    lost = False
    trace = self._trace_function = self._trace
    catches_interrupts = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    try:
      gc.disable()
      if catches_interrupts:
        signal.signal(signal.SIGINT, self._interrupt)
      sys.setrecursionlimit(limit + _RECURSION_MARGIN)
      sys.stdin, sys.stdout, sys.stderr = io.StringIO(), _Sink(), _Sink()
      sys.settrace(trace)
      try:
        if setup is not None:
          exec(setup, namespace)
        exec(self._layout.code, namespace)
        self._recording = True
        result = eval(expression, namespace)
      finally:
        lost = sys.gettrace() is not trace
        sys.settrace(old_trace)
    except BaseException as raised:  # whatever the program raises is its outcome
      error = raised
    finally:
      sys.settrace(old_trace)
      sys.stdin, sys.stdout, sys.stderr = old_streams
      sys.setrecursionlimit(limit)
      if collecting:
        gc.enable()
      if catches_interrupts:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if self._interrupted:
      raise KeyboardInterrupt
    outcome, detail = self._outcome(result, error, lost)
    return schema.Trace(call=call, steps=_make_steps(self._steps), outcome=outcome, detail=detail)

  def _interrupt(self, number: int, frame: types.FrameType | None) -> None:
    """Tells a person's Ctrl-C from a program that raises KeyboardInterrupt, which is an outcome like others."""
    self._interrupted = True
    raise KeyboardInterrupt

  def _outcome(self, result: Any, error: BaseException | None, lost: bool) -> tuple[str, str]:
    if self._stopped is not None:
      return "truncated", self._stopped
    if lost and not isinstance(error, RecursionError):
      return "truncated", "the program ended the trace"
    width = self._budget.max_value_chars
    if error is not None:
      return "raised", values.write_exception(error, width)
    return "returned", values.write(result, width)

  # -- budgets --

  def _stop(self, reason: str) -> None:
    """Ends the callback that calls it, and the program at its next event."""
    self._stopped = reason
    _Thrower(_Stop, _Recording.run.__code__).install()
    raise _Enough

  def _tick(self) -> None:
    """Called for every line; stops when steps or time are spent."""
    self._events_left -= 1
    left = self._events_left
    if left < 0:
      self._stop(f"steps: more than {self._budget.max_steps}")
    if not left % _EVENTS_BETWEEN_CLOCKS:
      self._check_time()

  def _check_time(self) -> None:
    if time.monotonic() > self._deadline:
      self._stop(f"time: more than {self._budget.max_seconds:g} seconds")

  # -- trace functions --

  def _trace(self, frame: types.FrameType, event: str, arg: Any) -> Callable | None:
    """The global trace function: a frame starts or a generator's goes on."""
    try:
      return self._enter(frame)
    except _Enough:
      return None

  def _enter(self, frame: types.FrameType) -> Callable | None:
    code = frame.f_code
    file_name = code.co_filename
    if file_name != statements.FILE_NAME:
      if file_name != SETUP_FILE_NAME:
        self._check_time()
        return None
      return self._watch
    if not self._recording:
      return self._watch
    try:
      plan = self._plans[code]
    except KeyError:
      plan = self._plans[code] = self._plan(code)
    if plan is None:
      return self._watch
    self._tick()
    if self._depth >= self._max_depth:
      self._overflow(frame)
      return None
    self._depth += 1
    known = frame.f_trace
    if known is not None and plan[2]:
      return known
    return self._follow(frame, code, plan)

  def _overflow(self, frame: types.FrameType) -> None:
    """The RecursionError that Python would raise here, had we not moved its limit for our own callbacks."""
    caller = frame.f_back
    if caller is not None and caller.f_code.co_filename == statements.FILE_NAME:
      line = self._layout.first[caller.f_lineno]
      self._steps.append((line, "exception", (), f"RecursionError: {_TOO_DEEP}"))
    _Thrower(lambda: RecursionError(_TOO_DEEP), _Recording.run.__code__, self._trace_function).install()

  def _watch(self, frame: types.FrameType, event: str, arg: Any) -> Callable:
    """Local trace function of what is not recorded but must end too."""
    if event == "line":
      try:
        self._tick()
      except _Enough:
        pass
    return self._watch

  def _plan(self, code: types.CodeType) -> tuple[int, tuple[str, ...], bool, bool] | None:
    """(def line, arguments, is generator, is coroutine) of a function to follow; None for other code."""
    if not code.co_flags & inspect.CO_OPTIMIZED or code.co_name in _COMPREHENSIONS:
      return None
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    line = self._layout.defined.get((code.co_name, code.co_firstlineno))
    if line is None:
      line = self._layout.first[code.co_firstlineno]
    suspends = code.co_flags & (_GENERATOR | inspect.CO_COROUTINE)
    return line, code.co_varnames[:count], bool(suspends), bool(code.co_flags & inspect.CO_COROUTINE)

  def _follow(self, frame: types.FrameType, code: types.CodeType, plan: tuple) -> Callable:
    """Writes the call's step and returns the frame's own trace function."""
    def_line, arguments, suspends, is_coroutine = plan
    layout, steps, budget = self._layout, self._steps, self._budget
    first, flags, end = layout.first, layout.flags, layout.end
    max_size, width = budget.max_value_size, budget.max_value_chars
    atoms, fingerprint, write = values.ATOMS, values.fingerprint, values.write
    is_lambda = code.co_name == "<lambda>"
    seen: dict[str, Any] = {}  # variable -> fingerprint
    current = 0  # line of the statement that is running
    start = 0  # its first instruction
    previous = 0  # line of the statement before it
    raised: tuple[str | None, bool] | None = None  # exception in flight: text, whether it started here
    resumed = False

    def changes(here: types.FrameType, line: int) -> list[tuple[str, str]]:
      """What differs from the last time."""
      found = []
      flag = flags[line]
      variables = here.f_locals
      for name, value in variables.items():
        old = seen.get(name, _MISSING)
        if value is old:
          continue
        kind = type(value)
        if kind in atoms:
          if type(old) is kind and old == value:
            continue
          if (kind is int or kind is str) and values.is_larger(value, max_size):
            self._stop(f"value size: {name!r} has more than {max_size} {'bits' if kind is int else 'characters'}")
          seen[name] = value
        else:
          if values.is_larger(value, max_size):
            self._stop(f"value size: {name!r} has more than {max_size} items")
          new = fingerprint(value)
          if type(old) is type(new) and old == new:
            continue
          if type(new) is bytes and len(new) > 8 * max_size:
            self._stop(f"value size: {name!r} has more than {8 * max_size} bytes")
          seen[name] = new
        if not flag & statements.DEFINES:
          found.append((name, write(value, width)))
      if len(variables) < len(seen):
        for name in [name for name in seen if name not in variables]:
          del seen[name]
          if flag & statements.DELETES:
            found.append((name, DELETED))
      if len(found) > 1:  # in order of first assignment: that of f_locals depends on the version of Python
        order = {name: i for i, name in enumerate(seen)}
        found.sort(key=lambda change: order.get(change[0], -1))
      return found

    def finish(here: types.FrameType, following: int) -> None:
      """The statement on `current` is done; `following` is the line that runs next."""
      nonlocal raised, resumed
      line = current
      found = changes(here, line)
      if raised is not None:
        text, is_ours = raised
        raised = None
        if is_ours:
          steps.append((line, "exception", tuple(found), text))
          return
      if not found:
        if resumed:
          resumed = False
          return
        flag = flags[line]
        if flag & statements.HEADER:
          if line < following <= end[line]:
            if not flag & statements.BINDS:
              return  # what runs inside stands for it
          elif flag & statements.RETURNS_HERE and line < previous <= end[line]:
            return  # the block is done
      resumed = False
      steps.append((line, "line", tuple(found), None))

    def on_event(here: types.FrameType, event: str, arg: Any) -> Callable | None:
      nonlocal current, start, previous, raised, resumed
      if event == "line":
        line = first[here.f_lineno]
        at = here.f_lasti
        if line == current and at > start and raised is None and not flags[line] & statements.ONE_LINE_LOOP:
          self._tick()
          return local  # another line, or a round of a comprehension, of the same statement
        self._tick()
        if current:
          finish(here, line)
          previous = current
        current, start = line, at
      elif event == "return":
        self._depth -= 1
        line = current or def_line
        if arg is None and raised is not None and code.co_code[here.f_lasti] not in _RETURNS:
          text, is_ours = raised
          found = tuple(changes(here, line))
          if is_ours:
            steps.append((line, "exception", found, text))
          elif found and text is not None:
            steps.append((line, "line", found, None))
          return None
        raised = None
        if suspends and code.co_code[here.f_lasti] in _YIELDS:
          found = tuple(changes(here, line))
          if not is_coroutine:
            steps.append((line, "yield", found, write(arg, width)))
          elif found:
            steps.append((line, "line", found, None))
          resumed = True
          return local
        found = tuple(changes(here, line))
        is_explicit = arg is not None or is_lambda or flags[line] & statements.RETURN
        steps.append((line, "return", found, write(arg, width) if is_explicit else None))
      elif event == "exception":
        raised = self._raised(arg, here)
      return local

    def local(here: types.FrameType, event: str, arg: Any) -> Callable | None:
      try:
        return on_event(here, event, arg)
      except _Enough:
        return None

    if arguments:
      variables = frame.f_locals
      found = []
      for name in arguments:
        if name in variables:
          value = variables[name]
          seen[name] = fingerprint(value)
          found.append((name, write(value, width)))
      steps.append((def_line, "call", tuple(found), None))
    else:
      variables = frame.f_locals
      steps.append((def_line, "call", (), None))
    for name in code.co_freevars:  # what encloses the function is not news
      if name in variables:
        seen[name] = fingerprint(variables[name])
    for name in code.co_cellvars:
      if name in variables and name not in seen:
        seen[name] = fingerprint(variables[name])
    return local

  def _raised(self, arg: tuple, frame: types.FrameType) -> tuple[str | None, bool]:
    """Text of an exception, and whether it is to be written here: no followed frame below this one has shown it.

    The text is None for the end of a generator that is thrown away.
    """
    _, error, below = arg
    if not isinstance(error, BaseException):  # 3.11 may give the bare message
      error = arg[0](error) if error is not None else arg[0]()
    while below is not None and below.tb_frame is not frame:
      below = below.tb_next
    below = below.tb_next if below is not None else None
    while below is not None:
      code = below.tb_frame.f_code
      if code.co_filename == statements.FILE_NAME and self._plans.get(code) is not None:
        return "", False
      below = below.tb_next
    if isinstance(error, GeneratorExit):  # a generator is closed: the program raised nothing
      return None, False
    if isinstance(error, StopIteration) and frame.f_code.co_code[frame.f_lasti] in _ITERATIONS:
      return "", False
    return values.write_exception(error, self._budget.max_value_chars), True


def _stack_depth() -> int:
  depth = 0
  frame = sys._getframe(1)
  while frame is not None:
    depth += 1
    frame = frame.f_back
  return depth


def _make_steps(steps: list[tuple[int, str, tuple, str | None]]) -> tuple[schema.Step, ...]:
  return tuple(schema.Step(line=line, event=event, changes=found, value=value) for line, event, found, value in steps)
