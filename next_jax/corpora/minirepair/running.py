"""Runs our own generated programs in this process, cut off when they do not end or values grow.

Only for programs that this package made: they are pure functions over small values, so a budget of
lines and a bound on values is enough. Everything else goes to `next_jax.execution`.
"""

from collections.abc import Callable
import dataclasses
import marshal
import sys
import types
from typing import Any

_MAX_LINES = 300
_MAX_INTEGER = 10**7
_MAX_LENGTH = 200


@dataclasses.dataclass(frozen=True)
class CallOutcome:
  """What one call came to: `how` is "returned", "raised", "endless" or "oversized"."""

  how: str
  value: Any = None


class _Stop(BaseException):
  """Raised into a program that ran over a budget; not an Exception, so no `except` of its keeps it alive."""

  def __init__(self, how: str):
    super().__init__(how)
    self.how = how


def load(code: str, entry_point: str) -> Callable[..., Any]:
  """The function, defined in a namespace of its own."""
  namespace: dict[str, Any] = {}
  exec(compile(code, "<minirepair>", "exec"), namespace)
  return namespace[entry_point]


def copy(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
  """A copy that a program may change; for plain values only."""
  return marshal.loads(marshal.dumps(arguments))


def run(function: Callable[..., Any], arguments: tuple[Any, ...]) -> CallOutcome:
  """Calls the function on a copy of the arguments, within the budgets."""
  lines_left = _MAX_LINES

  def watch(frame: types.FrameType, event: str, unused_argument: Any):
    nonlocal lines_left
    lines_left -= 1
    if lines_left < 0:
      raise _Stop("endless")
    for value in frame.f_locals.values():
      kind = type(value)
      if kind is int:
        if not -_MAX_INTEGER < value < _MAX_INTEGER:
          raise _Stop("oversized")
      elif kind in (str, list, dict) and len(value) > _MAX_LENGTH:
        raise _Stop("oversized")
    return watch

  arguments = copy(arguments)
  previous = sys.gettrace()
  sys.settrace(watch)
  try:
    value = function(*arguments)
  except _Stop as stop:
    return CallOutcome(stop.how)
  except Exception as error:  # an outcome of the program, kept as such
    return CallOutcome("raised", type(error).__name__)
  finally:
    sys.settrace(previous)
  return CallOutcome("returned", value)
