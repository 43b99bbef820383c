"""What can be read off a trace: the values that names have at the end, as the prompt shows them."""

import ast
from collections.abc import Sequence
from typing import Any

from next_jax import schema


def last_states(trace: schema.Trace) -> dict[str, Any]:
  """Name -> its last value, for the names whose last value the prompt shows as a whole.

  Of a line that runs often the prompt leaves out the visits between the second and the last; a name that changed last
  in one of these is not among the names.
  """
  visits: dict[int, list[int]] = {}
  for number, step in enumerate(trace.steps):
    if step.changes or step.value is not None:
      visits.setdefault(step.line, []).append(number)
  shown = {number for numbers in visits.values() for number in (*numbers[:2], numbers[-1])}
  last = {name: (number, text) for number, step in enumerate(trace.steps) for name, text in step.changes}
  states = {}
  for name, (number, text) in last.items():
    if number in shown:
      try:
        states[name] = ast.literal_eval(text)
      except (ValueError, SyntaxError):  # abridged, or no plain value: nothing to read off
        continue
  return states


def holders(candidates: Sequence[str], trace: schema.Trace, wanted: Any) -> tuple[list[str], list[str]]:
  """(candidates that have the value `wanted` at the end, names besides the candidates' that have it)."""
  states = last_states(trace)
  names = {candidate.partition("[")[0] for candidate in candidates}
  return (
      [candidate for candidate in candidates if _holds(candidate, states, wanted)],
      [name for name, value in states.items() if name not in names and value == wanted],
  )


def _holds(candidate: str, states: dict[str, Any], wanted: Any) -> bool:
  name, _, index = candidate.rstrip("]").partition("[")
  if name not in states:
    return False
  if not index:
    return states[name] == wanted
  value, key = states[name], ast.literal_eval(index)
  items = value if isinstance(value, dict) else dict(enumerate(value))
  return key in items and items[key] == wanted
