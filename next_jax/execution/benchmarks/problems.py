"""Problems: reads benchmark files as their authors publish them, and gives all problems one shape."""

import ast
from collections.abc import Iterable, Mapping
import dataclasses
import os
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.execution import program as program_lib
from next_jax.execution.benchmarks import plus
from next_jax.execution.judging import assertions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
  """One problem of a benchmark.

  Attributes:
    task_id: The file's task id, as text ("11", "HumanEval/0", "Python/0").
    prompt: Program text that a completion continues; "" if the completion is the whole program.
    entry_point: Function that the tests call.
    setup_code: Source that runs before the program and before the tests.
    tests: Sources that raise when they are not satisfied.
    canonical: A whole program that is right.
    buggy: A whole program that is wrong, if the benchmark is about repair; else None.
    instruction: What the program should do, in words.
    bug_type: Kind of bug in `buggy`, in the benchmark's own words; "" if it does not say.
    inputs: Inputs of HumanEval+ and MBPP+, which have no tests until `plus.with_tests` makes them; else None.
    reference_cpu_seconds: CPU seconds that `canonical` took in `plus.with_tests`; None if not measured.
    left_out: "base" and "plus" -> indices of inputs that are in no test, as their right output is over the limits.
  """

  task_id: str
  prompt: str
  entry_point: str
  setup_code: str
  tests: tuple[str, ...]
  canonical: str
  buggy: str | None = None
  instruction: str = ""
  bug_type: str = ""
  inputs: plus.Inputs | None = None
  reference_cpu_seconds: float | None = None
  left_out: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)

  def program(self, code: str, sample_index: int = 0, cpu_seconds: float | None = None) -> program_lib.Program:
    """The whole program `code` with this problem's tests."""
    return program_lib.Program(
        task_id=self.task_id,
        sample_index=sample_index,
        code=code,
        entry_point=self.entry_point,
        setup_code=self.setup_code,
        tests=self.tests,
        cpu_seconds=cpu_seconds,
    )


def read_problems(path: epath.PathLike) -> list[Problem]:
  """Reads MBPP, sanitized MBPP, HumanEval, HumanEvalPack, HumanEval+ or MBPP+, plain or .gz.

  The keys of each row tell which it is. Raises errors.UserError with file and line.
  """
  problems: list[Problem] = []
  lines: dict[str, Any] = {}
  for where, row in _rows(path):
    try:
      problem = _problem(row)
    except errors.UserError as error:
      raise errors.ExecutionError(f"{where}: {error}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # of the parser
      raise errors.ExecutionError(f"{where}: expected Python code, found {type(error).__name__}: {error}") from None
    if problem.task_id in lines:
      raise errors.ExecutionError(
          f"{where}: task_id {problem.task_id!r} is also at {lines[problem.task_id]}; keep one of them"
      )
    lines[problem.task_id] = where
    problems.append(problem)
  if not problems:
    raise errors.ExecutionError(f"{os.fspath(path)}: no problems in the file; expected one JSON object a line")
  return problems


def _rows(path):
  name = os.fspath(path).removesuffix(".gz")
  if name.endswith(".json"):  # sanitized-mbpp.json is one list
    rows = files.read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
      raise errors.ExecutionError(f"{os.fspath(path)}: expected a list of JSON objects, found {type(rows).__name__}")
    yield from ((f"{os.fspath(path)}: row {number}", row) for number, row in enumerate(rows, 1))
  else:
    yield from ((f"{os.fspath(path)}:{number}", row) for number, row in files.read_jsonl_objects(path))


def _problem(row: dict[str, Any]) -> Problem:
  if "test_list" in row:
    return _mbpp(row)
  if "buggy_solution" in row:
    return _human_eval(row, buggy=True)
  if "plus_input" in row:  # these have a `test` too: HumanEval's own, which has no expected outputs for them
    return _plus(row)
  if "entry_point" in row and "test" in row:
    return _human_eval(row, buggy=False)
  raise errors.ExecutionError(
      f"found the keys {', '.join(map(repr, row)) or 'none'}; expected those of MBPP (task_id, code, test_list), of"
      " HumanEval (task_id, prompt, entry_point, canonical_solution, test) or of HumanEvalPack (and buggy_solution)"
  )


def _text(row, key):
  if key not in row:
    raise errors.ExecutionError(f"key {key!r} is missing")
  if not isinstance(row[key], str):
    raise errors.ExecutionError(f"key {key!r}: expected str, found {type(row[key]).__name__}")
  return row[key]


def _optional(row, key):
  return "" if row.get(key) is None else _text(row, key)


def _strings(row, key):
  values = row.get(key) or []
  if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
    raise errors.ExecutionError(f"key {key!r}: expected a list of one or more strings")
  return [value.replace("\r\n", "\n") for value in values]


def _mbpp(row):
  if type(row.get("task_id")) not in (int, str):
    raise errors.ExecutionError(f"key 'task_id': expected a number or text, found {row.get('task_id')!r}")
  code = _text(row, "code").replace("\r\n", "\n")
  tests = _strings(row, "test_list") + _strings(row, "challenge_test_list")
  if not tests:
    raise errors.ExecutionError("key 'test_list': expected a list of one or more strings")
  setup_code = _optional(row, "test_setup_code").replace("\r\n", "\n") or "\n".join(_strings(row, "test_imports"))
  if setup_code and assertions.names_missing([assertions.compile_test(setup_code)], set()):
    # It builds values with classes of the solution, so it can only run after the solution.
    tests[0] = f"{setup_code.rstrip()}\n{tests[0]}"
    setup_code = ""
  return Problem(
      task_id=str(row["task_id"]),
      prompt="",
      entry_point=entry_point(code, tests),
      setup_code=setup_code,
      tests=tuple(tests),
      canonical=code,
      instruction=_optional(row, "text") or _optional(row, "prompt"),
  )


def entry_point(code: str, tests: Iterable[str]) -> str:
  """The function of `code` that the tests call; MBPP does not name it.

  It is the first name that is called and that the program defines. Each test is read from left to
  right and from the outside in: `sum` in `assert sum(1)` if the program defines a `sum`, but `f` in
  `assert set(f(1))`. Functions go before classes. Raises ExecutionError if there is none.
  """
  functions, others = [], []
  for node in ast.parse(code).body:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
      functions.append(node.name)
    elif isinstance(node, ast.ClassDef):
      others.append(node.name)
    elif isinstance(node, ast.Assign):  # f = lambda x: ...
      others += [target.id for target in node.targets if isinstance(target, ast.Name)]
  defined = functions + others
  called = []
  for test in tests:
    for statement in ast.parse(test).body:
      if isinstance(statement, ast.Assert):
        functions_called = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
        called += [node.id for node in functions_called if isinstance(node, ast.Name) and node.id in defined]
  # Tests also call classes, to build arguments; then they test a function.
  for name in called:
    if name in functions:
      return name
  if called:
    return called[0]
  raise errors.ExecutionError(f"no test calls what the program defines ({', '.join(defined) or 'nothing'})")


def _human_eval(row, buggy):
  prompt, name, test = (_text(row, key) for key in ("prompt", "entry_point", "test"))
  task_id, canonical = _text(row, "task_id"), _text(row, "canonical_solution")
  if f"check({name})" not in test:
    test = f"{test.rstrip()}\n\ncheck({name})\n"
  # HumanEvalPack's key "instruction" is for writing the program; this is OctoPack's instruction to repair it.
  instruction = f"Fix bugs in {name}." if buggy else _optional(row, "instruction") or _optional(row, "text")
  return Problem(
      task_id=task_id,
      prompt=prompt,
      entry_point=name,
      setup_code=_before_entry_point(prompt, name),
      tests=(test,),
      canonical=prompt + canonical,
      buggy=prompt + _text(row, "buggy_solution") if buggy else None,
      instruction=instruction,
      bug_type=_optional(row, "bug_type"),
  )


def _plus(row):
  prompt, name = _text(row, "prompt"), _text(row, "entry_point")
  return Problem(
      task_id=_text(row, "task_id"),
      prompt=prompt,
      entry_point=name,
      setup_code="",
      tests=(),
      canonical=prompt + _text(row, "canonical_solution"),
      inputs=plus.inputs_of_row(row),
  )


def _before_entry_point(prompt, name):
  """The prompt's imports and helper functions, which some tests use too."""
  try:
    tree = ast.parse(f"{prompt.rstrip()}\n  pass\n")
  except SyntaxError:
    try:
      tree = ast.parse(prompt)
    except SyntaxError:
      return ""  # for instance, it ends in the middle of an expression
  body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == name)]
  return ast.unparse(ast.Module(body=body, type_ignores=[])) if body else ""
