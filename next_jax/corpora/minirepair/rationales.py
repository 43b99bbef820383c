"""Writes rationales from templates: what went wrong, what a step of the trace shows, which line to change.

    The call returns 3 but should return 4. At step (4) total=3. Line 4 "if n < 2:" should be "if n <= 2:".

A rationale can describe any change of a program, right or wrong. Half of the demonstrations are wrong and just as
confident, so that the base model learns to guess.
"""

import random
import re

from next_jax import schema

_MAX_VALUE_LENGTH = 14
_MAX_RESULTS_LENGTH = 36

State = tuple[int, int, str, str]  # step, line, name, value


def write(
    rng: random.Random, task: schema.RepairTask, fix: str, state: State | None = None
) -> tuple[str, str]:
  """(rationale, rationale without trace) for changing the buggy code of a traced task into `fix`.

  The first quotes the trace: observed value, step numbers, states. The second uses only the task, its tests and the
  change.

  Args:
    rng: Chooses the templates.
    task: A task with a trace.
    fix: The changed program.
    state: State to quote; None chooses one that concerns the changed line, or by chance none.
  """
  expected = task.public_tests[0].rpartition(" == ")[2]
  place = _place(rng, task.buggy_code, fix)
  assert task.trace is not None, task.task_id
  observation = _observation(rng, task.trace, expected)
  fact = _fact(rng, task, fix, expected) if state is None else _quote(rng, state)
  form = rng.randrange(4 if state is None else 3)
  if not fact or form == 3:
    sentences = [observation, place]
  elif form == 2:
    sentences = [fact, observation, place]
  else:
    sentences = [observation, fact, place]
  expectation = rng.choice((f"The first test expects {expected}.", f"It should return {expected}.", ""))
  if len(expected) > _MAX_RESULTS_LENGTH // 2:
    expectation = ""
  return " ".join(sentences), " ".join(filter(None, (expectation, place)))


def of_reference(rng: random.Random, task: schema.RepairTask) -> str:
  """The rationale of the reference for prompts that show the trace; for a control that is tuned on references."""
  return write(rng, task, task.reference_code)[0]


def of_reference_without_trace(rng: random.Random, task: schema.RepairTask) -> str:
  """The rationale of the reference for prompts without trace."""
  return write(rng, task, task.reference_code)[1]


def _observation(rng: random.Random, trace: schema.Trace, expected: str) -> str:
  if trace.outcome == "truncated":
    if len(expected) > _MAX_RESULTS_LENGTH // 2:
      return "The call never ends."
    return rng.choice((f"The call never ends but should return {expected}.", f"It never ends, expected {expected}."))
  if trace.outcome == "raised":
    error = trace.detail.partition(":")[0]
    if len(expected) > _MAX_RESULTS_LENGTH // 2:
      return f"The call raises {error}."
    return rng.choice((
        f"The call raises {error} but should return {expected}.",
        f"Expected {expected}, got {error}.",
        f"It raises {error} instead of returning {expected}.",
    ))
  if len(expected) + len(trace.detail) > _MAX_RESULTS_LENGTH:
    return rng.choice(("The call returns a wrong value.", "The result is wrong."))
  return rng.choice((
      f"The call returns {trace.detail} but should return {expected}.",
      f"Expected {expected}, got {trace.detail}.",
      f"It returns {trace.detail} instead of {expected}.",
  ))


def _fact(rng: random.Random, task: schema.RepairTask, fix: str, expected: str) -> str:
  """Quotes a state of a variable of the changed line, if possible one that equals the expected value, else ""."""
  old_lines, new_lines = task.buggy_code.split("\n"), fix.split("\n")
  line = _first_difference(old_lines, new_lines)
  new_names = set(_identifiers(new_lines[line])) if line < len(new_lines) else set()
  names = new_names | set(_identifiers(old_lines[line])) if line < len(old_lines) else new_names
  assert task.trace is not None, task.task_id
  shown = shown_states(task.trace)
  goals = [state for state in shown if state[2] in new_names and state[3] == expected]
  if goals and len(goals[-1][3]) <= _MAX_VALUE_LENGTH:
    return _quote(rng, goals[-1])
  states = [item for item in shown if item[2] in names and len(item[3]) <= _MAX_VALUE_LENGTH and item[0] > 0]
  here = [item for item in states if item[1] == line + 1]
  candidates = here or states
  if not candidates:
    return ""
  return _quote(rng, rng.choice(candidates))


def _quote(rng: random.Random, state: State) -> str:
  step, _, name, value = state
  return rng.choice((f"At step ({step}) {name}={value}.", f"Step ({step}) has {name}={value}."))


def shown_states(trace: schema.Trace) -> list[State]:
  """The states that the prompt shows: those of the first two visits and the last visit of each line."""
  visits: dict[int, list[int]] = {}
  for number, step in enumerate(trace.steps):
    if step.changes or step.value is not None:
      visits.setdefault(step.line, []).append(number)
  shown = sorted({number for numbers in visits.values() for number in (*numbers[:2], numbers[-1])})
  return [
      (number, trace.steps[number].line, name, value)
      for number in shown
      for name, value in trace.steps[number].changes
  ]


def _place(rng: random.Random, old: str, new: str) -> str:
  """The sentence that says which line to change, and how."""
  old_lines, new_lines = old.split("\n"), new.split("\n")
  line = _first_difference(old_lines, new_lines)
  number = line + 1
  if len(old_lines) > len(new_lines):
    return f'Line {number} "{old_lines[line].strip()}" should be removed.'
  if len(old_lines) < len(new_lines):
    return f'A line "{new_lines[line].strip()}" is missing after line {number - 1}.'
  before, after = old_lines[line].strip(), new_lines[line].strip()
  if before == after:
    outwards = _indentation(new_lines[line]) < _indentation(old_lines[line])
    return f'Line {number} "{before}" should be {"outside" if outwards else "inside"} the loop.'
  others = [index for index in range(line + 1, len(old_lines)) if old_lines[index] != new_lines[index]]
  if others:
    return f"Lines {number} and {others[-1] + 1} should change places."
  return rng.choice((
      f'Line {number} "{before}" should be "{after}".',
      f'Line {number} has "{before}" but needs "{after}".',
      f'Change line {number} to "{after}".',
      f'Line {number} should be "{after}".',
  ))


def _first_difference(old_lines: list[str], new_lines: list[str]) -> int:
  for index, (old, new) in enumerate(zip(old_lines, new_lines, strict=False)):
    if old != new:
      return index
  return min(len(old_lines), len(new_lines))


def _indentation(line: str) -> int:
  return len(line) - len(line.lstrip())


def _identifiers(line: str) -> list[str]:
  return re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", line))
