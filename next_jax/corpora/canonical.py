"""Canonical forms: texts that are equal for programs that differ only in names, comments and formatting."""

import ast
import hashlib
import warnings

from next_jax import errors


class CanonicalError(errors.CorpusError):
  """The code does not parse, so it has no canonical form."""


def canonical(code: str) -> str:
  """The canonical form of some code.

  Names that the code binds become v0, v1, ... in order of first occurrence; docstrings and layout are dropped.
  Builtins, attributes and keyword names stay, so `max` and `min` differ.

  Raises:
    CanonicalError: The code does not parse.
  """
  try:
    tree = ast.parse(code)
  except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
    raise CanonicalError(f"expected Python code, found {code[:60]!r} ({error}); give code that parses") from None
  return canonical_tree(tree)


def canonical_tree(tree: ast.AST) -> str:
  """The canonical form of parsed code."""
  bound: set[str] = set()
  parts: list[str | tuple[str]] = []  # a tuple is a name, renamed at the end, when all bound names are known
  write = parts.append

  def emit(value) -> None:
    kind = type(value)
    if kind is ast.Name:
      if type(value.ctx) is not ast.Load:
        bound.add(value.id)
      write((value.id,))
    elif kind is list:
      write("[")
      for item in value:
        if type(item) is ast.Expr and type(item.value) is ast.Constant and type(item.value.value) is str:
          continue  # a docstring or another string statement: no effect
        emit(item)
        write(",")
      write("]")
    elif kind is ast.Constant:
      write(f"{type(value.value).__name__}:{value.value!r}")
    elif isinstance(value, ast.AST):
      write(kind.__name__)
      names = _NAME_FIELDS.get(kind, ())
      write("(")
      for field in kind._fields:
        if field in _IGNORED_FIELDS:
          continue
        child = getattr(value, field, None)
        if child is None:
          write("-")
        elif field not in names:
          emit(child)
        else:
          for name in child if type(child) is list else (child,):
            bound.add(name)
            write((name,))
            write(",")
        write(";")
      write(")")
    else:
      write(repr(value))

  emit(tree)
  numbers: dict[str, str] = {}
  for index, part in enumerate(parts):
    if type(part) is tuple:
      name: str = part[0]
      if name in bound:
        name = numbers.setdefault(name, f"v{len(numbers)}")
      parts[index] = name
  return "".join(parts)  # type: ignore[arg-type]  # no name is left


def compiled(code: str) -> ast.Module | None:
  """The syntax tree of the code, or None if it does not compile; some code parses and does not compile."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # warnings about wrong programs, such as "'int' is not subscriptable"
      tree = ast.parse(code)
      compile(tree, "<program>", "exec")
  except (SyntaxError, ValueError, RecursionError, MemoryError):
    return None
  return tree


def defines(tree: ast.Module, name: str) -> bool:
  """Whether a program binds the name at its top level, including inside `if` and `try`."""
  return name in _defined(tree.body)


def _defined(body: list[ast.stmt]) -> set[str]:
  """Names that the statements bind, including inside `if` and `try`."""
  names: set[str] = set()
  for statement in body:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
      names.add(statement.name)
      continue
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
      names |= {alias.asname or alias.name for alias in statement.names}
    for node in ast.iter_child_nodes(statement):
      names |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
      if isinstance(node, ast.ExceptHandler):
        names |= _defined(node.body)
    names |= _defined([child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)])
  return names


def pair_key(bug: str, fix: str) -> str:
  """Identity of a repair: 16 hexadecimal digits that depend on the canonical forms of bug and fix only."""
  return hashlib.sha256(f"{bug}\0{fix}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


_IGNORED_FIELDS = frozenset({"ctx", "type_comment", "type_ignores", "kind"})

_NAME_FIELDS: dict[type, tuple[str, ...]] = {
    ast.FunctionDef: ("name",),
    ast.AsyncFunctionDef: ("name",),
    ast.ClassDef: ("name",),
    ast.arg: ("arg",),
    ast.alias: ("asname",),
    ast.ExceptHandler: ("name",),
    ast.Global: ("names",),
    ast.Nonlocal: ("names",),
    ast.MatchAs: ("name",),
    ast.MatchStar: ("name",),
}

