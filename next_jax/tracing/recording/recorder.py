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

Two watchers tell what happens, `monitoring` from Python 3.12 on and `settrace`; what it means is decided in `frames`,
so both give the same trace.

Time, steps and size of values are bounded (`Budget`). The program may catch the exception that ends it; then it is
thrown again on the next line, until the program gives up. What no exception can end (a single
endless call into C) only a process limit can: `next_jax.execution` runs the recorder in a process that can be killed.
"""

from collections.abc import Callable
import dataclasses
import dis
import gc
import io
import sys
import types
from typing import Any
import warnings

from next_jax import schema
from next_jax.tracing import statements
from next_jax.tracing.recording import budgets
from next_jax.tracing.recording import frames
from next_jax.tracing.recording import jumps
from next_jax.tracing.recording import monitoring
from next_jax.tracing.recording import plans as plans_lib
from next_jax.tracing.recording import settrace
from next_jax.tracing.recording import texts

SETUP_FILE_NAME = "<setup>"
CALL_FILE_NAME = "<call>"
MODULE_NAME = "program"  # not "__main__": what a program does when it is the main one is not part of the call

_OUR_PACKAGES = (__package__, __package__.rpartition(".")[0])  # what our callbacks call: this room and what it shares
_RECURSION_MARGIN = 250  # frames that our own callbacks may need on top of the program's

Budget = budgets.Budget
TraceError = statements.TraceError
Watcher = settrace.Settrace | monitoring.Monitoring
WATCHERS = (monitoring.Monitoring, settrace.Settrace) if hasattr(sys, "monitoring") else (settrace.Settrace,)


def record(source: str, call: str, **options: Any) -> schema.Trace:
  """Runs the expression `call` of a program and records it; takes the options of `prepare`.

  What the program does wrong is the trace's outcome. Its output is dropped, its standard input is empty.

  Raises:
    TraceError: the source (then it is a statements.SourceError) or the setup code does not compile, or `call` is
      not an expression.
  """
  return prepare(source, call, **options)()


def prepare(
    source: str, call: str, *, setup_code: str = "", budget: Budget = Budget(),  # noqa: B008  frozen
    watcher: type[Watcher] | None = None,
    copy: types.CodeType | None = None,
) -> Callable[[], schema.Trace]:
  """Compiles everything and returns the function that runs `setup_code`, the source and `call`, and records the call.

  watcher: One of WATCHERS, which give the same traces; by default the first one that this Python has room for.
  copy: Code object of the module to run in place of the source; see `counted`, which has its own watcher.

  Raises:
    TraceError: as `record`.
  """
  layout = statements.analyse(source)
  if copy is not None:
    layout = dataclasses.replace(layout, code=copy)
  setup = None
  if setup_code:
    setup = _compile(setup_code, SETUP_FILE_NAME, "exec", "the setup code does not compile")
  expression = _compile(call.strip(), CALL_FILE_NAME, "eval", f"the call {call!r} is not a Python expression")
  if watcher is None:
    watcher = settrace.Settrace if monitoring.free_tool() is None else monitoring.Monitoring
  plans = plans_lib.plans(layout)
  watched = layout.codes if setup is None else (*layout.codes, *statements.codes_in(setup))
  codes = [(code, jumps.on_one_line(code)) for code in watched]
  return lambda: _Recording(layout, plans, codes, budget, watcher).run(call, setup, expression)


def _compile(source: str, file_name: str, mode: str, complaint: str) -> types.CodeType:
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # what Python would say of its style is not for our standard error
      return compile(source, file_name, mode, dont_inherit=True)
  except SyntaxError as error:
    raise TraceError(f"{complaint}: {error.msg} (line {error.lineno}); correct it") from None
  except (ValueError, RecursionError, MemoryError, OverflowError) as error:
    raise TraceError(f"{complaint}: {error}; correct it") from None


class _Sink(io.TextIOBase):
  """Standard output of the program: takes everything, keeps nothing."""

  def writable(self):
    return True

  def write(self, text):
    return len(text)


class _Recording:
  """One run of a program."""

  def __init__(
      self,
      layout: statements.Statements,
      plans: plans_lib.Plans,
      codes: monitoring.Codes,
      budget: Budget,
      watcher: type[Watcher],
  ):
    self._layout = layout
    self._budget = budget
    self._meter = budgets.Meter(budget)
    self._limit = sys.getrecursionlimit()
    self._follower = frames.Follower(layout, plans, budget, self._meter, self._limit - _stack_depth())
    self._watcher = watcher(self._follower, self._meter, _Recording._run.__code__, codes)

  def run(self, call: str, setup: types.CodeType | None, expression: types.CodeType) -> schema.Trace:
    collecting = gc.isenabled()
    gc.disable()  # a collection in between would cost more than the recording
    try:
      outcome, detail = self._run(setup, expression)
      steps = _steps(self._follower.entries)
    finally:
      if collecting:
        gc.enable()
    return schema.Trace(call=call, steps=steps, outcome=outcome, detail=detail)

  def _run(self, setup: types.CodeType | None, expression: types.CodeType) -> tuple[str, str]:
    """Runs everything; returns outcome and detail."""
    module = types.ModuleType(MODULE_NAME)
    namespace = module.__dict__
    old_module = sys.modules.get(MODULE_NAME)
    old_streams = sys.stdin, sys.stdout, sys.stderr
    result = error = None
    try:
      sys.setrecursionlimit(self._limit + _RECURSION_MARGIN)
      sys.stdin, sys.stdout, sys.stderr = io.StringIO(), _Sink(), _Sink()
      sys.modules[MODULE_NAME] = module  # dataclasses and typing look for it
      self._watcher.start()
      try:
        if setup is not None:
          exec(setup, namespace)
        exec(self._layout.code, namespace)
        self._follower.start(namespace)
        result = eval(expression, namespace)
      finally:
        self._watcher.stop()
    except BaseException as raised:  # whatever the program raises is its outcome
      error = raised
    finally:
      sys.stdin, sys.stdout, sys.stderr = old_streams
      sys.setrecursionlimit(self._limit)
      if old_module is None:
        sys.modules.pop(MODULE_NAME, None)
      else:
        sys.modules[MODULE_NAME] = old_module
    if error is not None and (_is_from_keyboard(error) or _is_ours(error)):
      raise error
    return self._outcome(result, error, self._watcher.is_lost)

  def _outcome(self, result: Any, error: BaseException | None, is_lost: bool) -> tuple[str, str]:
    if self._meter.stopped is not None:
      return "truncated", self._meter.stopped
    if is_lost:
      return "truncated", "the program ended the trace"
    width = self._budget.max_value_chars
    if error is not None:
      return "raised", texts.write_exception(error, width)
    return "returned", texts.write(result, width)


def _is_ours(error: BaseException) -> bool:
  """Whether it is a fault of our callbacks, which must not pass for the program's."""
  if issubclass(type(error), (RecursionError, MemoryError, budgets.Stop)):
    return False
  traceback = _innermost(error)
  module = None if traceback is None else traceback.tb_frame.f_globals
  return module is not None and module.get("__package__") in _OUR_PACKAGES and module is not globals()  # not the _Sink


def _innermost(error: BaseException) -> types.TracebackType | None:
  traceback = error.__traceback__
  while traceback is not None and traceback.tb_next is not None:
    traceback = traceback.tb_next
  return traceback


def _is_from_keyboard(error: BaseException) -> bool:
  """Tells a person's Ctrl-C from a program that raises KeyboardInterrupt, which is an outcome like any other."""
  if not issubclass(type(error), KeyboardInterrupt):
    return False
  traceback = _innermost(error)
  if traceback is None:
    return True
  return traceback.tb_frame.f_code.co_code[traceback.tb_lasti] != dis.opmap["RAISE_VARARGS"]


def _stack_depth() -> int:
  depth = 0
  frame: types.FrameType | None = sys._getframe(1)
  while frame is not None:
    depth += 1
    frame = frame.f_back
  return depth


def _steps(entries: list[frames.Entry]) -> tuple[schema.Step, ...]:
  """Steps at a third of the price of their constructor, which sets the fields of a frozen class one by one."""
  new, kind = object.__new__, schema.Step
  unchanged: dict[int, schema.Step] = {}  # by line
  steps = []
  for entry in entries:
    if isinstance(entry, int):
      step = unchanged.get(entry)
      if step is None:
        step = unchanged[entry] = schema.Step(line=entry, event="line")
    else:
      step = new(kind)
      fields = step.__dict__
      fields["line"], fields["event"], fields["changes"], fields["value"] = entry
    steps.append(step)
  return tuple(steps)
