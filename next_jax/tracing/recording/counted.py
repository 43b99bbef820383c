"""Counted recordings: a long run is looked at only in the first and the last visits of each line.

A program that makes more than `Ends.beginning` steps is run twice more, with its setup, as a copy with `marks`. The
first run writes down which marks it comes to, a byte each: that numbers all steps. The second counts the marks down
and looks at the variables where a visit is near the end of its line, and just before. So a step in between costs two
calls into C instead of a recording, and no memory but its place in the trace. It is written there as `SKIPPED`;
`inline` shows none as long as its style asks for no more visits than were looked at.

What is looked at is what `recorder.record` gives. Where that is not certain, its recording is what is returned: of a
program that has no copy (`marks`), one that raises or spends a budget, variables that may run any code, a line that
too few of its first or last visits changed to know the ones to show, or runs that differ. Two limits are left to know:
the budget of value sizes is that of the visits looked at, and the one of time is there for each run, so that more of a
program may be seen than one recording has time for.
"""

from __future__ import annotations

import builtins
import collections
from collections.abc import Callable, Generator, Iterator
import dataclasses
import functools
import itertools
import operator
import re
import sys
import types
from typing import Any

from next_jax import schema
from next_jax.tracing import statements
from next_jax.tracing.recording import budgets
from next_jax.tracing.recording import effects
from next_jax.tracing.recording import marks as marks_lib
from next_jax.tracing.recording import recorder
from next_jax.tracing.recording import states

SKIPPED = (("...", "..."),)  # the changes of a step that was not looked at

_BETWEEN_CLOCKS = 4096  # marks
_DEFINES = re.compile(r"\b(?:def|lambda)\b")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ends:
  """Which visits of a line are looked at.

  Attributes:
    first: Number of visits with a change, counted from the first; as `InlineStyle.first_visits`.
    last: Number of visits with a change, counted back from the last; as `InlineStyle.last_visits`.
    window: Number of further visits looked at on each side to find them.
    beginning: Number of steps that are always recorded in full.
  """

  first: int = 2
  last: int = 1
  window: int = 14
  beginning: int = 20_000


class _Unsure(Exception):
  """Why the program is recorded in full."""


def record(
    source: str, call: str, *, setup_code: str = "",
    budget: budgets.Budget = budgets.Budget(),  # noqa: B008  frozen
    ends: Ends = Ends(),
) -> schema.Trace:
  """As `recorder.record`; of long runs, with SKIPPED for the changes of the steps that `ends` leaves out.

  Raises:
    recorder.TraceError: as there.
  """
  if budget.max_steps > ends.beginning:
    try:
      return _counted(source, call, setup_code, budget, ends)
    except (_Unsure, marks_lib.Unmarkable):
      pass
  return recorder.record(source, call, setup_code=setup_code, budget=budget)


def _counted(source: str, call: str, setup_code: str, budget: budgets.Budget, ends: Ends) -> schema.Trace:
  marked = marks_lib.mark(source)  # before the program runs: only one with a copy may run more than once
  if _DEFINES.search(setup_code):
    raise _Unsure("the steps of functions in the setup code are in the budget too")
  short = dataclasses.replace(budget, max_steps=ends.beginning)
  beginning = recorder.record(source, call, setup_code=setup_code, budget=short)
  if beginning.outcome != "truncated" or not beginning.detail.startswith("steps:"):
    return beginning
  counted = _Counted(source, call, ends, marked, beginning.steps, setup_code=setup_code, budget=budget)
  return counted.record()


class _Known(states.FrameState):
  """The latest frame of a function, and the position in the log at which it was looked at."""

  __slots__ = ("frame", "position")

  def __init__(self, frame: types.FrameType):
    self.frame, self.position = frame, -1
    self.seen, self.wild, self.ran = {}, states.NONE_WILD, 0


class _Calls:
  """What a copy calls, in the place of a watcher."""

  is_lost = False

  def __init__(self, make: Callable[[budgets.Meter], Callable], follower: object, meter: budgets.Meter, *_: Any):
    self._call = make(meter)

  def start(self) -> None:
    vars(builtins)[marks_lib.MARK] = self._call

  def stop(self) -> None:
    """May be called again."""
    vars(builtins).pop(marks_lib.MARK, None)


class _Counted:
  """The two runs of one recording."""

  def __init__(
      self, source: str, call: str, ends: Ends, marked: marks_lib.Marked, beginning: tuple[schema.Step, ...],
      **options: Any,
  ):
    """beginning: the first steps of the trace, recorded."""
    self._source, self._call, self._options = source, call, options
    self._ends, self._beginning = ends, beginning
    self._budget = options["budget"]
    self._layout = statements.analyse(source)
    self._marked, self._marks = marked, marked.marks
    self._log = bytearray()  # the marks that the first run came to
    self._places = bytes(number for number, mark in enumerate(self._marks) if not mark.event)

  def record(self) -> schema.Trace:
    trace = self._run(self._counting)
    if trace.outcome != "returned":
      raise _Unsure("it does not return")
    steps = self._numbered()
    ticks = sum(mark.ticks * self._log.count(number, self._start) for number, mark in enumerate(self._marks))
    if self._ends.beginning + ticks > self._budget.max_steps:
      raise _Unsure("it may spend the budget of steps")
    before = {at: self._before(at) for at in self._near_the_ends()}
    self._looked: dict[int, schema.Step] = {}  # by position in the log
    self._left: Iterator[None] = iter(())
    again = self._run(functools.partial(self._looking, before))
    if (again.outcome, again.detail) != (trace.outcome, trace.detail) or operator.length_hint(self._left):
      raise _Unsure("it does not run twice in the same way")
    self._fill(steps)
    return dataclasses.replace(trace, steps=tuple(steps))

  def _run(self, make: Callable) -> schema.Trace:
    watcher = functools.partial(_Calls, make)
    try:
      return recorder.record(self._source, self._call, watcher=watcher, copy=self._marked.code, **self._options)
    except budgets.Spent:
      raise _Unsure("it spends a budget") from None

  def _counting(self, meter: budgets.Meter) -> Callable:
    append, most = self._log.append, 2 * self._budget.max_steps

    def marked() -> Generator[None, int, None]:
      while len(self._log) <= most:
        for _ in itertools.repeat(None, _BETWEEN_CLOCKS):
          append((yield))
        meter.check()
      raise _Unsure("it spends the budget of steps")

    counting = marked()
    next(counting)
    return counting.send

  def _numbered(self) -> list[schema.Step]:
    """All steps, those beyond the beginning not looked at."""
    kinds = []
    for mark in self._marks:
      value = SKIPPED if mark.changes else ()
      kinds.append(schema.Step(line=mark.line, event=mark.event or "line", changes=value))
    steps = list(map(kinds.__getitem__, self._log.translate(None, self._places)))
    known = len(self._beginning)
    if [(step.line, step.event) for step in steps[:known]] != [(step.line, step.event) for step in self._beginning]:
      raise _Unsure("its steps are not those of its marks")
    steps[:known] = self._beginning
    self._start = known  # the position of the first step that is not known
    while (number := len(self._log[: self._start].translate(None, self._places))) < known:
      self._start += known - number
    return steps

  def _near_the_ends(self) -> set[int]:
    """The positions to look at; also the first visits, which are known, to see that both ways give the same."""
    ends = self._ends
    self._windows: dict[int, tuple[list[int], list[int]]] = {}
    chosen: set[int] = set()
    backwards, behind = self._log[::-1], len(self._log) - self._start
    for line in {mark.line for mark in self._marks if mark.changes}:
      numbers = self._of_line(line)
      chosen.update(self._log.find(number) for number in numbers)
      visits = re.compile(b"[%s]" % re.escape(numbers), re.DOTALL).finditer
      first = itertools.islice(visits(self._log, self._start), ends.first + ends.window)
      last = itertools.islice(visits(backwards, 0, behind), ends.last + ends.window)
      self._windows[line] = [found.start() for found in first], [len(self._log) - found.end() for found in last]
      chosen.update(*self._windows[line])
    return chosen - {-1}

  def _of_line(self, line: int) -> bytes:
    """The marks of its steps that may change something."""
    return bytes(number for number, mark in enumerate(self._marks) if mark.line == line and mark.changes)

  def _before(self, at: int) -> int:
    """The position at which the statement of a mark began; -1 for that of a call."""
    mark = self._marks[self._log[at]]
    if mark.event == "call":
      return -1
    if self._marks[self._log[at - 1]].event != "return":
      return at - 1
    if mark.before is None:
      raise _Unsure(f"line {mark.line} called what it does not name")
    return self._log.rfind(mark.before, 0, at)

  def _looking(self, before: dict[int, int], meter: budgets.Meter) -> Callable:
    """before: for each position to look at the one to compare it with."""
    look = functools.partial(self._look, before, {}, states.verbs(self._layout, self._budget, meter.stop, [0]))
    positions = sorted({*before, *before.values()} - {-1})

    def countdown() -> Iterator[Iterator[None]]:
      at = 0
      for position in (*positions, len(self._log)):
        while position > at:
          self._left = itertools.repeat(None, min(position - at, _BETWEEN_CLOCKS))
          at += operator.length_hint(self._left)
          yield self._left
          meter.check()
        if position < len(self._log):
          look(sys._getframe(1), position)
      raise _Unsure("it does not run twice in the same way")

    return functools.partial(next, itertools.chain.from_iterable(countdown()))

  def _look(
      self, before: dict[int, int], known: dict[types.CodeType, _Known], verbs: tuple[Callable, ...],
      frame: types.FrameType, position: int,
  ) -> None:
    """Brings the state of a frame up to date, and notes the step if it is one to look at.

    known: the states, by function: none calls itself.
    """
    enter, changes, show = verbs
    mark = self._marks[self._log[position]]
    old = known.get(frame.f_code)
    if old is None or old.frame is not frame:
      old = _Known(frame)
    variables = {name: value for name, value in frame.f_locals.items() if not name.startswith(marks_lib.OWN)}
    value = None
    if mark.event == "call":
      names = self._marked.plans[mark.line].arguments
      found = tuple((name, enter(old, name, variables[name])) for name in names)
    else:
      if position in before and old.position != before[position]:
        raise _Unsure(f"line {mark.line} called what it does not name")
      found = changes(old, types.SimpleNamespace(f_locals=variables), mark.line, None)
      if mark.event == "return" and self._layout.flags[mark.line] & statements.RETURN:
        value = show(frame.f_locals[marks_lib.RESULT])
    if old.wild or not effects.are_plain(frame.f_globals):
      raise _Unsure("its variables may run any code")
    known[frame.f_code], old.position = old, position
    if position in before:
      step = schema.Step(line=mark.line, event=mark.event, changes=self._in_order(found, frame.f_code), value=value)
      self._looked[position] = step

  def _in_order(self, found: states.Changes, code: types.CodeType) -> states.Changes:
    """In that of first assignment, where it is certain that each comes before the next."""
    if len(found) < 2:
      return found
    assigned, names = self._marked.assigned[code.co_firstlineno], code.co_varnames + code.co_cellvars
    ordered = sorted(found, key=lambda change: (assigned[change[0]][0], names.index(change[0])))
    for (one, _), (other, _) in itertools.pairwise(ordered):
      line, is_sure = assigned[one]
      if not is_sure and line != assigned[other][0]:
        raise _Unsure("the order of its variables is not certain")
    return tuple(ordered)

  def _fill(self, steps: list[schema.Step]) -> None:
    """Puts what was looked at into the steps; sees that it is enough."""
    number = position = 0
    for at in sorted(self._looked):
      number += len(self._log[position:at].translate(None, self._places))
      position = at
      if number < len(self._beginning) and steps[number] != self._looked[at]:
        raise _Unsure(f"step {number} is not what it was")
      steps[number] = self._looked[at]
    changed = collections.Counter(step.line for step in self._beginning if _is_change(step))
    ends = self._ends
    for line, (first, last) in self._windows.items():
      if len({*first, *last}) == sum(self._log.count(number, self._start) for number in self._of_line(line)):
        continue
      fronts = changed[line] + sum(_is_change(self._looked[at]) for at in first)
      backs = sum(_is_change(self._looked[at]) for at in last)
      if fronts < ends.first or backs < ends.last or fronts + backs <= ends.first + ends.last:
        raise _Unsure(f"too few visits changed anything on line {line}")


def _is_change(step: schema.Step) -> bool:
  return bool(step.changes) or step.value is not None
