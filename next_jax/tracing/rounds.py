"""Rounds: how often the loop around a line had gone round at each step, to tell visits that follow each other."""

from next_jax import schema
from next_jax.tracing import statements

Round = tuple[int, int]  # number of a frame, rounds that the innermost loop around the line has gone there


def left_out(before: Round, after: Round) -> bool:
  """Whether, within one frame, the loop went round without a visit in between."""
  return before[0] == after[0] and after[1] - before[1] > 1


def of_steps(steps: tuple[schema.Step, ...], layout: statements.Statements) -> list[Round]:
  """The round of each step.

  A trace does not say which frame a step belongs to; the latest call of the function that has not returned is
  taken. An exception that ended frames of a recursion may make it the wrong one: then a `...` may be missing.
  """
  frames: dict[int, list[tuple[int, dict[int, list[int]]]]] = {}  # function -> [(number, loop -> [rounds, last line])]
  loops = sorted(set(layout.loop) - {0})
  around: dict[int, list[int]] = {}
  result = []
  for number, step in enumerate(steps):
    line = step.line if step.line < len(layout.function) else 0
    stack = frames.setdefault(layout.function[line], [])
    if step.event == "call" or not stack:
      stack.append((number, {}))
    frame, state = stack[-1]
    if line not in around:
      around[line] = [
          loop for loop in loops
          if loop <= line <= max(layout.end[loop], loop) and layout.function[loop] == layout.function[line]
      ]
    innermost = layout.loop[line]
    for loop in around[line]:
      count = state.setdefault(loop, [0, 0])
      if line == loop or (loop == innermost and line <= count[1] and not layout.flags[loop] & statements.BINDS):
        count[0] += 1
      count[1] = line
    result.append((frame, state[innermost][0] if innermost in state else 0))
    if step.event == "return":
      stack.pop()
  return result
