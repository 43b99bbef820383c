"""Code with the positions of its syntax tree, so that one place can change and the rest stays."""

import ast
import dataclasses
import re
from typing import Any

_WITHOUT_POSITION = (ast.arguments, ast.comprehension, ast.withitem, ast.match_case)


@dataclasses.dataclass(frozen=True)
class Edit:
  """A change of the code.

  Attributes:
    pieces: (start, end, new text) with byte offsets; pieces do not overlap.
  """

  pieces: tuple[tuple[int, int, str], ...]

  @classmethod
  def one(cls, start: int, end: int, text: str) -> "Edit":
    return cls(((start, end, text),))


class SourceText:
  """A parsed program. Offsets are in bytes of UTF-8, as `ast` counts columns.

  Attributes:
    nodes: Nodes in the order of `ast.walk`, without those inside f-strings, whose positions are wrong before Python
      3.12.
    parents: Node -> its parent node.

  Raises:
    SyntaxError, ValueError: The code does not parse.
  """

  def __init__(self, code: str):
    self.code = code
    self.data = code.encode("utf-8")
    self.tree = ast.parse(code)
    self.lines = self.data.split(b"\n")
    self._line_starts = [0]
    for line in self.lines:
      self._line_starts.append(self._line_starts[-1] + len(line) + 1)
    self.nodes: list[ast.AST] = []
    self.parents: dict[ast.AST, ast.AST] = {}
    waiting: list[ast.AST] = [self.tree]
    for node in waiting:
      self.nodes.append(node)
      if type(node) is ast.JoinedStr:
        continue
      for field in type(node)._fields:  # like ast.iter_child_nodes, in half the time
        value = getattr(node, field, None)
        for child in value if type(value) is list else (value,):
          if isinstance(child, ast.AST) and (hasattr(child, "lineno") or type(child) in _WITHOUT_POSITION):
            self.parents[child] = node
            waiting.append(child)

  def start(self, node: Any) -> int:
    return self._line_starts[node.lineno - 1] + node.col_offset

  def end(self, node: Any) -> int:
    return self._line_starts[node.end_lineno - 1] + node.end_col_offset

  def text(self, node: ast.AST) -> str:
    return self.data[self.start(node) : self.end(node)].decode("utf-8")

  def line_start(self, line: int) -> int:
    """Offset of the first byte of a line; lines count from 1."""
    return self._line_starts[line - 1]

  def line_text(self, line: int) -> str:
    return self.lines[line - 1].decode("utf-8")

  def owns_line(self, node: ast.stmt) -> bool:
    """Whether the statement is on one line and alone there, apart from a comment."""
    if node.lineno != node.end_lineno:
      return False
    line = self.lines[node.lineno - 1]
    rest = line[node.end_col_offset :].strip()
    return not line[: node.col_offset].strip() and (not rest or rest.startswith(b"#"))

  def replace(self, node: ast.AST, text: str) -> Edit:
    return Edit.one(self.start(node), self.end(node), text)

  def replace_between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> Edit | None:
    """Replaces the operator `old` between two nodes; None if it is not found exactly."""
    start, end = self.end(left), self.start(right)
    gap = self.data[start:end]
    if b"#" in gap or b"\n" in gap:
      return None
    match = re.search(rb"\s+".join(re.escape(word) for word in old.encode().split()), gap)
    if match is None:
      return None
    return Edit.one(start + match.start(), start + match.end(), new)

  def apply(self, edit: Edit) -> str:
    data = self.data
    for start, end, text in sorted(edit.pieces, reverse=True):
      data = data[:start] + text.encode("utf-8") + data[end:]
    return data.decode("utf-8")

  def line_of(self, edit: Edit) -> int:
    """Line of the first piece, from 1."""
    offset = min(piece[0] for piece in edit.pieces)
    return self.data.count(b"\n", 0, offset) + 1

  def function_of(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    while node in self.parents:
      node = self.parents[node]
      if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node
    return None

  def locals_of(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names that the function binds, arguments first, in the order of the code."""
    names: dict[str, None] = {}
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
      names[argument.arg] = None
    stores = [
        node
        for node in self.nodes
        if type(node) is ast.Name and type(node.ctx) is ast.Store and self.function_of(node) is function
        and not self._in_comprehension(node)
    ]
    for node in sorted(stores, key=self.start):
      names[node.id] = None
    return [name for name in names if name not in ("self", "cls", "_")]

  def _in_comprehension(self, node: ast.AST) -> bool:
    while node in self.parents:
      node = self.parents[node]
      if type(node) is ast.comprehension:
        return True
      if isinstance(node, ast.stmt):
        return False
    return False
