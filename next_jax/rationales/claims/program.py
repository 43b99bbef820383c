"""Program: the functions, loops and branches of a source, and the names that it binds."""

import ast
import warnings

from next_jax.tracing import statements

_NO_STEPS = (ast.Pass, ast.Continue, ast.Break, ast.Global, ast.Nonlocal)  # may or may not be steps


class TracedProgram:
  """What the source says: where its functions, loops and branches are, and which names it binds."""

  def __init__(self, source: str, setup_code: str):
    self.functions: dict[str, tuple[int, int]] = {}
    self.statements: set[int] = set()  # lines whose runs are steps
    self.first: dict[int, int] = {}  # physical line -> first line of its statement
    self.blocks: dict[int, int] = {}  # header -> last line
    self.loops: dict[int, tuple[str, int, int]] = {}  # header -> kind, first and last line of the body
    self.branches: dict[str, list[tuple[int, int]]] = {}
    self.conditions: dict[int, tuple[int, int, int]] = {}
    self.tests: dict[int, str] = {}
    self.bound: dict[str, int] = {}  # variable of a function -> how often it is bound beyond being a parameter
    self.used: set[str] = set()
    self.untraced: set[str] = set()  # variables of comprehensions
    self.other_names: set[str] = set()  # functions, classes, imports, variables of the module
    for text, is_setup in ((setup_code, True), (source, False)):
      try:
        with warnings.catch_warnings():
          warnings.simplefilter("ignore")
          tree = ast.parse(text)
        self._names(tree, is_setup)
        if not is_setup:
          self._block(tree.body, is_traced=False)
          layout = statements.analyse(source)
          self.first = {line: layout.first[line] for line in range(1, len(layout.first))}
      except (SyntaxError, ValueError, RecursionError, MemoryError):
        continue

  def function_of(self, line: int) -> int:
    """First line of the innermost function around a line; 0 where there is none."""
    return max((start for start, end in self.functions.values() if start <= line <= end), default=0)

  def _names(self, tree: ast.AST, is_setup: bool) -> None:
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
      if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        inside.update(ast.walk(node))
    for node in ast.walk(tree):
      if isinstance(node, ast.comprehension):
        self.untraced.update(name.id for name in ast.walk(node.target) if isinstance(name, ast.Name))
      elif isinstance(node, ast.arg):
        self.bound.setdefault(node.arg, 0)
      elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
          self.used.add(node.id)
        elif node in inside and not is_setup:
          self.bound[node.id] = self.bound.get(node.id, 0) + 1
        else:
          self.other_names.add(node.id)
      elif isinstance(node, ast.ExceptHandler) and node.name:
        self.bound[node.name] = self.bound.get(node.name, 0) + 1
      elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        self.other_names.add(node.name)
      elif isinstance(node, ast.alias):
        self.other_names.add((node.asname or node.name).split(".")[0])

  def _block(self, body: list[ast.stmt], is_traced: bool) -> None:
    for node in body:
      line, end = node.lineno, node.end_lineno or node.lineno
      if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        self.functions.setdefault(node.name, (line, end))
        self.statements.add(line)
        self._block(node.body, is_traced=True)
        continue
      if isinstance(node, ast.ClassDef):
        self._block(node.body, is_traced=False)
        continue
      children = [
          child for field in ("body", "orelse", "finalbody") for child in (getattr(node, field, None) or ())
      ]
      for handler in getattr(node, "handlers", ()):
        self._branch("except", handler.body)
        children.extend(handler.body)
      for case in getattr(node, "cases", ()):
        children.extend(case.body)
      if is_traced and not isinstance(node, _NO_STEPS) and not _is_docstring(node):
        self.statements.add(line)
      if children:
        self.blocks[line] = end
        self._header(node)
        self._block(children, is_traced)

  def _header(self, node: ast.stmt) -> None:
    body = getattr(node, "body", None)
    if not body:
      return
    last = body[-1].end_lineno or body[-1].lineno
    if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
      kind = "while" if isinstance(node, ast.While) else "for"
      self.loops[node.lineno] = (kind, body[0].lineno, last)
    if isinstance(node, (ast.If, ast.While)):
      self.conditions[node.lineno] = (body[0].lineno, last, node.end_lineno or last)
      self.tests[node.lineno] = ast.unparse(node.test)
    if isinstance(node, ast.If):
      self._branch("if", body)
      if node.orelse and not (isinstance(node.orelse[0], ast.If) and node.orelse[0].col_offset == node.col_offset):
        self._branch("else", node.orelse)
    if isinstance(node, (ast.Try, ast.TryStar)) and node.finalbody:
      self._branch("finally", node.finalbody)

  def _branch(self, kind: str, body: list[ast.stmt]) -> None:
    self.branches.setdefault(kind, []).append((body[0].lineno, body[-1].end_lineno or body[-1].lineno))


def _is_docstring(node: ast.stmt) -> bool:
  return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
