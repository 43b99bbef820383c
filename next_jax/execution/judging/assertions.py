"""Assertions: compiles tests for the judge, and says what an assertion got and what it expected."""

import ast
import builtins
from collections.abc import Mapping
import dataclasses
import functools
import json
import re
import reprlib
import symtable
import types
from typing import Any

from next_jax.execution.judging import plain_data

_GOT = "__next_jax_got"
_EXPECTED = "__next_jax_expected"
_MAX_DETAIL = 500  # characters
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Test:
  """A compiled test.

  Attributes:
    source: Source as given.
    code: Code to execute in a namespace where the entry point is bound.
    comparisons: Line of each `assert left == right` -> its left side.
    free_names: Global names that it reads and does not bind.
    bound_names: Global names that it binds, for the tests after it.
    calls: The calls of the entry point with which it certainly begins, unless it fails in between;
      arguments and keywords as JSON. They can be made before the test asks for them.
    calls_are_all: Whether it makes no other calls.
  """

  __test__ = False
  source: str
  code: types.CodeType
  comparisons: Mapping[int, ast.expr]
  free_names: frozenset[str]
  bound_names: frozenset[str]
  calls: tuple[str, ...]
  calls_are_all: bool


@functools.lru_cache(maxsize=4096)
def compile_test(source: str, entry_point: str = "") -> Test:
  """Compiles a test. Raises SyntaxError and ValueError (null bytes) as `compile` does."""
  tree = ast.parse(source)
  free, bound = _global_names(source)
  calls, calls_are_all = _foreseeable_calls(tree.body, entry_point)
  rewriter = _KeepSides()
  rewriter.visit(tree)
  return Test(
      source=source,
      code=compile(tree, "<test>", "exec", dont_inherit=True),
      comparisons=rewriter.comparisons,
      free_names=free,
      bound_names=bound,
      calls=tuple(calls),
      calls_are_all=calls_are_all,
  )


def names_missing(tests: list[Test], known: set[str]) -> set[str]:
  """Names that the tests, run in order, read although neither `known` nor an earlier test binds them."""
  known = known | vars(builtins).keys()
  missing: set[str] = set()
  for test in tests:
    known = known | test.bound_names
    if "*" not in known:
      missing |= test.free_names - known
  return missing


class Explained(AssertionError):
  """A false assertion whose message says why it is false."""


def explain(test: Test, error: AssertionError) -> str:
  """Says why an assertion was false: "f(1) returned 2, expected 3"."""
  if isinstance(error, Explained):
    return shorten(str(error))
  line, frame = None, None
  traceback = error.__traceback__
  while traceback is not None:
    if traceback.tb_frame.f_code.co_filename == "<test>":
      line, frame = traceback.tb_lineno, traceback.tb_frame
    traceback = traceback.tb_next
  compared = test.comparisons.get(line) if line is not None else None
  if compared is not None and frame is not None and _GOT in frame.f_locals and _EXPECTED in frame.f_locals:
    left = ast.get_source_segment(test.source, compared) or ""
    left = " ".join(left.split())[:200]
    verb = "returned" if left.endswith(")") else "is"
    return shorten(f"{left} {verb} {show(frame.f_locals[_GOT])}, expected {show(frame.f_locals[_EXPECTED])}")
  source_lines = test.source.split("\n")
  text = source_lines[line - 1].strip() if line is not None and line <= len(source_lines) else test.source.strip()
  message = f" ({_message(error)})" if error.args else ""
  return shorten(f"{text} is false{message}")


def describe(error: BaseException, where: str = "") -> str:
  """An exception's type and message, shortened; `where` comes between them."""
  message = _message(error)
  name = f"{type(error).__name__}{where}"
  return shorten(f"{name}: {message}" if message else name)


def _message(error):
  try:
    return str(error)
  except (Exception, SystemExit, KeyboardInterrupt) as second:  # of a test's own class, for instance
    return f"its message cannot be written ({type(second).__name__})"


def show(value: Any) -> str:
  """A short text for a plain value."""
  try:
    return _REPR.repr(value)
  except Exception as error:  # an int of more digits than Python writes, a nesting too deep
    return f"a {type(value).__name__} that cannot be written ({type(error).__name__})"


def shorten(text: str) -> str:
  """Cuts a text to 500 characters that a file can hold, and removes addresses, which differ between runs."""
  text = _ADDRESS.sub("", text).encode("utf-8", "replace").decode()  # no lone surrogates
  return text if len(text) <= _MAX_DETAIL else f"{text[: _MAX_DETAIL - 3]}..."


_REPR = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxfrozenset = _REPR.maxdeque = _REPR.maxdict = 20
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 160


class _KeepSides(ast.NodeTransformer):
  """`assert a == b` becomes `assert (got := a) == (expected := b)`."""

  def __init__(self):
    self.comparisons = {}

  def visit_Expr(self, node):  # expressions hold no assertions, and can be large
    return node

  def visit_Assert(self, node):
    compare = node.test
    if isinstance(compare, ast.Compare) and len(compare.ops) == 1 and isinstance(compare.ops[0], (ast.Eq, ast.Is)):
      self.comparisons[node.lineno] = compare.left
      compare.left = _named(_GOT, compare.left)
      compare.comparators[0] = _named(_EXPECTED, compare.comparators[0])
    return node


def _named(name, value):
  target = ast.copy_location(ast.Name(name, ast.Store()), value)
  return ast.copy_location(ast.NamedExpr(target, value), value)


def _global_names(source):
  free, bound = set(), set()
  top = symtable.symtable(source, "<test>", "exec")
  tables = [top]
  while tables:
    table = tables.pop()
    tables.extend(table.get_children())
    for symbol in table.get_symbols():
      name = symbol.get_name()
      if table is top:
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
          bound.add(name)
        elif symbol.is_referenced():
          free.add(name)
      elif symbol.is_global():
        if symbol.is_assigned() or symbol.is_imported():
          bound.add(name)
        elif symbol.is_referenced():
          free.add(name)
  if "import *" in source:
    bound.add("*")
  return frozenset(free - bound), frozenset(bound)


def call_text(arguments: list, keywords: dict[str, Any]) -> str:
  """The text of a call with these encoded arguments; the same arguments give the same text."""
  return json.dumps([arguments, keywords], separators=(",", ":"))


def _foreseeable_calls(body, name):
  """(texts of the calls of `name` with which these statements certainly begin, whether they make no others)."""
  calls = []
  for index, statement in enumerate(body):
    if isinstance(statement, ast.FunctionDef) and index == len(body) - 2 and _is_check(statement, body[-1], name):
      # def check(candidate): ... and then check(name)
      inner, complete = _foreseeable_calls(statement.body, statement.args.args[0].arg)
      return calls + inner, complete
    nodes = list(ast.walk(statement))
    uses = sum(isinstance(node, ast.Name) and node.id == name for node in nodes)
    if isinstance(statement, ast.Assert):
      found = _literal_calls(nodes if uses == 1 else _in_order(statement), name)
      if len(found) != uses:
        return calls, False
      calls += found
    elif uses or not isinstance(statement, (ast.Expr, ast.Assign, ast.Import, ast.ImportFrom)):
      return calls, False
  return calls, True


def _is_check(function, last, name):
  arguments = function.args
  return (
      isinstance(last, ast.Expr)
      and isinstance(last.value, ast.Call)
      and isinstance(last.value.func, ast.Name)
      and last.value.func.id == function.name
      and [node.id for node in last.value.args if isinstance(node, ast.Name)] == [name]
      and len(last.value.args) == len(arguments.args) == 1
      and not (last.value.keywords or arguments.vararg or arguments.kwonlyargs or arguments.kwarg)
  )


def _literal_calls(nodes, name):
  """Texts of the calls of `name` with literal arguments, in the order of the nodes."""
  calls = []
  for node in nodes:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
      try:
        arguments = [plain_data.encode(ast.literal_eval(argument), _refuse) for argument in node.args]
        keywords = {word.arg: plain_data.encode(ast.literal_eval(word.value), _refuse) for word in node.keywords}
      except (ValueError, TypeError):  # not a literal; None, as a name, is `**keywords`
        continue
      if None not in keywords:
        calls.append(call_text(arguments, keywords))
  return calls


def _in_order(node):
  """Nodes in order of evaluation, if none is evaluated conditionally; else the foreseen calls will not match."""
  for child in ast.iter_child_nodes(node):
    yield from _in_order(child)
  yield node


def _refuse(value):
  raise plain_data.NotPlain(type(value).__name__)
