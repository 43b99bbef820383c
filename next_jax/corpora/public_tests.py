"""Extracts tests that a prompt can show from HumanEval's test programs and docstrings."""

import ast
from collections.abc import Iterator
import doctest


def asserts(program: str, entry_point: str) -> Iterator[str]:
  """The self-contained asserts of `check`: they call the entry point and use no variable of `check`."""
  (check,) = (n for n in ast.parse(program).body if isinstance(n, ast.FunctionDef) and n.name == "check")
  (parameter,) = check.args.args
  bound = {n.id for n in ast.walk(check) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
  bound |= {a.asname or a.name for n in ast.walk(check) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
  for statement in check.body:
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    if not isinstance(statement, ast.Assert) or any(name.id in bound for name in names):
      continue
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    if not any(isinstance(function, ast.Name) and function.id == parameter.arg for function in calls):
      continue
    # Drop the message, which tells a model nothing.
    source = ast.get_source_segment(program, statement.test) or "\n"
    if parameter.arg != entry_point or "\n" in source:
      for name in names:
        name.id = entry_point if name.id == parameter.arg else name.id
      source = ast.unparse(statement.test)
    yield f"assert {source}"


def examples(docstring: str, entry_point: str) -> Iterator[str]:
  """The examples of a docstring, `>>> f(1)` with `2` below it, as asserts."""
  try:
    examples = doctest.DocTestParser().get_examples(docstring)
  except ValueError:  # not in doctest's format
    return
  for example in examples:
    try:
      call = ast.unparse(ast.parse(example.source.strip(), mode="eval"))  # drops a trailing comment
      want = ast.literal_eval(example.want.strip().split("\n")[0])
    except (ValueError, SyntaxError):
      continue
    if f"{entry_point}(" in call:
      yield f"assert {call} == {want!r}"
