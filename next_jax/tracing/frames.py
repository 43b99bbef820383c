"""Frames: follows one call of a function, keeps what its variables were, and notes the steps.

Who watches the program (`settrace`, `monitoring`) says what happens in a frame; what that means is decided here, once.
"""

import dis
import marshal
import types
from collections.abc import Callable
from typing import Any

from next_jax.tracing import budgets
from next_jax.tracing import effects as effects_lib
from next_jax.tracing import plans as plans_lib
from next_jax.tracing import reading
from next_jax.tracing import statements
from next_jax.tracing import texts
from next_jax.tracing import values

DELETED = "<deleted>"
TOO_DEEP = "maximum recursion depth exceeded"

# How a frame is left.
RETURN, YIELD, UNWIND = range(3)
# Where the end of an iterator is raised and caught by Python itself: `for`, `yield from`, `await`.
_ITERATIONS = frozenset(dis.opmap[name] for name in ("FOR_ITER", "SEND", "END_SEND") if name in dis.opmap)
_MISSING = object()
# What shows nothing but its name and runs no C code that changes something, unlike iterators and bound methods.
_CALM = frozenset({types.FunctionType, types.ModuleType, range, type})
_SMALL = 10**15  # integers up to here have a short text

# (line, event, changes, value) of a step, or the line alone
Entry = tuple[int, str, tuple[tuple[str, str], ...], str | None] | int


class TooDeep(Exception):
  """Ends our own callback when the program has one frame too many; the program gets a RecursionError."""


class Call:
  """One call of a function, as the recorder knows it.

  Attributes:
    plan: of its function; None for a frame that runs unseen but must end too.
    effects: what the statements can change.
    seen: variable -> fingerprint.
    wild: variables of types that may run any code.
    ran: what `Follower.ran` was when all variables were looked at.
    current: line of the statement that is running.
    start: its first instruction.
    previous: line of the statement before it.
    raised: the exception in flight: its text, whether to write it here.
    resumed: whether the statement went on after a `yield`.
  """

  __slots__ = ("plan", "effects", "seen", "wild", "ran", "current", "start", "previous", "raised", "resumed")

  def __init__(self, plan: plans_lib.Plan | None, effects: effects_lib.Effects):
    self.plan = plan
    self.effects = effects
    self.seen: dict[str, Any] = {}
    self.wild: set[str] = set()
    self.ran = self.current = self.start = self.previous = 0
    self.raised: tuple[str | None, bool] | None = None
    self.resumed = False


class Follower:
  """Follows the frames of one recording.

  What the watcher of the program calls; all may raise budgets.Spent:

    begin(frame) -> Call: a frame of the program begins. Writes the step of the call. Raises TooDeep when it is one frame
      too many and must not run.
    go_on(call): a generator or coroutine goes on.
    visit(call, frame, physical line): the line begins to run.
    fail(call, frame, exception, its traceback): an exception was raised in the frame or came to it.
    leave(call, frame, one of RETURN, YIELD and UNWIND, value): the frame ends or, at a `yield` or `await`, pauses.

  Attributes:
    entries: the steps so far; a step that changed nothing is the number of its line.
    ran: [how often a frame of the program began or went on]; the watcher counts.
    unseen: stands for the calls that are not followed.
  """

  def __init__(
      self, layout: statements.Statements, plans: plans_lib.Plans, budget: budgets.Budget, meter: budgets.Meter, max_depth: int
  ):
    """max_depth: of followed frames."""
    self._layout = layout
    self._plans = plans
    self._budget = budget
    self._meter = meter
    self._max_depth = max_depth
    self.entries: list[Entry] = []
    self._namespace: dict[str, Any] | None = None
    self.ran = [0]
    self.unseen = Call(None, {})
    self.begin, self.go_on, self.visit, self.fail, self.leave = self._verbs()

  def start(self, namespace: dict[str, Any]) -> None:
    """From now on calls are followed: the module, whose globals these are, is imported."""
    self._namespace = namespace
    self._are_plain = effects_lib.are_plain(namespace)

  def _verbs(self) -> tuple[Callable, ...]:
    """Closures rather than methods: their variables are the fastest that Python has."""
    plans, entries, ran, unseen, max_depth = self._plans, self.entries, self.ran, self.unseen, self._max_depth
    ticks, check, tick, glance = self._meter.ticks, self._meter.check, self._meter.tick, self._meter.glance
    stop, note = self._meter.stop, entries.append
    first, flags, end = self._layout.first, self._layout.flags, self._layout.end
    max_size, width = self._budget.max_value_size, self._budget.max_value_chars
    atoms, containers, dumps = values.ATOMS, reading.SEQUENCES, marshal.dumps
    fingerprint, write, missing, is_larger = values.fingerprint, texts.write, _MISSING, values.is_larger
    is_flat = values.FLAT.issuperset
    read = reading.unshared_variables if self._layout.asks else None
    comprehension = Call(None, {})
    own_effects: dict[int, effects_lib.Effects] = {}  # of a program that gives built-in functions other meanings
    depth = 0  # how many followed frames are on the stack

    def begin(frame: types.FrameType) -> Call:
      nonlocal depth
      if self._namespace is None:
        return unseen
      code = frame.f_code
      plan = plans.get(id(code))
      if plan is None:
        return comprehension if code.co_name in plans_lib.COMPREHENSIONS else unseen
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      if depth >= max_depth:
        self._note_overflow(frame.f_back)
        raise TooDeep
      depth += 1
      if self._are_plain:
        effects = plan.effects
      else:
        effects = own_effects.get(id(code))
        if effects is None:
          effects = own_effects[id(code)] = effects_lib.effects(code, first, self._namespace)
      call = Call(plan, effects)
      call.ran = ran[0]
      seen = call.seen
      variables = read(frame) if read is not None else frame.f_locals
      found = []
      for name in plan.arguments:
        if name in variables:
          value = variables[name]
          if type(value) is int and -_SMALL < value < _SMALL:
            seen[name] = value
            found.append((name, repr(value)))
          else:
            new = fingerprint(value)
            keep(call, name, value, new)
            found.append((name, write(value, width, new)))
      note((plan.line, "call", (*found,), None))
      for name in plan.shared:  # what is around the function is not news
        if name in variables and name not in seen:
          value = variables[name]
          keep(call, name, value, fingerprint(value))
      return call

    def go_on(call: Call) -> None:
      nonlocal depth
      if call.plan is not None:
        tick()
        depth += 1

    def keep(call: Call, name: str, value: Any, new: Any) -> None:
      """The fingerprint of a variable that is not an atom."""
      call.seen[name] = new
      if type(new) is tuple and type(value) not in _CALM:
        call.wild.add(name)
      elif call.wild:
        call.wild.discard(name)

    def changes(
        call: Call, here: types.FrameType, line: int, effect: effects_lib.Effect | None
    ) -> tuple[tuple[str, str], ...]:
      """What differs from the last time; `effect` is what the line can change, None for everything."""
      variables = here.f_locals if read is None else read(here)
      seen, wild = call.seen, call.wild
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
        call.ran = ran[0]
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
          stop(f"value size: {name!r} has more than {max_size} {values.unit(value)}")
        if type(new) is tuple or wild:
          keep(call, name, value, new)
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

    def is_represented(call: Call, line: int, following: int) -> bool:
      """Whether other steps stand for a header that changed nothing; `following` is the line that runs next."""
      if line < following <= end[line]:
        return not flags[line] & statements.BINDS
      return bool(flags[line] & statements.RETURNS_HERE) and line < call.previous <= end[line]

    def visit(call: Call, here: types.FrameType, physical: int) -> None:
      if call.plan is None:
        (glance if call is comprehension else tick)()
        return
      line, at, current, raised = first[physical], here.f_lasti, call.current, call.raised
      if line == current and at > call.start and raised is None and not flags[line] & statements.ONE_LINE_LOOP:
        glance()  # another line, or a round of a comprehension, of the same statement
        return
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      if current:
        effect = call.effects.get(current)
        if effect is None or call.wild or call.ran != ran[0]:
          found = changes(call, here, current, None)
        else:
          found = changes(call, here, current, effect) if effect[0] else ()
        if raised is not None and raised[1]:
          note((current, "exception", found, raised[0]))
        elif found:
          note((current, "line", found, None))
        elif not call.resumed and not (flags[current] & statements.HEADER and is_represented(call, current, line)):
          note(current)
        call.raised, call.resumed = None, False
        call.previous = current
      call.current, call.start = line, at

    def fail(
        call: Call, here: types.FrameType, error: BaseException, traceback: types.TracebackType | None
    ) -> None:
      if call.plan is None:
        return
      if not (issubclass(type(error), StopIteration) and here.f_code.co_code[here.f_lasti] in _ITERATIONS):
        call.raised = self._raised(error, traceback, here)

    def leave(call: Call, here: types.FrameType, way: int, value: Any) -> None:
      nonlocal depth
      if call.plan is None:
        return
      depth -= 1
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      plan = call.plan
      line = call.current or plan.line
      effect = call.effects.get(line)
      if effect is None or call.wild or call.ran != ran[0] or not call.current:
        found = changes(call, here, line, None)
      else:
        found = changes(call, here, line, effect) if effect[0] else ()
      if way == UNWIND and call.raised is not None:
        text, is_ours = call.raised
        if is_ours:
          note((line, "exception", found, text))
        elif found and text is not None:
          note((line, "line", found, None))
        return
      call.raised = None
      if way == YIELD:
        if not plan.is_coroutine:
          note((line, "yield", found, write(value, width)))
        elif found:
          note((line, "line", found, None))
        call.resumed = True
        return
      is_written = value is not None or plan.is_lambda or flags[line] & statements.RETURN
      note((line, "return", found, write(value, width) if is_written else None))

    return begin, go_on, visit, fail, leave

  def _note_overflow(self, caller: types.FrameType | None) -> None:
    """The exception stands on the line of the call, as Python itself has it."""
    if caller is not None and caller.f_code.co_filename == statements.FILE_NAME:
      line = self._layout.first[caller.f_lineno]
      self.entries.append((line, "exception", (), f"RecursionError: {TOO_DEEP}"))

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
      if code.co_filename == statements.FILE_NAME and id(code) in self._plans:
        return "", False
      traceback = traceback.tb_next
    if issubclass(type(error), GeneratorExit):
      return None, False
    return texts.write_exception(error, self._budget.max_value_chars), True
