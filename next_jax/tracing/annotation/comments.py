"""Comments: the text of the states on one line, written and read back::

    (2) n=1; (4) n=2; ...; (8) n=4; return [1, 2, 4]

A comment is a list of parts between ``; ``. ``(2)`` begins the state of step 2, with the variables that changed
(`name=value`) and then, at most once, `return`, `yield` or `raise` and what was returned, yielded or raised. `(2) -`
is a visit that changed nothing. `(2) ...` is a visit that shows only its number. `...` by itself stands for visits that
were left out, or for iterations of a loop that did not reach the line. Numbers rise from left to right.

Values are one line of any text that is not blank. Where a value itself holds what would be read as the next part or as
the beginning of a comment, the `;` or `#` is written `\\x3b` or `\\x23`, which in a string literal of Python means the
same. A backslash before what looks like one of these is written `\\x5c`. So `parse` finds the values that were written.
"""

from collections.abc import Iterable
import dataclasses
import re

from next_jax.tracing import shortening

VERBS = {"return": "return", "yield": "yield", "exception": "raise"}  # event of a step -> verb
UNCHANGED = "-"
BETWEEN = "; "

_NUMBER = r"\((0|[1-9][0-9]{0,8})\) "
_NAME = r"(?:[A-Za-z_]|[^\x00-\x7f])(?:\w|[^\x00-\x7f])*"  # wider than Python's names beyond ASCII
_END_OF_PART = re.compile(rf"; (?={_NUMBER}|\.\.\.(?:; |$)|(?:return|yield|raise) |{_NAME}=)")
_STATE = re.compile(_NUMBER)
_VERB = re.compile(r"(return|yield|raise) ")
_CHANGE = re.compile(rf"({_NAME})=")
# What a value may not hold as it is.
_AMBIGUOUS = re.compile(
    rf";(?= (?:\([0-9]|\.\.\.|return |yield |raise |{_NAME}=))|#(?= (?:\([0-9]|\.\.\.(?:; |$)))|\\(?=x(?:3b|23|5c))"
)
_ESCAPE = re.compile(r"\\x(3b|23|5c)")
# Where a comment of ours may begin; its text is behind the first two characters.
START = re.compile(r"# (?=(?:\.\.\.; )?\([0-9]+\) )")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WrittenState:
  """The state of one step, as a comment has it.

  Attributes:
    number: Index of the step in its trace.
    changes: (variable, value as written).
    verb: "return", "yield", "raise" or None.
    value: what was returned, yielded or raised; None without a verb.
  """

  number: int
  changes: tuple[tuple[str, str], ...] = ()
  verb: str | None = None
  value: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comment:
  """The states on one line.

  Attributes:
    states: The states, by rising step number.
    gaps: Where something was left out: i stands before `states[i]`, `len(states)` after the last. A state before a
      gap has either all that it wrote or nothing but its number.
  """

  states: tuple[WrittenState, ...]
  gaps: frozenset[int] = frozenset()


def one_line(value: str) -> str:
  """A value as comments have it: one line, not blank, without spaces around it."""
  if not value.isprintable():
    value = "".join(c if c.isprintable() else " " for c in value)
  return value.strip(" ") or shortening.ELLIPSIS


def write_state(number: int, changes: Iterable[tuple[str, str]], verb: str | None, value: str | None) -> str:
  """`(2) n=1; return 1` from names, verb and values that `one_line` gave."""
  parts = [f"{name}={_escape(text)}" for name, text in changes]
  if verb is not None and value is not None:
    parts.append(f"{verb} {_escape(value)}")
  return f"({number}) {BETWEEN.join(parts) if parts else UNCHANGED}"


def write_number(number: int) -> str:
  """A state that shows only its number."""
  return f"({number}) {shortening.ELLIPSIS}"


def parse(text: str) -> Comment | None:
  """What a comment says, given without its hash; None if the text is not a comment of ours."""
  states: list[WrittenState] = []
  gaps: set[int] = set()
  is_open = False  # whether a further change or verb would belong to the last state
  for part in _split(text):
    if part == shortening.ELLIPSIS:
      gaps.add(len(states))
      is_open = False
      continue
    opening = _STATE.match(part)
    if opening:
      number = int(opening.group(1))
      if states and number <= states[-1].number:
        return None
      states.append(WrittenState(number=number))
      part = part[opening.end() :]
      is_open = part not in (shortening.ELLIPSIS, UNCHANGED)
      if not is_open:
        if part == shortening.ELLIPSIS:
          gaps.add(len(states))
        continue
    state = _with_part(states[-1], part) if is_open else None
    if state is None:
      return None
    states[-1] = state
    is_open = state.verb is None
  return Comment(states=tuple(states), gaps=frozenset(gaps)) if states else None


def _split(text: str) -> list[str]:
  parts = []
  start = 0
  for end in _END_OF_PART.finditer(text):
    parts.append(text[start : end.start()])
    start = end.end()
  parts.append(text[start:])
  return parts


def _with_part(state: WrittenState, part: str) -> WrittenState | None:
  """The state with what `name=value` or `return value` says."""
  verb = _VERB.match(part)
  opening = verb or _CHANGE.match(part)
  if opening is None:
    return None
  value = _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), part[opening.end() :])
  if not value.strip():
    return None
  if verb:
    return dataclasses.replace(state, verb=verb.group(1), value=value)
  return dataclasses.replace(state, changes=(*state.changes, (opening.group(1), value)))


def _escape(value: str) -> str:
  if ";" in value or "#" in value or "\\x" in value:
    return _AMBIGUOUS.sub(lambda match: f"\\x{ord(match.group()):02x}", value)
  return value
