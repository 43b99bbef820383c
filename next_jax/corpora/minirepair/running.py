"""Runs our own generated programs in this process, and stops them when they do not end or values grow.

Only for programs that this package generates. They are pure functions over small values, so a budget of lines and a
bound on values suffice. All other programs go to `next_jax.execution`.
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
  """The outcome of one call.

  Attributes:
    how: "returned", "raised", "endless" or "oversized".
    value: The result, or the name of the exception class; None if the call was stopped.
  """

  how: str
  value: Any = None


class _Stop(BaseException):
  """Raised in a program that exceeds a budget; no Exception, so that its own `except Exception` does not catch it."""

  def __init__(self, how: str):
    super().__init__(how)
    self.how = how


def load(code: str, entry_point: str) -> Callable[..., Any]:
  """The function `entry_point`, defined in a fresh namespace."""
  namespace: dict[str, Any] = {}
  exec(compile(code, "<minirepair>", "exec"), namespace)
  return namespace[entry_point]


def copy(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
  """A deep copy, which a program may change; for plain values only."""
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
  except Exception as error:  # the outcome of the program
    return CallOutcome("raised", type(error).__name__)
  finally:
    sys.settrace(previous)
  return CallOutcome("returned", value)
