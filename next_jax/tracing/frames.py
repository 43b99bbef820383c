"""Frames: follows one call of a function, keeps what its variables were, and notes the steps.

Who watches the program (`settrace`, `monitoring`) says what happens in a frame; what that means is decided here, once.
"""

import dataclasses
import dis
import inspect
import marshal
import types
import typing
from collections.abc import Callable
from typing import Any

from next_jax.tracing import budgets
from next_jax.tracing import effects as effects_lib
from next_jax.tracing import reading
from next_jax.tracing import statements
from next_jax.tracing import texts
from next_jax.tracing import values

DELETED = "<deleted>"
TOO_DEEP = "maximum recursion depth exceeded"

_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
# How a frame is left.
RETURN, YIELD, UNWIND = range(3)
# Where the end of an iterator is raised and caught by Python itself: `for`, `yield from`, `await`.
_ITERATIONS = frozenset(dis.opmap[name] for name in ("FOR_ITER", "SEND", "END_SEND") if name in dis.opmap)
_MISSING = object()
# What shows nothing but its name and runs no C code that changes something, unlike iterators and bound methods.
_CALM = frozenset({types.FunctionType, types.ModuleType, range, type})
_SMALL = 10**15  # integers up to here have a short text
_PATIENCE = 64  # looks at all variables of a function, before reading its bytecode pays for itself

# (line, event, changes, value) of a step
Entry = tuple[int, str, tuple[tuple[str, str], ...], str | None]


@dataclasses.dataclass(eq=False)
class Plan:
  """What is known of a function.

  Attributes:
    line: its `def` line.
    arguments: their names.
    shared: names that it shares with functions around it or inside of it.
    effects: what its statements can change, as far as that is known.
    patience: so many times all variables are looked at before `effects` is worth its price.
  """

  line: int
  arguments: tuple[str, ...]
  shared: tuple[str, ...]
  is_lambda: bool
  is_coroutine: bool
  effects: effects_lib.Effects = dataclasses.field(default_factory=dict)
  patience: int = _PATIENCE


def plan(code: types.CodeType, layout: statements.Statements) -> Plan | None:
  """None for code that is not followed: class bodies and comprehensions, which belong to their statement."""
  if not code.co_flags & inspect.CO_OPTIMIZED or code.co_name in COMPREHENSIONS:
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
  )


class TooDeep(Exception):
  """Ends our own callback when the program has one frame too many; the program gets a RecursionError."""


class Followed(typing.NamedTuple):
  """What the watcher of a program calls for one frame; all three may raise budgets.Spent.

  Attributes:
    visit: (frame, physical line): the line begins to run.
    fail: (frame, exception, its traceback): an exception was raised in the frame or came to it.
    leave: (frame, one of RETURN, YIELD and UNWIND, value): the frame ends or, at a `yield` or `await`, pauses.
    is_followed: False for frames that run unseen but must end too.
  """

  visit: Callable[[types.FrameType, int], None]
  fail: Callable[[types.FrameType, BaseException, types.TracebackType | None], None]
  leave: Callable[[types.FrameType, int, Any], None]
  is_followed: bool = True


class Follower:
  """Follows the frames of one recording.

  Attributes:
    entries: the steps so far.
    depth: how many followed frames are on the stack.
    is_calling: False while the module is imported: nothing is followed then.
    ran: [how often a frame of any Python code began or went on]; the watcher counts.
  """

  def __init__(self, layout: statements.Statements, budget: budgets.Budget, meter: budgets.Meter, max_depth: int):
    """max_depth: of followed frames."""
    self._layout = layout
    self._budget = budget
    self._meter = meter
    self._max_depth = max_depth
    self._plans: dict[int, Plan | None] = {}  # by id, since code takes long to hash; the layout keeps the code alive
    self.entries: list[Entry] = []
    self.depth = 0
    self.is_calling = False
    self.ran = [0]
    self.unseen = Followed(lambda here, line: meter.tick(), lambda *_: None, lambda *_: None, False)
    self._comprehension = self.unseen._replace(visit=lambda here, line: meter.glance())

  def begin(self, frame: types.FrameType) -> Followed:
    """A frame of the program begins: writes the step of the call.

    Raises:
      TooDeep: it is one frame too many and must not run.
    """
    if not self.is_calling:
      return self.unseen
    code = frame.f_code
    key = id(code)
    if key in self._plans:
      how = self._plans[key]
    else:
      how = self._plans[key] = plan(code, self._layout)
    if how is None:
      return self._comprehension if code.co_name in COMPREHENSIONS else self.unseen
    self._meter.tick()
    if self.depth >= self._max_depth:
      self._note_overflow(frame.f_back)
      raise TooDeep
    self.depth += 1
    return self._follow(frame, how)

  def go_on(self, followed: Followed) -> None:
    """A generator or coroutine goes on."""
    if followed.is_followed:
      self._meter.tick()
      self.depth += 1

  def _note_overflow(self, caller: types.FrameType | None) -> None:
    """The exception stands on the line of the call, as Python itself has it."""
    if caller is not None and caller.f_code.co_filename == statements.FILE_NAME:
      line = self._layout.first[caller.f_lineno]
      self.entries.append((line, "exception", (), f"RecursionError: {TOO_DEEP}"))

  def _follow(self, frame: types.FrameType, how: Plan) -> Followed:
    """Closures rather than an object: their variables are the fastest state that Python has."""
    meter, entries, ran, def_line = self._meter, self.entries, self.ran, how.line
    ticks, check, glance, note = meter.ticks, meter.check, meter.glance, entries.append
    first, flags, end = self._layout.first, self._layout.flags, self._layout.end
    max_size, width = self._budget.max_value_size, self._budget.max_value_chars
    atoms, containers, dumps = values.ATOMS, reading.SEQUENCES, marshal.dumps
    fingerprint, write, missing, is_larger = values.fingerprint, texts.write, _MISSING, values.is_larger
    is_flat = values.FLAT.issuperset
    read = reading.unshared_variables if self._layout.asks else None
    effects = how.effects
    seen: dict[str, Any] = {}  # variable -> fingerprint
    wild: set[str] = set()  # variables of types that may run any code
    mine = ran[0]  # what `ran` was when all variables were looked at
    current = 0  # line of the statement that is running
    start = 0  # its first instruction
    previous = 0  # line of the statement before it
    raised: tuple[str | None, bool] | None = None  # the exception in flight: its text, whether to write it here
    resumed = False  # whether the statement went on after a `yield`

    def keep(name: str, value: Any, new: Any) -> None:
      """The fingerprint of a variable that is not an atom."""
      seen[name] = new
      if type(new) is tuple and type(value) not in _CALM:
        wild.add(name)
      elif wild:
        wild.discard(name)

    def changes(here: types.FrameType, line: int, effect: effects_lib.Effect | None) -> tuple[tuple[str, str], ...]:
      """What differs from the last time; `effect` is what the line can change, None for everything."""
      nonlocal mine
      variables = here.f_locals if read is None else read(here)
      if effect is not None:
        names, is_in_place = effect
        if len(names) == 1 and names[0] in variables:  # most lines that are run often
          (name,) = names
          value = variables[name]
          if type(value) is int and -_SMALL < value < _SMALL:
            old = seen.get(name, missing)
            if old is value or type(old) is int and old == value:
              return ()
            seen[name] = value
            return () if flags[line] & statements.DEFINES else ((name, repr(value)),)
        pairs = [(name, variables[name]) for name in names if name in variables]
        is_partial = not is_in_place or is_flat([type(value) for _, value in pairs])  # `x += [1]` may change all
      else:
        is_partial = False
      if not is_partial:
        pairs = variables.items()
        mine = ran[0]
        if how.patience:
          how.patience -= 1
          if not how.patience:
            effects.update(effects_lib.effects(code, first, here.f_globals))
      found = []
      for name, value in pairs:
        old = seen.get(name, missing)
        if value is old:
          continue
        kind = type(value)
        if kind in atoms:
          if old == value and type(old) is kind:
            continue
          if kind is int and -_SMALL < value < _SMALL:
            seen[name] = value
            found.append((name, repr(value)))
            if wild:
              wild.discard(name)
            continue
          new = value
        else:
          if kind in containers and is_flat(map(type, value)):
            new = dumps(value, 2)
          else:
            new = fingerprint(value)
          if old == new:
            continue
        if is_larger(value, new, max_size):
          meter.stop(f"value size: {name!r} has more than {max_size} {values.unit(value)}")
        if type(new) is tuple or wild:
          keep(name, value, new)
        else:
          seen[name] = new
        found.append((name, write(value, width, new)))
      if not is_partial and len(variables) < len(seen):
        for name in [name for name in seen if name not in variables]:
          del seen[name]
          wild.discard(name)
          if flags[line] & statements.DELETES:
            found.append((name, DELETED))
      if not found or flags[line] & statements.DEFINES:
        return ()
      if len(found) > 1:  # in order of first assignment: that of f_locals depends on the version of Python
        order = {name: i for i, name in enumerate(seen)}
        found.sort(key=lambda change: order.get(change[0], -1))
      return (*found,)

    def is_represented(line: int, following: int) -> bool:
      """Whether other steps stand for a header that changed nothing; `following` is the line that runs next."""
      if line < following <= end[line]:
        return not flags[line] & statements.BINDS
      return bool(flags[line] & statements.RETURNS_HERE) and line < previous <= end[line]

    def visit(here: types.FrameType, physical: int) -> None:
      nonlocal current, start, previous, raised, resumed
      line, at = first[physical], here.f_lasti
      if line == current and at > start and raised is None and not flags[line] & statements.ONE_LINE_LOOP:
        glance()  # another line, or a round of a comprehension, of the same statement
        return
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      if current:
        effect = effects.get(current)
        if effect is None or wild or mine != ran[0]:
          found = changes(here, current, None)
        elif not effect[0]:
          found = ()
        else:
          found = changes(here, current, effect)
        if raised is not None and raised[1]:
          note((current, "exception", found, raised[0]))
        elif found:
          note((current, "line", found, None))
        elif not resumed and not (flags[current] & statements.HEADER and is_represented(current, line)):
          note((current, "line", (), None))
        raised, resumed = None, False
        previous = current
      current, start = line, at

    def fail(here: types.FrameType, error: BaseException, traceback: types.TracebackType | None) -> None:
      nonlocal raised
      if not (issubclass(type(error), StopIteration) and code.co_code[here.f_lasti] in _ITERATIONS):
        raised = self._raised(error, traceback, here)

    def leave(here: types.FrameType, way: int, value: Any) -> None:
      nonlocal raised, resumed
      self.depth -= 1
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      line = current or def_line
      found = changes(here, line, None)  # the last look is at everything
      if way == UNWIND and raised is not None:
        text, is_ours = raised
        if is_ours:
          note((line, "exception", found, text))
        elif found and text is not None:
          note((line, "line", found, None))
        return
      raised = None
      if way == YIELD:
        if not how.is_coroutine:
          note((line, "yield", found, write(value, width)))
        elif found:
          note((line, "line", found, None))
        resumed = True
        return
      is_written = value is not None or how.is_lambda or flags[line] & statements.RETURN
      note((line, "return", found, write(value, width) if is_written else None))

    code = frame.f_code
    variables = read(frame) if read is not None else frame.f_locals
    found = []
    for name in how.arguments:
      if name in variables:
        value = variables[name]
        new = fingerprint(value)
        keep(name, value, new)
        found.append((name, write(value, width, new)))
    note((def_line, "call", tuple(found), None))
    for name in how.shared:  # what is around the function is not news
      if name in variables and name not in seen:
        value = variables[name]
        keep(name, value, fingerprint(value))
    return Followed(visit, fail, leave)

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
      if code.co_filename == statements.FILE_NAME and self._plans.get(id(code)) is not None:
        return "", False
      traceback = traceback.tb_next
    if issubclass(type(error), GeneratorExit):
      return None, False
    return texts.write_exception(error, self._budget.max_value_chars), True
