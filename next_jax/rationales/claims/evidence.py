"""Evidence: facts from the trace, the source and the public tests of a task, looked up to check claims.

A trace that was not truncated has all that happened in functions of the program; what it does not tell is None
here. A `schema.Trace` does not name the call that a step belongs to. So where the program's functions were called
more than once, what a variable holds between its changes is not known.
"""

import ast
import builtins
import dataclasses
import functools
import itertools
import warnings

from next_jax import schema
from next_jax.rationales.claims import literals
from next_jax.rationales.claims import program
from next_jax.tracing.recording import calls

TRUNCATED_BY_SIZE = "value size"  # how `Trace.detail` begins when a value grew too large, which is no endless loop


@dataclasses.dataclass(frozen=True, kw_only=True)
class TraceState:
  """A value that a variable had.

  Attributes:
    step: The step that assigned it.
    literal: The value.
  """

  step: int
  literal: literals.Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublicTest:
  """A public test: its call, and the result it expects where it says one."""

  __test__ = False  # not a test case for pytest, despite the name
  call: str | None
  arguments: tuple[literals.Literal, ...]
  expected: literals.Literal | None


class Evidence:
  """What is known of one traced task.

  Attributes:
    trace: Trace of the task.
    is_complete: Whether the trace has all steps of the call.
    has_inner_calls: Whether functions of the program called each other or themselves.
    has_one_frame: Whether each function was called once at most and shares no variable's name with another, so that it
      is known at every step what a variable holds.
    result: What the call returned; None when it did not return.
    raised: Name of the exception that ended the call; None when none did.
    tests: The public tests; the trace runs the first.
    variables: Names that the program binds in its functions.
    functions: Names of the functions that the program defines.
    source_lines: Lines of the program, stripped.
  """

  def __init__(self, task: schema.RepairTask):
    """Never raises: for a source that does not parse, only the trace is known. The task must be traced."""
    assert task.trace is not None, task.task_id
    self.trace = task.trace
    self.entry_point = task.entry_point
    self.is_complete = task.trace.outcome != "truncated"
    self.result = literals.of_text(task.trace.detail) if task.trace.outcome == "returned" else None
    self.raised = task.trace.detail.partition(":")[0] if task.trace.outcome == "raised" else None
    self.tests = tuple(_test(test, task.entry_point) for test in task.public_tests)
    self.source_lines = frozenset(line.strip() for line in task.buggy_code.splitlines() if line.strip())
    self.num_lines = len(task.buggy_code.splitlines())
    self._program = program.TracedProgram(task.buggy_code, task.setup_code)
    self.functions = frozenset(self._program.functions) | {task.entry_point}
    self.states: dict[str, list[TraceState]] = {}
    self._visits: dict[int, list[int]] = {}
    for number, step in enumerate(self.trace.steps):
      self._visits.setdefault(step.line, []).append(number)
      for name, value in step.changes:
        self.states.setdefault(name, []).append(TraceState(step=number, literal=_literal(value)))
    self.has_inner_calls = sum(step.event == "call" for step in self.trace.steps) > 1
    self.has_one_frame = self._has_one_frame()
    self.variables = frozenset(self.states) | frozenset(self._program.bound)
    self.exceptions = [
        (number, step.value) for number, step in enumerate(self.trace.steps) if step.event == "exception" and step.value
    ]

  def _has_one_frame(self) -> bool:
    calls = [step.line for step in self.trace.steps if step.event == "call"]
    if len(calls) > len(set(calls)):
      return False
    functions: dict[str, set[int]] = {}
    for name, states in self.states.items():
      functions[name] = {self._program.function_of(self.trace.steps[state.step].line) for state in states}
    return len(calls) < 2 or all(len(lines) == 1 for lines in functions.values())

  # Variables.

  def is_constant(self, name: str) -> bool:
    """Whether no later step can give the variable another value: an argument of atoms that nothing else binds."""
    states = self.states.get(name, [])
    return (
        self.has_one_frame and len(states) == 1 and states[0].step == 0 and self._program.bound.get(name) == 0
        and states[0].literal.text[:1] not in "[{(<"
    )

  def is_known(self, name: str) -> bool:
    """Whether the trace has all values of the variable."""
    return self.is_complete or self.is_constant(name)

  def value_after(self, name: str, step: int) -> literals.Literal | None:
    """What the variable holds when a step is done; None when it has no value then, or it is not known."""
    before = [state for state in self.states.get(name, ()) if state.step <= step]
    if not before or (not self.has_one_frame and before[-1].step != step):
      return None
    return before[-1].literal

  def is_bound_somewhere(self, name: str) -> bool:
    """Whether the source or Python gives the name a meaning anywhere."""
    return name in self._program.bound or name in self._program.other_names or hasattr(builtins, name)

  def is_used(self, name: str) -> bool:
    return name in self._program.used

  def is_used_outside(self, name: str) -> bool:
    """Whether the name may have values that no trace shows: in a comprehension, or in the module's own body."""
    return name in self._program.untraced or name in self._program.other_names

  # Lines.

  def is_traced_line(self, line: int) -> bool:
    """Whether a run of the line leaves steps: it is a statement of a function that always makes one."""
    return line in self._program.statements

  def visits(self, line: int) -> list[int]:
    """The steps of a line: its own for a simple statement, those of the whole block for a header."""
    line = self._program.first.get(line, line)
    end = self._program.blocks.get(line, line)
    if end == line:
      return self._visits.get(line, [])
    return sorted(number for inside in range(line, end + 1) for number in self._visits.get(inside, ()))

  def count(self, line: int) -> int | None:
    """How often a line ran; None where its steps do not tell."""
    line = self._program.first.get(line, line)
    if line in self._program.blocks:
      rounds = self.rounds(line)
      return None if rounds is None else len(rounds)
    return len(self._visits.get(line, ())) if self.is_traced_line(line) else None

  def loops(self, kind: str | None = None, order: str | None = None) -> list[int]:
    """Lines of the loops that words may mean: kind "for" or "while"; order "outer", "inner", "first", "second"."""
    loops = [
        line for line, (loop_kind, *_) in sorted(self._program.loops.items()) if kind is None or loop_kind == kind
    ]
    if order in ("first", "outer"):
      return loops[:1] if len(loops) > 1 else []
    if order in ("second", "inner"):
      return loops[1:2] if len(loops) == 2 else []
    return loops

  def rounds(self, loop: int) -> list[tuple[int, int]] | None:
    """(first step, last step) of each round of a loop; None where the steps do not tell."""
    if loop not in self._program.loops or self._num_calls_around(loop) != 1:
      return None
    kind, first, end = self._program.loops[loop]
    opening = self._visits.get(loop, []) if kind == "for" else self._visits.get(first, [])
    if kind == "while" and (first in self._program.blocks or not self.is_traced_line(first)):
      return None
    steps = self.trace.steps
    if kind == "for":  # the header of a loop over nothing may be a step that enters no round
      opening = [
          number for number in opening
          if steps[number].changes or number + 1 >= len(steps) or loop < steps[number + 1].line <= end
          or steps[number + 1].event == "call"
      ]
    last = max((n for line in range(loop, end + 1) for n in self._visits.get(line, ())), default=-1)
    return [(start, stop - 1) for start, stop in itertools.pairwise([*opening, last + 1])]

  def _num_calls_around(self, line: int) -> int:
    function = self._program.function_of(line)
    return sum(step.event == "call" and step.line == function for step in self.trace.steps)

  def branch(self, kind: str) -> tuple[int, int] | None:
    """(first, last line) of the program's only "else", "except", "finally", "elif" or "if"; None without one."""
    found = self._program.branches.get(kind, [])
    return found[0] if len(found) == 1 else None

  def condition(self, line: int) -> tuple[int, int, int] | None:
    """(first line of the body, its last line, last line of the statement) of the `if` or `while` on a line."""
    return self._program.conditions.get(line)

  def conditions(self) -> dict[int, str]:
    """Line of each `if` and `while` -> the source of its condition."""
    return self._program.tests

  def own_visits(self, line: int) -> list[int]:
    return self._visits.get(line, [])

  def ran(self, start: int, end: int) -> bool:
    return any(self._visits.get(line) for line in range(start, end + 1))

  # Results.

  def returns_of(self, function: str) -> list[literals.Literal]:
    """The values that calls of a function returned with `return`."""
    start, end = self._program.functions.get(function, (0, -1))
    return [
        _literal(step.value) for step in self.trace.steps
        if step.event == "return" and step.value is not None and start <= step.line <= end
    ]

  def calls_of(self, function: str) -> int:
    start, _ = self._program.functions.get(function, (0, -1))
    return sum(step.event == "call" and step.line == start for step in self.trace.steps)

  def test_of_call(self, call: str) -> int | None:
    """The public test that makes this call."""
    dumped = _dump(call)
    for index, test in enumerate(self.tests):
      if test.call is not None and dumped is not None and _dump(test.call) == dumped:
        return index
    return None

  def is_traced_call(self, call: str) -> bool:
    dumped = _dump(call)
    return dumped is not None and dumped == _dump(self.trace.call)


def is_a(raised: str, name: str) -> bool:
  """Whether an exception is of a class, by name; an IndexError is a "LookupError"."""
  if raised == name:
    return True
  one, other = getattr(builtins, raised, None), getattr(builtins, name, None)
  return isinstance(one, type) and isinstance(other, type) and issubclass(one, other) and other is not Exception


@functools.lru_cache(maxsize=65_536)
def _literal(text: str) -> literals.Literal:
  return literals.of_text(text)


@functools.lru_cache(maxsize=4096)
def _dump(call: str) -> str | None:
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      return ast.dump(ast.parse(call, mode="eval"))
  except (SyntaxError, ValueError, RecursionError, MemoryError):
    return None


def _test(test: str, entry_point: str) -> PublicTest:
  """`assert f(1) == 2`, `assert f(1) is None`, `assert f(1)`, `assert not f(1)`; other forms give only the call."""
  try:
    call = calls.traced_call(test, entry_point)
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      tree, called = ast.parse(test), ast.parse(call, mode="eval").body
  except (calls.CallError, SyntaxError, ValueError, RecursionError, MemoryError):
    return PublicTest(call=None, arguments=(), expected=None)
  arguments: tuple[literals.Literal, ...] = ()
  if isinstance(called, ast.Call):
    arguments = tuple(_literal(ast.unparse(node)) for node in (*called.args, *(k.value for k in called.keywords)))
  return PublicTest(call=call, arguments=arguments, expected=_expected(tree, call))


def _expected(tree: ast.Module, call: str) -> literals.Literal | None:
  asserts = [node for node in tree.body if isinstance(node, ast.Assert)]
  if len(asserts) != 1:
    return None
  test = asserts[0].test
  if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Eq, ast.Is)):
    sides = [ast.unparse(test.left), ast.unparse(test.comparators[0])]
    for one, other in (sides, sides[::-1]):
      if _dump(one) == _dump(call):
        literal = _literal(other)
        return literal if literal.is_exact else None
  return None
