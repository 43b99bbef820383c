"""Tests as the judge runs them: compiled once, and able to say what was got and what was expected."""

import ast
import builtins
import dataclasses
import functools
import re
import reprlib
import symtable
import types
from collections.abc import Mapping
from typing import Any

_GOT = "__next_jax_got"
_EXPECTED = "__next_jax_expected"
_MAX_DETAIL = 500  # characters
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Test:
  """A compiled test.

  Attributes:
    source: as given.
    code: to be executed in a namespace where the entry point is bound.
    comparisons: text of the left side of each `assert left == right`, by its line.
    free_names: global names that it reads and does not bind itself.
    bound_names: global names that it binds, for the tests after it.
  """

  __test__ = False
  source: str
  code: types.CodeType
  comparisons: Mapping[int, str]
  free_names: frozenset[str]
  bound_names: frozenset[str]


@functools.lru_cache(maxsize=4096)
def compile_test(source: str) -> Test:
  """Raises SyntaxError and ValueError (null bytes) as `compile` does."""
  tree = ast.parse(source)
  free, bound = _global_names(source)
  rewriter = _KeepSides(source)
  tree = ast.fix_missing_locations(rewriter.visit(tree))
  return Test(
      source=source,
      code=compile(tree, "<test>", "exec", dont_inherit=True),
      comparisons=rewriter.comparisons,
      free_names=free,
      bound_names=bound,
  )


def names_missing(tests: list[Test], known: set[str]) -> set[str]:
  """Names that tests read, in their order, and that neither `known` nor an earlier test binds."""
  known = known | vars(builtins).keys()
  missing = set()
  for test in tests:
    known = known | test.bound_names
    if "*" not in known:
      missing |= test.free_names - known
  return missing


def explain(test: Test, error: AssertionError) -> str:
  """Why an assertion was false, in words: "f(1) returned 2, expected 3"."""
  line, frame = None, None
  traceback = error.__traceback__
  while traceback is not None:
    if traceback.tb_frame.f_code.co_filename == "<test>":
      line, frame = traceback.tb_lineno, traceback.tb_frame
    traceback = traceback.tb_next
  left = test.comparisons.get(line)
  if left is not None and _GOT in frame.f_locals and _EXPECTED in frame.f_locals:
    verb = "returned" if left.endswith(")") else "is"
    return shorten(f"{left} {verb} {show(frame.f_locals[_GOT])}, expected {show(frame.f_locals[_EXPECTED])}")
  source_lines = test.source.split("\n")
  text = source_lines[line - 1].strip() if line is not None and line <= len(source_lines) else test.source.strip()
  message = f" ({error})" if error.args else ""
  return shorten(f"{text} is false{message}")


def show(value: Any) -> str:
  """A short text for a plain value."""
  try:
    return _REPR.repr(value)
  except Exception as error:  # an int of more digits than Python writes, a nesting too deep
    return f"a {type(value).__name__} that cannot be written ({type(error).__name__})"


def shorten(text: str) -> str:
  """At most 500 characters, and without addresses, which differ from run to run."""
  text = _ADDRESS.sub("", text)
  return text if len(text) <= _MAX_DETAIL else f"{text[: _MAX_DETAIL - 3]}..."


_REPR = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxfrozenset = _REPR.maxdeque = _REPR.maxdict = 20
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 160


class _KeepSides(ast.NodeTransformer):
  """`assert a == b` becomes `assert (got := a) == (expected := b)`."""

  def __init__(self, source):
    self._source = source
    self.comparisons = {}

  def visit_Assert(self, node):
    compare = node.test
    if isinstance(compare, ast.Compare) and len(compare.ops) == 1 and isinstance(compare.ops[0], (ast.Eq, ast.Is)):
      left = ast.get_source_segment(self._source, compare.left) or ""
      self.comparisons[node.lineno] = " ".join(left.split())[:200]
      compare.left = ast.NamedExpr(ast.Name(_GOT, ast.Store()), compare.left)
      compare.comparators[0] = ast.NamedExpr(ast.Name(_EXPECTED, ast.Store()), compare.comparators[0])
    return node


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
