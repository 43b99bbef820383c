"""Programs as the pages show them: with their states, and with what a fix changes."""

import difflib

from next_jax import schema
from next_jax.tracing.annotation import inline


def annotated(task: schema.RepairTask) -> list[list[str]]:
  """[code, comment with the states] of each line of the program to repair; comments are "" without a trace."""
  code = task.buggy_code.rstrip("\n").split("\n")
  if task.trace is None:
    return [[line, ""] for line in code]
  lines = inline.annotate(task.buggy_code, task.trace).rstrip("\n").split("\n")
  if len(lines) < len(code) or not all(line.startswith(c.rstrip()) for line, c in zip(lines, code, strict=False)):
    return [[line, ""] for line in lines]
  code += [""] * (len(lines) - len(code))
  return [[c.rstrip(), line[len(c.rstrip()) :].rstrip()] for line, c in zip(lines, code, strict=True)]


def diff(before: str, after: str, context: int = 8) -> str:
  """The unified diff without the two lines of file names; "" when nothing but white space at line ends differs."""
  old = [line.rstrip() for line in before.strip("\n").split("\n")]
  new = [line.rstrip() for line in after.strip("\n").split("\n")]
  lines = list(difflib.unified_diff(old, new, n=context, lineterm=""))[2:]
  if sum(line.startswith("@@") for line in lines) == 1:
    lines = lines[1:]  # one hunk is the whole of a short program: its position says nothing
  return "\n".join(lines)
