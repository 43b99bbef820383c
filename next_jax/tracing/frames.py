"""Frames: a trace function for one call of a function, which keeps what the call's variables were."""

import dataclasses
import dis
import inspect
import marshal
import types
from collections.abc import Callable
from typing import Any

from next_jax.tracing import budgets
from next_jax.tracing import reading
from next_jax.tracing import statements
from next_jax.tracing import texts
from next_jax.tracing import values

DELETED = "<deleted>"

_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_RETURNS = frozenset(dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap)
_YIELDS = frozenset({dis.opmap["YIELD_VALUE"], dis.opmap["RESUME"]})  # 3.13 stands on the instruction after
# Where the end of an iterator is raised and caught by Python itself: `for`, `yield from`, `await`.
_ITERATIONS = frozenset(dis.opmap[name] for name in ("FOR_ITER", "SEND", "END_SEND") if name in dis.opmap)
_MISSING = object()

# (line, event, changes, value) of a step
Entry = tuple[int, str, tuple[tuple[str, str], ...], str | None]


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is known of a function before it is called.

  Attributes:
    line: its `def` line.
    arguments: their names.
    shared: names that it shares with functions around it or inside of it.
  """

  line: int
  arguments: tuple[str, ...]
  shared: tuple[str, ...]
  is_lambda: bool
  is_coroutine: bool
  suspends: bool


def plan(code: types.CodeType, layout: statements.Statements) -> Plan | None:
  """None for code that is not followed: class bodies and comprehensions, which belong to their statement."""
  if not code.co_flags & inspect.CO_OPTIMIZED or code.co_name in _COMPREHENSIONS:
    return None
  count = code.co_argcount + code.co_kwonlyargcount
  count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
  line = layout.defined.get((code.co_name, code.co_firstlineno))
  return Plan(
      line=layout.first[code.co_firstlineno] if line is None else line,
      arguments=code.co_varnames[:count],
      shared=code.co_freevars + code.co_cellvars,
      is_lambda=code.co_name == "<lambda>",
      is_coroutine=bool(code.co_flags & inspect.CO_COROUTINE),
      suspends=bool(code.co_flags & (_GENERATOR | inspect.CO_COROUTINE)),
  )


class Follower:
  """Makes the trace functions of one recording's frames; they append to `entries`.

  Attributes:
    entries: the steps so far.
    depth: how many followed frames are on the stack.
  """

  def __init__(self, layout: statements.Statements, budget: budgets.Budget, meter: budgets.Meter):
    self._layout = layout
    self._budget = budget
    self._meter = meter
    self._plans: dict[types.CodeType, Plan | None] = {}
    self.entries: list[Entry] = []
    self.depth = 0

  def plan(self, code: types.CodeType) -> Plan | None:
    try:
      return self._plans[code]
    except KeyError:
      self._plans[code] = made = plan(code, self._layout)
      return made

  def follow(self, frame: types.FrameType, how: Plan) -> Callable:
    """Writes the step of the call and returns the frame's own trace function.

    A closure rather than an object: its variables are the fastest state that Python has.
    """
    meter, entries, code, def_line = self._meter, self.entries, frame.f_code, how.line
    ticks, check, note = meter.ticks, meter.check, entries.append
    first, flags, end = self._layout.first, self._layout.flags, self._layout.end
    max_size, width = self._budget.max_value_size, self._budget.max_value_chars
    atoms, containers, is_flat, dumps = values.ATOMS, reading.SEQUENCES, values.FLAT.issuperset, marshal.dumps
    fingerprint, write, missing = values.fingerprint, texts.write, _MISSING
    seen: dict[str, Any] = {}  # variable -> fingerprint
    current = 0  # line of the statement that is running
    start = 0  # its first instruction
    previous = 0  # line of the statement before it
    raised: tuple[str | None, bool] | None = None  # the exception in flight: its text, whether to write it here
    resumed = False  # whether the statement went on after a `yield`

    def changes(here: types.FrameType, line: int) -> tuple[tuple[str, str], ...]:
      """What differs from the last time."""
      found = []
      variables = here.f_locals
      for name, value in variables.items():
        old = seen.get(name, missing)
        if value is old:
          continue
        kind = type(value)
        if kind in atoms:
          if old == value and type(old) is kind:
            continue
          new = value
        else:
          if kind in containers and is_flat(map(type, value)):
            new = dumps(value, 2)
          else:
            new = fingerprint(value)
          if old == new:
            continue
        if values.is_larger(value, new, max_size):
          meter.stop(f"value size: {name!r} has more than {max_size} {values.unit(value)}")
        seen[name] = new
        found.append((name, write(value, width, new)))
      if len(variables) < len(seen):
        for name in [name for name in seen if name not in variables]:
          del seen[name]
          if flags[line] & statements.DELETES:
            found.append((name, DELETED))
      if not found or flags[line] & statements.DEFINES:
        return ()
      if len(found) > 1:  # in order of first assignment: that of f_locals depends on the version of Python
        order = {name: i for i, name in enumerate(seen)}
        found.sort(key=lambda change: order.get(change[0], -1))
      return tuple(found)

    def is_represented(line: int, following: int) -> bool:
      """Whether other steps stand for a header that changed nothing; `following` is the line that runs next."""
      if line < following <= end[line]:
        return not flags[line] & statements.BINDS
      return bool(flags[line] & statements.RETURNS_HERE) and line < previous <= end[line]

    def trace_line(here: types.FrameType, event: str, arg: Any) -> Callable | None:
      nonlocal current, start, previous, raised, resumed
      try:
        left = next(ticks, 0)
        if not left & 63:
          check(left)
        if event != "line":
          return trace_other(here, event, arg)
        line = first[here.f_lineno]
        at = here.f_lasti
        if line == current and at > start and raised is None and not flags[line] & statements.ONE_LINE_LOOP:
          return trace_line  # another line, or a round of a comprehension, of the same statement
        if current:
          found = changes(here, current)
          if raised is not None and raised[1]:
            note((current, "exception", found, raised[0]))
          elif found:
            note((current, "line", found, None))
          elif not resumed and not (flags[current] & statements.HEADER and is_represented(current, line)):
            note((current, "line", (), None))
          raised, resumed = None, False
          previous = current
        current, start = line, at
        return trace_line
      except budgets.Spent:
        return None

    def trace_other(here: types.FrameType, event: str, arg: Any) -> Callable | None:
      nonlocal raised, resumed
      if event == "exception":
        raised = self._raised(arg[1], arg[2], here)
        return trace_line
      if event != "return":
        return trace_line
      self.depth -= 1
      line = current or def_line
      found = changes(here, line)
      if arg is None and raised is not None and code.co_code[here.f_lasti] not in _RETURNS:
        text, is_ours = raised
        if is_ours:
          note((line, "exception", found, text))
        elif found and text is not None:
          note((line, "line", found, None))
        return None
      raised = None
      if how.suspends and code.co_code[here.f_lasti] in _YIELDS:
        if not how.is_coroutine:
          note((line, "yield", found, write(arg, width)))
        elif found:
          note((line, "line", found, None))
        resumed = True
        return trace_line
      is_written = arg is not None or how.is_lambda or flags[line] & statements.RETURN
      note((line, "return", found, write(arg, width) if is_written else None))
      return None

    self.depth += 1
    variables = frame.f_locals
    found = []
    for name in how.arguments:
      if name in variables:
        value = variables[name]
        seen[name] = new = fingerprint(value)
        found.append((name, write(value, width, new)))
    note((def_line, "call", tuple(found), None))
    for name in how.shared:  # what is around the function is not news
      if name in variables and name not in seen:
        seen[name] = fingerprint(variables[name])
    return trace_line

  def _raised(
      self, error: BaseException, traceback: types.TracebackType | None, frame: types.FrameType
  ) -> tuple[str | None, bool]:
    """The exception's text and whether to write it here: not when a followed frame below this one has it.

    The text is None for the end of a generator that is thrown away.
    """
    while traceback is not None and traceback.tb_frame is not frame:
      traceback = traceback.tb_next
    traceback = traceback.tb_next if traceback is not None else None
    while traceback is not None:
      code = traceback.tb_frame.f_code
      if code.co_filename == statements.FILE_NAME and self._plans.get(code) is not None:
        return "", False
      traceback = traceback.tb_next
    if issubclass(type(error), GeneratorExit):
      return None, False
    if issubclass(type(error), StopIteration) and frame.f_code.co_code[frame.f_lasti] in _ITERATIONS:
      return "", False
    return texts.write_exception(error, self._budget.max_value_chars), True
