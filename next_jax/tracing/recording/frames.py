"""Frames: follows one call of a function, keeps what its variables were, and notes the steps.

Who watches the program (`settrace`, `monitoring`) says what happens in a frame; what that means is decided here, once.
"""

from __future__ import annotations  # those of closures would be evaluated for each recording, or even each call

from collections.abc import Callable
import dis
import types
from typing import Any

from next_jax.tracing import statements
from next_jax.tracing.recording import budgets
from next_jax.tracing.recording import effects as effects_lib
from next_jax.tracing.recording import plans as plans_lib
from next_jax.tracing.recording import reading
from next_jax.tracing.recording import states
from next_jax.tracing.recording import texts
from next_jax.tracing.recording import values

TOO_DEEP = "maximum recursion depth exceeded"

# How a frame is left.
RETURN, YIELD, UNWIND = range(3)
# Where the end of an iterator is raised and caught by Python itself: `for`, `yield from`, `await`.
_ITERATIONS = frozenset(dis.opmap[name] for name in ("FOR_ITER", "SEND", "END_SEND") if name in dis.opmap)
_SMALL = states.SMALL
_BINDS, _HEADER, _RETURNS_HERE = statements.BINDS, statements.HEADER, statements.RETURNS_HERE
_RETURN, _ONE_LINE_LOOP = statements.RETURN, statements.ONE_LINE_LOOP

# (line, event, changes, value) of a step, or the line alone
Entry = tuple[int, str, states.Changes, str | None] | int


class TooDeep(Exception):
  """Ends our own callback when the program has one frame too many; the program gets a RecursionError."""


class Call(states.FrameState):
  """One call of a function, as the recorder knows it.

  Attributes:
    plan: Plan of its function; None for a frame that is not followed but must end too.
    effects: what the statements can change.
    current: line of the statement that is running.
    start: its first instruction.
    previous: line of the statement before it.
    raised: the exception in flight: its text, whether to write it here.
    resumed: whether the statement went on after a `yield`.
  """

  __slots__ = ("plan", "effects", "current", "start", "previous", "raised", "resumed")

  def __init__(self, plan: plans_lib.Plan | None, effects: effects_lib.Effects, ran: int):
    self.plan, self.effects, self.ran = plan, effects, ran
    self.seen = {}
    self.wild = states.NONE_WILD
    self.current = self.start = self.previous = 0
    self.raised: tuple[str | None, bool] | None = None
    self.resumed = False


def _is_represented(call: Call, flags: int, line: int, following: int, end: int) -> bool:
  """Whether other steps stand for a header that changed nothing; `following` is the line that runs next."""
  if not flags & _HEADER:
    return False
  if line < following <= end:
    return not flags & _BINDS
  return bool(flags & _RETURNS_HERE) and line < call.previous <= end


# For the frames that are not followed: nothing of them is kept.
UNSEEN, _COMPREHENSION = Call(None, {}, 0), Call(None, {}, 0)


class Follower:
  """Follows the frames of one recording.

  What the watcher of the program calls; all may raise budgets.Spent::

    begin(frame) -> Call: a frame of the program begins. Writes the step of the call. Raises TooDeep when it is one
      frame too many and must not run.
    go_on(call): a generator or coroutine goes on.
    visit(call, frame, physical line): the line begins to run.
    fail(call, frame, exception, its traceback): an exception was raised in the frame or came to it.
    leave(call, frame, one of RETURN, YIELD and UNWIND, value): the frame ends or, at a `yield` or `await`, pauses.

  Attributes:
    entries: the steps so far; a step that changed nothing is the number of its line.
    ran: [how often a frame of the program began or went on]; the watcher counts.
  """

  def __init__(
      self, layout: statements.Statements, plans: plans_lib.Plans, budget: budgets.Budget, meter: budgets.Meter,
      max_depth: int,
  ):
    """max_depth: of followed frames."""
    self._layout = layout
    self._plans = plans
    self._budget = budget
    self._max_depth = max_depth
    self.entries: list[Entry] = []
    self._namespace: dict[str, Any] | None = None
    self.ran = [0]
    self.begin, self.go_on, self.visit, self.fail, self.leave = self._verbs(meter)

  def start(self, namespace: dict[str, Any]) -> None:
    """From now on calls are followed: the module, whose globals these are, is imported."""
    self._namespace = namespace
    self._are_plain = effects_lib.are_plain(namespace)

  def _verbs(self, meter: budgets.Meter) -> tuple[Callable, ...]:
    """Closures rather than methods: their variables are faster than attributes; constants are globals: see `states`."""
    plans, ran, note = self._plans, self.ran, self.entries.append
    ticks, check, glance = meter.ticks, meter.check, meter.glance
    first, flags, end = self._layout.first, self._layout.flags, self._layout.end
    enter, changes, show = states.verbs(self._layout, self._budget, meter.stop, ran)
    read = reading.unshared_variables if self._layout.asks else None
    own_effects: dict[int, effects_lib.Effects] = {}  # of a program that gives built-in functions other meanings
    depth = 0  # how many followed frames are on the stack

    def begin(frame: types.FrameType) -> Call:
      nonlocal depth
      if self._namespace is None:
        return UNSEEN
      code = frame.f_code
      plan = plans.get(id(code))
      if plan is None:
        return _COMPREHENSION if code.co_name in plans_lib.COMPREHENSIONS else UNSEEN
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      if depth >= self._max_depth:
        self._note_overflow(frame.f_back)
        raise TooDeep
      depth += 1
      if self._are_plain:
        effects = plan.effects
      else:
        own = own_effects.get(id(code))
        if own is None:
          own = own_effects[id(code)] = effects_lib.effects(code, first, self._namespace)
        effects = own
      call = Call(plan, effects, ran[0])
      seen = call.seen
      variables = frame.f_locals if read is None else read(frame)
      found = []
      for name in plan.arguments:
        if name in variables:
          value = variables[name]
          if type(value) is int and -_SMALL < value < _SMALL:
            seen[name] = value
            found.append((name, f"{value}"))
          else:
            found.append((name, enter(call, name, value)))
      note((plan.line, "call", (*found,), None))
      for name in plan.shared:  # what is around the function is not news
        if name in variables and name not in seen:
          value = variables[name]
          call.keep(name, value, values.fingerprint(value))
      return call

    def go_on(call: Call) -> None:
      nonlocal depth
      if call.plan is not None:
        meter.tick()
        depth += 1

    def visit(call: Call, here: types.FrameType, physical: int) -> None:
      if call.plan is None:
        (glance if call is _COMPREHENSION else meter.tick)()
        return
      line, at, current, raised = first[physical], here.f_lasti, call.current, call.raised
      if line == current and at > call.start and raised is None and not flags[line] & _ONE_LINE_LOOP:
        glance()  # another line, or a round of a comprehension, of the same statement
        return
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      if current:
        effect = call.effects.get(current)
        if effect is None or call.ran != ran[0]:
          found = changes(call, here, current, None)
        else:
          found = changes(call, here, current, effect) if effect[0] else ()
        if raised is not None:
          if raised[1]:
            note((current, "exception", found, raised[0]))
          elif found:
            note((current, "line", found, None))
          elif not call.resumed and not _is_represented(call, flags[current], current, line, end[current]):
            note(current)
          call.raised, call.resumed = None, False
        elif found:
          note((current, "line", found, None))
          call.resumed = False
        elif call.resumed:
          call.resumed = False
        elif not flags[current] & _HEADER or not _is_represented(call, flags[current], current, line, end[current]):
          note(current)
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
      plan = call.plan
      if plan is None:
        return
      depth -= 1
      left = next(ticks, 0)
      if not left & 63:
        check(left)
      line = call.current
      if line:
        effect = call.effects.get(line)
        if effect is None or call.ran != ran[0]:
          found = changes(call, here, line, None)
        else:
          found = changes(call, here, line, effect) if effect[0] else ()
      else:
        line = plan.line
        found = changes(call, here, line, None)
      if way != RETURN:
        if way == UNWIND and call.raised is not None:
          text, is_ours = call.raised
          if is_ours:
            note((line, "exception", found, text))
          elif found and text is not None:
            note((line, "line", found, None))
          return
        if way == YIELD:
          call.raised, call.resumed = None, True
          if not plan.is_coroutine:
            note((line, "yield", found, show(value)))
          elif found:
            note((line, "line", found, None))
          return
      call.raised = None
      is_written = value is not None or plan.is_lambda or flags[line] & _RETURN
      note((line, "return", found, show(value) if is_written else None))

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
