"""Reads values off a trace: the last values of names, as far as the prompt shows them."""

import ast
from collections.abc import Sequence
from typing import Any

from next_jax import schema


def last_states(trace: schema.Trace) -> dict[str, Any]:
  """Name -> its last value, for names whose last value the prompt shows in full.

  The prompt omits the visits of a line between the second and the last. Names that changed last in such a visit are
  left out.
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
      except (ValueError, SyntaxError):  # abridged, or not a plain value
        continue
  return states


def holders(candidates: Sequence[str], trace: schema.Trace, wanted: Any) -> tuple[list[str], list[str]]:
  """(candidates whose last value is `wanted`, other names whose last value is `wanted`)."""
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
