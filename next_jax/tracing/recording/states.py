"""States: keeps the variables of a frame as last seen, finds what changed since, and writes it.

What is constant is a global of this module and not a variable of a closure, since each call of a closure copies all of
those that it has.
"""

from __future__ import annotations  # those of closures would be evaluated for each recording, or even each call

from collections.abc import Callable, Iterable
import marshal
import types
from typing import Any

from next_jax.tracing import statements
from next_jax.tracing.recording import budgets
from next_jax.tracing.recording import effects as effects_lib
from next_jax.tracing.recording import reading
from next_jax.tracing.recording import texts
from next_jax.tracing.recording import values

DELETED = "<deleted>"
SMALL = 10**15  # integers up to here have a short text

Changes = tuple[tuple[str, str], ...]  # (variable, its text)

_MISSING = object()
# What shows nothing but its name and runs no C code that changes something, unlike iterators and bound methods.
_CALM = frozenset({types.FunctionType, types.ModuleType, range, type})
NONE_WILD: set[str] = frozenset()  # type: ignore[assignment]  # an empty set that nobody adds to
_ATOMS, _SEQUENCES = values.ATOMS, reading.SEQUENCES
_is_flat = values.FLAT.issuperset
_is_larger, _fingerprint, _write, _dumps = values.is_larger, values.fingerprint, texts.write, marshal.dumps
_DEFINES, _DELETES = statements.DEFINES, statements.DELETES


class FrameState:
  """The variables of one frame.

  Attributes:
    seen: Variable -> fingerprint.
    wild: Variables of types that may run any code.
    ran: Value of `Follower.ran` when all variables were looked at; -1 where all must always be, since some are wild.
  """

  __slots__ = ("seen", "wild", "ran")
  seen: dict[str, Any]
  wild: set[str]
  ran: int

  def keep(self, name: str, value: Any, mark: Any) -> None:
    """Notes the fingerprint of a variable."""
    self.seen[name] = mark
    if type(mark) is tuple and type(value) not in _CALM:
      if not self.wild:
        self.wild = set()
      self.wild.add(name)
      self.ran = -1
    elif self.wild:
      self.wild.discard(name)


def verbs(
    layout: statements.Statements, budget: budgets.Budget, stop: Callable[[str], None], ran: list[int]
) -> tuple[Callable, Callable, Callable]:
  """What is done with the states of a recording; closures, whose variables are faster than attributes.

  ::

    enter(state, name, value) -> text: a variable that the frame begins with.
    changes(state, frame, line, effect) -> Changes: what differs from the last time; `effect` is what the line can
      change, None for everything. May raise budgets.Spent.
    show(value) -> text: of what is returned or yielded.
  """
  flags, max_size, width = layout.flags, budget.max_value_size, budget.max_value_chars
  read = reading.unshared_variables if layout.asks else None
  short = min(texts.SHORT, max_size)
  last_mark: bytes | None = None
  last_text = ""  # of the sequence that was written last: often it is what is returned

  def enter(state: FrameState, name: str, value: Any) -> str:
    nonlocal last_mark, last_text
    kind = type(value)
    if kind is str or kind is int:
      state.seen[name] = value
      return _write(value, width)
    if kind in _SEQUENCES and _is_flat(map(type, value)):
      mark = state.seen[name] = _dumps(value, 2)
      if mark != last_mark:
        last_mark, last_text = mark, _write(value, width, mark)
      return last_text
    mark = _fingerprint(value)
    state.keep(name, value, mark)
    return _write(value, width, mark)

  def show(value: Any) -> str:
    if type(value) is int and -SMALL < value < SMALL:
      return f"{value}"
    if type(value) in _SEQUENCES and _is_flat(map(type, value)):
      mark = _dumps(value, 2)
      return last_text if mark == last_mark else _write(value, width, mark)
    return _write(value, width)

  def changes(state: FrameState, here: types.FrameType, line: int, effect: effects_lib.Effect | None) -> Changes:
    nonlocal last_mark, last_text
    variables = here.f_locals if read is None else read(here)
    seen, wild = state.seen, state.wild
    is_partial = False
    if effect is not None:
      names, is_in_place = effect
      if len(names) == 1 and names[0] in variables:  # most lines that are run often
        (name,) = names
        value = variables[name]
        if type(value) is int and -SMALL < value < SMALL:
          old = seen.get(name, _MISSING)
          if old is value or type(old) is int and old == value:
            return ()
          seen[name] = value
          return () if flags[line] & _DEFINES else ((name, f"{value}"),)
        pairs: Iterable[tuple[str, Any]] = ((name, value),)
        is_partial = not is_in_place or type(value) in values.FLAT  # `x += [1]` may change all
      else:
        pairs = [(name, variables[name]) for name in names if name in variables]
        is_partial = not is_in_place or _is_flat([type(value) for _, value in pairs])
    if not is_partial:
      pairs = variables.items()
    found = []
    for name, value in pairs:
      old = seen.get(name, _MISSING)
      if value is old:
        continue
      kind = type(value)
      if kind in _ATOMS:
        if old == value and type(old) is kind:
          continue
        if kind is int and -SMALL < value < SMALL:
          seen[name] = value
          found.append((name, f"{value}"))
          if wild:
            wild.discard(name)
          continue
        mark = value
      elif kind in _SEQUENCES and _is_flat(map(type, value)):
        mark = _dumps(value, 2)
        if old == mark:
          continue
        if len(mark) <= short and (kind is list or kind is tuple):
          text = repr(value)
          if len(text) <= width:
            seen[name] = last_mark = mark
            last_text = text
            found.append((name, text))
            if wild:
              wild.discard(name)
            continue
      else:
        mark = _fingerprint(value)
        if old == mark:
          continue
      if _is_larger(value, mark, max_size):
        stop(f"value size: {name!r} has more than {max_size} {values.unit(value)}")
      if wild or type(mark) is tuple:
        state.keep(name, value, mark)
        wild = state.wild
      else:
        seen[name] = mark
      found.append((name, _write(value, width, mark)))
    if not is_partial:
      if len(variables) < len(seen):
        for name in [name for name in seen if name not in variables]:
          del seen[name]
          if wild:
            wild.discard(name)
          if flags[line] & _DELETES:
            found.append((name, DELETED))
      state.ran = -1 if wild else ran[0]
    if not found or flags[line] & _DEFINES:
      return ()
    if len(found) > 1:  # in order of first assignment: that of f_locals depends on the version of Python
      order = {name: i for i, name in enumerate(seen)}
      found.sort(key=lambda change: order.get(change[0], -1))
    return (*found,)

  return enter, changes, show
