"""Marks: a copy of a program that says, step by step, how far it is, at the price of a call into C::

    def f(n):                          def f(n):
                                         mark(0)                   # the step of the call
      total = 0                          total = 0; mark(1)
      for i in range(n):                 for i in range(n):
                                           mark(2)                 # one step for each value
        if i % 3:                          if i % 3:
          total += i                         total += i; mark(3)
                                           else:
                                             mark(4)               # nothing else stands for the `if`
      return total                       value = total; mark(5); return value

A mark stands where `frames` notes a step, under the rules of `recorder`. No rule that depends on values
applies: a program is copied only if its headers can change nothing and if it is made of what is named below. For all
others `mark` says why not; they can be recorded as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
import dataclasses
import types
import warnings

from next_jax.tracing import statements
from next_jax.tracing.recording import plans as plans_lib

# What the copy calls, with the number of a mark, and its own variables, of which one holds what is returned: no program
# has such names.
MARK = ".mark"
OWN, RESULT = ".", ".result"

_MAX_MARKS = 256  # a byte each
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Assert, ast.Pass, ast.Import, ast.ImportFrom)
_JUMPS = (ast.Return, ast.Break, ast.Continue)
_BLOCKS = (ast.If, ast.For, ast.While)
_PARTS = (
    *_SIMPLE, *_JUMPS, *_BLOCKS, ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.alias, ast.keyword, ast.Name,
    ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Attribute, ast.Subscript, ast.Slice,
    ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Starred, ast.IfExp, ast.JoinedStr, ast.FormattedValue, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
    ast.expr_context,
)
# What reaches out of the program, differs from run to run, or has a state that a header changes.
_NAMES = frozenset({
    "__import__", "breakpoint", "compile", "delattr", "dir", "eval", "exec", "getattr", "globals", "hash", "id",
    "input", "iter", "locals", "next", "open", "setattr", "super", "vars", "__debug__",
})
_ITERATORS = frozenset({"enumerate", "filter", "map", "reversed", "zip"})  # only where they are used up at once
_CONSUMERS = _ITERATORS | {
    "all", "any", "dict", "frozenset", "join", "list", "max", "min", "set", "sorted", "sum", "tuple",
}
_MODULES = frozenset({
    "bisect", "cmath", "collections", "copy", "functools", "heapq", "itertools", "math", "operator", "re", "string",
    "typing",
})


class Unmarkable(Exception):
  """A program that has no such copy, and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
  """A place in the copy.

  Attributes:
    line: Line of the step that is done here.
    event: Event of that step; empty where no step is done.
    changes: whether the step may change a variable or has a value.
    ticks: Maximum part of `Budget.max_steps` used since the previous mark.
    before: the mark that stands before the statement, if it may call functions of the program.
  """

  line: int
  event: str
  changes: bool
  ticks: int
  before: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marked:
  """The copy.

  Attributes:
    code: Code object of the module. It calls what `MARK` names with the numbers of marks.
    marks: The marks, by number.
    plans: `def` line -> plan.
    assigned: `def` line -> variable -> (line that assigns it first, whether it surely does).
  """

  code: types.CodeType
  marks: tuple[Mark, ...]
  plans: dict[int, plans_lib.Plan]
  assigned: dict[int, dict[str, tuple[int, bool]]]


def mark(source: str) -> Marked:
  """Raises Unmarkable, and statements.SourceError for a source that does not compile."""
  layout = statements.analyse(source)
  if layout.asks:
    raise Unmarkable("it may look at its own variables")
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tree = ast.parse(source)
  _check_parts(tree)
  functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
  _check_calls(tree, functions)
  copy = _Copy({plan.line: plan for plan in plans_lib.plans(layout).values()}, functions)
  for function in functions.values():
    copy.function(function)
  if len(copy.marks) > _MAX_MARKS:
    raise Unmarkable("it has too many statements")
  code = compile(ast.fix_missing_locations(tree), statements.FILE_NAME, "exec", dont_inherit=True)
  return Marked(code=code, marks=tuple(copy.marks), plans=copy.plans, assigned=copy.assigned)


def _check_parts(tree: ast.Module) -> None:
  """Raises Unmarkable for what no program that has a copy is made of."""
  used_up = {id(part) for node in ast.walk(tree) for part in _used_up(node)}
  for node in ast.walk(tree):
    if not isinstance(node, _PARTS):
      raise Unmarkable(f"it has a {type(node).__name__}")
    if isinstance(node, ast.FunctionDef) and (node not in tree.body or node.decorator_list):
      raise Unmarkable(f"{node.name!r} is not a plain function")
    if isinstance(node, ast.Name) and (node.id in _NAMES or node.id in _ITERATORS and id(node) not in used_up):
      raise Unmarkable(f"it uses {node.id!r}")
    if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
      raise Unmarkable(f"it uses {node.attr!r}")
    if isinstance(node, ast.GeneratorExp) and id(node) not in used_up:
      raise Unmarkable("it keeps a generator")
    if isinstance(node, (ast.Import, ast.ImportFrom)):
      names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
      if not _MODULES.issuperset(name.split(".")[0] for name in names):
        raise Unmarkable(f"it imports {', '.join(names)}")


def _used_up(node: ast.AST) -> list[ast.AST]:
  """Generators, and the names of what makes iterators, that do not outlive the statement."""
  users = []
  if isinstance(node, (ast.For, ast.comprehension)):
    users = [node.iter]
  elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
    name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
    users = node.args if name in _CONSUMERS else []
  return [user.func if isinstance(user, ast.Call) else user for user in users]


def _mentioned(nodes: Sequence[ast.AST], functions: dict[str, ast.FunctionDef]) -> set[str]:
  """Which functions of the program are named there, so that they may be called."""
  names = {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}
  return names.intersection(functions)


def _check_calls(tree: ast.Module, functions: dict[str, ast.FunctionDef]) -> None:
  """Raises Unmarkable for a recursion, in which the frame of a mark is not known, and for calls at import."""
  if len(functions) < sum(isinstance(node, ast.FunctionDef) for node in tree.body):
    raise Unmarkable("it defines a function twice")
  if _mentioned([node.args if isinstance(node, ast.FunctionDef) else node for node in tree.body], functions):
    raise Unmarkable("its module may call a function")
  reached = {name: _mentioned(function.body, functions) for name, function in functions.items()}
  for _ in functions:
    reached = {name: names.union(*(reached[other] for other in names)) for name, names in reached.items()}
  for name, names in reached.items():
    if name in names:
      raise Unmarkable(f"{name!r} may call itself")


class _Copy:
  """Puts marks into functions, and keeps a list of them."""

  def __init__(self, plans: dict[int, plans_lib.Plan], functions: dict[str, ast.FunctionDef]):
    self.plans, self._functions = plans, functions
    self.marks: list[Mark] = []
    self.assigned: dict[int, dict[str, tuple[int, bool]]] = {}
    self._lines: set[int] = set()  # of the statements so far

  def function(self, node: ast.FunctionDef) -> None:
    self._effects = self.plans[node.lineno].effects
    arguments = self.plans[node.lineno].arguments
    self._assigned = self.assigned[node.lineno] = dict.fromkeys(arguments, (node.lineno, True))
    self._lines.add(node.lineno)
    start = 1 if ast.get_docstring(node, clean=False) is not None else 0
    if start == len(node.body):
      raise Unmarkable(f"{node.name!r} does nothing")
    call = self._mark(node, "call", changes=bool(arguments))
    node.body[start:] = [call, *self._block(node.body[start:], "return", None, 0, True)]

  def _mark(
      self, node: ast.stmt, event: str, *, changes: bool = False, ticks: int = 1, before: int | None = None
  ) -> ast.stmt:
    """The call of a mark; the step that returns uses one more tick."""
    number = len(self.marks)
    ticks += event == "return"
    self.marks.append(Mark(line=node.lineno, event=event, changes=changes, ticks=ticks, before=before))
    called = ast.Call(ast.Name(MARK, ast.Load()), [ast.Constant(number)], [])
    return ast.copy_location(ast.Expr(called), node)

  def _block(self, body: list[ast.stmt], last: str, stop: str | None, headers: int, is_sure: bool) -> list[ast.stmt]:
    """A block with its marks.

    last: event of the step after which nothing follows in the block: "return" where the function ends with it.
    stop: event of a `break`.
    headers: how many were visited since the mark before.
    is_sure: whether it always runs.
    """
    copied = []
    for node in body:
      event = last if node is body[-1] else "line"
      self._cover(node, is_sure)
      before = None
      if _mentioned([node.iter] if isinstance(node, ast.For) else [node], self._functions):
        if isinstance(node, (*_SIMPLE, ast.Return, ast.For)):
          before = len(self.marks)
          copied.append(self._mark(node, "", ticks=0))
      if isinstance(node, ast.If):
        copied += self._if(node, event, stop, headers + 1)
      elif isinstance(node, (ast.For, ast.While)):
        copied += self._loop(node, event, headers, before)
      elif isinstance(node, _JUMPS):
        copied += self._jump(node, stop, headers + 1, before)
      else:
        changes = self._effect(node) != ()
        copied += [node, self._mark(node, event, changes=changes, ticks=headers + 1, before=before)]
      headers = 0
    return copied

  def _if(self, node: ast.If, event: str, stop: str | None, headers: int) -> list[ast.stmt]:
    self._check_header(node)
    node.body = self._block(node.body, event, stop, headers, False)
    if node.orelse:
      node.orelse = self._block(node.orelse, event, stop, headers, False)
    else:
      node.orelse = [self._mark(node, event, ticks=headers)]
    return [node]

  def _loop(self, node: ast.For | ast.While, event: str, headers: int, before: int | None) -> list[ast.stmt]:
    """What the header is when the loop is done depends on whether it went round: a variable of the copy says so."""
    if node.orelse:
      raise Unmarkable("it has a loop with `else`")
    is_for, is_endless = isinstance(node, ast.For), False
    if isinstance(node, ast.While):
      is_endless = isinstance(node.test, ast.Constant) and node.test.value == 1  # or True
      if not is_endless:
        self._check_header(node)
    went = f"{OWN}{node.lineno}"

    def set_went(value: bool) -> ast.stmt:
      return ast.copy_location(ast.Assign([ast.Name(went, ast.Store())], ast.Constant(value)), node)

    start = [self._mark(node, "", ticks=headers), set_went(False)]
    round_mark = self._mark(node, "line" if is_for else "", changes=is_for, before=before)
    node.body = [round_mark, set_went(True), *self._block(node.body, "line", event, 0, False)]
    if is_endless:
      return [*start, node]
    if event == "return":
      node.orelse = [self._mark(node, "return")]
    else:
      test = ast.copy_location(ast.Name(went, ast.Load()), node)
      node.orelse = [ast.If(test, [self._mark(node, "")], [self._mark(node, "line")])]
    return [*start, node]

  def _jump(self, node: ast.stmt, stop: str | None, headers: int, before: int | None) -> list[ast.stmt]:
    if not isinstance(node, ast.Return):
      return [self._mark(node, stop if stop and isinstance(node, ast.Break) else "line", ticks=headers), node]
    value = node.value or ast.Constant(None)
    keep = ast.copy_location(ast.Assign([ast.Name(RESULT, ast.Store())], value), node)
    node.value = ast.Name(RESULT, ast.Load())
    return [keep, self._mark(node, "return", changes=True, ticks=headers, before=before), node]

  def _effect(self, node: ast.stmt) -> tuple[str, ...] | None:
    """The variables that a statement can change; None for all."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
      return ()  # what they bind is not written
    effect = self._effects.get(node.lineno, ((), False))
    return None if effect is None else effect[0]

  def _check_header(self, node: ast.If | ast.While) -> None:
    if self._effect(node) != ():
      raise Unmarkable(f"the header on line {node.lineno} may change something")
    if not any(isinstance(part, ast.Name) for part in ast.walk(node.test)):
      raise Unmarkable(f"Python may do without the header on line {node.lineno}")

  def _cover(self, node: ast.stmt, is_sure: bool) -> None:
    """Checks that a statement has its lines for itself, and notes the variables that it assigns."""
    is_block = isinstance(node, _BLOCKS)
    end = node.body[0].lineno - 1 if isinstance(node, _BLOCKS) else node.end_lineno or node.lineno
    lines = range(node.lineno, end + 1)
    if not lines or not self._lines.isdisjoint(lines):
      raise Unmarkable(f"line {node.lineno} has two statements")
    self._lines.update(lines)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
      raise Unmarkable(f"line {node.lineno} does nothing")
    targets = getattr(node, "targets", [node.target] if hasattr(node, "target") else [])
    for part in (part for target in targets for part in ast.walk(target)):
      if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
        self._assigned.setdefault(part.id, (node.lineno, is_sure and not is_block))
