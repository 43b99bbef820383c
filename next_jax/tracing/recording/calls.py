"""Calls: finds the call of a program in a test, so that it can be traced."""

import ast
import dataclasses

from next_jax import errors


class CallError(errors.TracingError):
  """The test has no call to trace."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestCall:
  """The first call of the entry point in a test.

  Attributes:
    call: The source of the call expression.
    preceding: Source of the test's statements before the one with the call, which may define its arguments; empty
      for the usual single `assert`.
  """

  __test__ = False  # not a test case, whatever pytest thinks of the name
  call: str
  preceding: str = ""


def traced_call(test: str, entry_point: str) -> str:
  """The first call of `entry_point` in the source of a test.

  `assert set(separate([1])) == {1}` gives `separate([1])`. Calls are taken in the order of evaluation, so of
  `f(f(2))` it is `f(2)`. Arguments may name what earlier statements of the test define: see `test_call`.

  Raises:
    CallError: the test does not compile, or does not call the entry point.
  """
  return test_call(test, entry_point).call


def test_call(test: str, entry_point: str) -> TestCall:
  """As `traced_call`, with the statements of the test that run before the call."""
  try:
    tree = ast.parse(test)
  except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
    raise CallError(f"the test {_shown(test)} does not compile: {error}; correct the test") from None
  for i, statement in enumerate(tree.body):
    call = _first_call(statement, entry_point)
    if call is not None:
      preceding = "\n".join(ast.unparse(before) for before in tree.body[:i])
      source = ast.get_source_segment(test, call)
      if source is None or "\n" in source or "\r" in source:
        source = ast.unparse(call)
      return TestCall(call=source, preceding=preceding)
  raise CallError(
      f"the test {_shown(test)} does not call {entry_point!r}; give a test with a call of it, or the right entry point"
  )


test_call.__test__ = False  # type: ignore[attr-defined]  # as for TestCall


_Scope = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda
_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


def _first_call(statement: ast.stmt, entry_point: str) -> ast.AST | None:
  """The call or, where a comprehension or a lambda binds its arguments, the outermost call around that."""
  path = _path(statement, entry_point)
  if path is None:
    return None
  for i, node in enumerate(path):
    if isinstance(node, _SCOPES) and not _is_outside(node, path[i + 1 :]):
      calls = [outer for outer in path[:i] if isinstance(outer, ast.Call)]
      return calls[0] if calls else node
  return path[-1]


def _path(node: ast.AST, entry_point: str) -> list[ast.AST] | None:
  """From a node down to the first call, depth first: arguments are evaluated before the call that takes them."""
  for child in ast.iter_child_nodes(node):
    path = _path(child, entry_point)
    if path is not None:
      return [node, *path]
  if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point:
    return [node]
  return None


def _is_outside(scope: _Scope, path: list[ast.AST]) -> bool:
  """Whether a path leads to the first iterable of a comprehension, which is evaluated outside of it."""
  return not isinstance(scope, ast.Lambda) and path[0] is scope.generators[0] and path[1] is scope.generators[0].iter


def _shown(test: str) -> str:
  text = " ".join(test.split())
  return repr(text if len(text) <= 100 else text[:97] + "...")
