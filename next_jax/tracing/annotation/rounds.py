"""Rounds: whether the loop around a line iterated between two visits of the line without reaching it."""

from next_jax import schema
from next_jax.tracing import statements


def left_out(steps: tuple[schema.Step, ...], layout: statements.Statements, before: int, after: int) -> bool:
  """Whether, within one frame, the innermost loop went round without a visit between two steps of a logical line.

  before, after: numbers of the steps.

  A trace does not say which frame a step belongs to; the latest call of the function that has not returned is
  taken. An exception that ended frames of a recursion may make it the wrong one: then a `...` may be missing.
  """
  last = steps[before].line
  function, loop = layout.function[last], layout.loop[last]
  if not loop or steps[before].event == "return":
    return False
  end, binds = max(layout.end[loop], loop), layout.flags[loop] & statements.BINDS
  rounds = depth = 0  # depth: of calls of the function inside of the frame
  for number in range(before + 1, after + 1):
    step = steps[number]
    line = step.line
    if layout.function[line] != function:
      continue
    if step.event == "call":
      depth += 1
    if not depth and loop <= line <= end:
      rounds += line == loop or (layout.loop[line] == loop and line <= last and not binds)
      last = line
    if step.event == "return" and number < after:
      depth -= 1
      if depth < 0:
        return False
  return not depth and rounds > 1
