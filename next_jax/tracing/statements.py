"""Statements: what each physical line of a source is, for numbering steps and placing comments."""

import ast
from collections.abc import Iterator
import dataclasses
import functools
import re
import types
import warnings

from next_jax import errors

FILE_NAME = "<program>"  # of code compiled from a source; how its frames are recognised

# What a line holds. A line may hold several statements, so these are flags.
HEADER = 1  # opens a block on further lines: its `Statements.end` is that of the whole statement
RETURNS_HERE = 2  # visited again when its block is done, to no effect of its own (loops, `with`)
BINDS = 4  # a `for`: each visit that enters the block is a step
DEFINES = 8  # `def`, `class`, `import`: the names that it binds are not states worth writing
DELETES = 16  # `del`
RETURN = 32  # an explicit `return`
ONE_LINE_LOOP = 64  # a loop with its body on the same line

_ASKS = re.compile(r"\b(?:locals|vars|dir|eval|exec|_getframe|currentframe|stack|f_locals|tb_frame|inspect)\b")


class TraceError(errors.TracingError):
  """Something that cannot be traced."""


class SourceError(TraceError):
  """Source that does not compile; `line` is where, None where Python does not say."""

  def __init__(self, message: str, line: int | None = None):
    super().__init__(f"line {line}: {message}" if line else message)
    self.message = message
    self.line = line


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statements:
  """A source, compiled, and what its lines are; all lists are indexed by physical line, from 1.

  Attributes:
    code: Code object of the module.
    codes: That code object and all those inside it.
    first: Line on which the statement (or the header of a compound one) starts. For decorators the line
      of their `def`, which is later.
    end: Last line of the whole statement for a HEADER, else 0.
    flags: Sums of the constants above.
    loop: First line of the innermost loop of the same function around the statement (a loop's own header is
      in the loop), else 0.
    function: Line of the `def` of the innermost function or class, else 0.
    defined: Pair (name, first line of the code object) -> its `def` line; they differ under decorators.
    asks: Whether the program may look at its variables as dictionaries.
  """

  code: types.CodeType
  codes: tuple[types.CodeType, ...]
  first: list[int]
  end: list[int]
  flags: list[int]
  loop: list[int]
  function: list[int]
  defined: dict[tuple[str, int], int]
  asks: bool


@functools.lru_cache(maxsize=256)
def analyse(source: str) -> Statements:
  """Raises SourceError for a source that does not compile."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # what Python would say of its style is not for our standard error
      tree = ast.parse(source, FILE_NAME)
      num_lines = source.count("\n") + source.count("\r") + 2  # at least as many as there are
      walk = _Walk(num_lines)
      walk.block(tree.body, loop=0, function=0)
      code = compile(tree, FILE_NAME, "exec", dont_inherit=True)
  except SyntaxError as error:
    raise SourceError(f"the source does not compile: {error.msg}; correct it", error.lineno) from None
  except (ValueError, RecursionError, MemoryError, OverflowError) as error:
    raise SourceError(f"the source does not compile: {error}; correct it") from None
  return Statements(
      code=code, codes=tuple(codes_in(code)), first=walk.first, end=walk.end, flags=walk.flags, loop=walk.loop,
      function=walk.function, defined=walk.defined, asks=_ASKS.search(source) is not None,
  )


def codes_in(code: types.CodeType) -> Iterator[types.CodeType]:
  """A code object and those of the functions, classes and comprehensions inside of it."""
  yield code
  for constant in code.co_consts:
    if isinstance(constant, types.CodeType):
      yield from codes_in(constant)


class _Walk:
  """Visits statements only: expressions hold no lines of their own."""

  def __init__(self, num_lines: int):
    self.first = list(range(num_lines + 1))
    self.end = [0] * (num_lines + 1)
    self.flags = [0] * (num_lines + 1)
    self.loop = [0] * (num_lines + 1)
    self.function = [0] * (num_lines + 1)
    self.defined: dict[tuple[str, int], int] = {}

  def block(self, body: list[ast.stmt], loop: int, function: int) -> None:
    for statement in body:
      visit = _VISITS.get(type(statement))
      if visit is None:
        self._cover(statement.lineno, statement.lineno, statement.end_lineno or statement.lineno, loop, function)
        self.flags[statement.lineno] |= _FLAGS.get(type(statement), 0)
      else:
        visit(self, statement, loop, function)

  def _cover(self, line: int, start: int, stop: int, loop: int, function: int) -> None:
    """Lines start..stop belong to the statement that starts on `line`; the first statement on a line has it."""
    for covered in range(start, stop + 1):
      if not self.function[covered] and not self.loop[covered]:
        self.loop[covered] = loop
        self.function[covered] = function
      if self.first[covered] == covered:
        self.first[covered] = line

  def _header(self, line: int, body: list, end: int, flags: int, loop: int, function: int, start: int = 0) -> None:
    first_of_body = body[0].lineno if body else end + 1
    if body and getattr(body[0], "decorator_list", None):
      first_of_body = body[0].decorator_list[0].lineno
    self._cover(line, start or line, max(line, first_of_body - 1), loop, function)
    if first_of_body > line:
      self.flags[line] |= HEADER | flags
      self.end[line] = end
    elif line == loop:
      self.flags[line] |= ONE_LINE_LOOP

  def _if(self, node, loop, function):
    self._header(node.lineno, node.body, node.end_lineno, 0, loop, function)
    self.block(node.body, loop, function)
    self.block(node.orelse, loop, function)

  def _for(self, node, loop, function):
    self._header(node.lineno, node.body, node.end_lineno, BINDS | RETURNS_HERE, node.lineno, function)
    self.block(node.body, node.lineno, function)
    self.block(node.orelse, loop, function)

  def _while(self, node, loop, function):
    self._header(node.lineno, node.body, node.end_lineno, RETURNS_HERE, node.lineno, function)
    self.block(node.body, node.lineno, function)
    self.block(node.orelse, loop, function)
    if node.body[0].lineno == node.lineno:
      # `while 1: pass` is one instruction that jumps to itself: no line event, no end. An empty list, made and dropped,
      # makes it two.
      node.body.insert(0, ast.copy_location(ast.Expr(ast.copy_location(ast.List([], ast.Load()), node)), node))

  def _with(self, node, loop, function):
    self._header(node.lineno, node.body, node.end_lineno, RETURNS_HERE, loop, function)
    self.block(node.body, loop, function)

  def _try(self, node, loop, function):
    self._header(node.lineno, node.body, node.end_lineno, 0, loop, function)
    self.block(node.body, loop, function)
    for handler in node.handlers:
      self._header(handler.lineno, handler.body, node.end_lineno, 0, loop, function)
      self.block(handler.body, loop, function)
    self.block(node.orelse, loop, function)
    self.block(node.finalbody, loop, function)

  def _match(self, node, loop, function):
    line = node.lineno
    self._cover(line, line, max(line, node.cases[0].pattern.lineno - 1), loop, function)
    self.flags[line] |= HEADER
    self.end[line] = node.end_lineno
    for case in node.cases:
      self._header(case.pattern.lineno, case.body, node.end_lineno, 0, loop, function)
      self.block(case.body, loop, function)

  def _define(self, node, loop, function):
    line = node.lineno
    start = min([line, *(decorator.lineno for decorator in node.decorator_list)])
    first_of_body = node.body[0].lineno
    if getattr(node.body[0], "decorator_list", None):
      first_of_body = node.body[0].decorator_list[0].lineno
    self._cover(line, start, max(line, first_of_body - 1), loop, function)
    for covered in range(start, max(line, first_of_body - 1) + 1):
      self.function[covered] = line
      self.loop[covered] = 0  # the states of a `def` line are those of its calls
    self.flags[line] |= DEFINES
    self.defined[node.name, start] = line
    self.block(node.body, 0, line)


_VISITS = {
    ast.If: _Walk._if,
    ast.For: _Walk._for,
    ast.AsyncFor: _Walk._for,
    ast.While: _Walk._while,
    ast.With: _Walk._with,
    ast.AsyncWith: _Walk._with,
    ast.Try: _Walk._try,
    ast.TryStar: _Walk._try,
    ast.Match: _Walk._match,
    ast.FunctionDef: _Walk._define,
    ast.AsyncFunctionDef: _Walk._define,
    ast.ClassDef: _Walk._define,
}
_FLAGS = {ast.Import: DEFINES, ast.ImportFrom: DEFINES, ast.Delete: DELETES, ast.Return: RETURN}
