"""The mutation operators. Each finds its places in a program and yields the possible edits there."""

import ast
from collections.abc import Callable, Iterator
import itertools

from next_jax.corpora.mutations import source as source_lib

SourceText = source_lib.SourceText
Edit = source_lib.Edit
Mutation = Callable[[SourceText], Iterator[Edit]]

_COMPARISONS: dict[type, tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
}

# Never "/" for "//", which changes only types, and never "**", which makes numbers that take hours.
_OPERATORS: dict[type, tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-", "*")),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("+",)),
    ast.Div: ("/", ("//", "*")),
    ast.FloorDiv: ("//", ("%", "*")),
    ast.Mod: ("%", ("//", "*")),
    ast.Pow: ("**", ("*",)),
    ast.BitAnd: ("&", ("|", "^")),
    ast.BitOr: ("|", ("&", "^")),
    ast.BitXor: ("^", ("&", "|")),
    ast.LShift: ("<<", (">>",)),
    ast.RShift: (">>", ("<<",)),
}

_CALLS = {
    "max": ("min",), "min": ("max",), "any": ("all",), "all": ("any",), "sum": ("len", "max"), "len": ("sum",),
    "append": ("extend",), "keys": ("values",), "values": ("keys",), "union": ("intersection",),
    "intersection": ("union",),
}

_STRING_METHODS = {
    "upper": ("lower",), "lower": ("upper",), "capitalize": ("upper",), "title": ("capitalize",),
    "startswith": ("endswith",), "endswith": ("startswith",), "strip": ("lstrip", "rstrip"), "lstrip": ("rstrip",),
    "rstrip": ("lstrip",), "find": ("rfind",), "rfind": ("find",), "index": ("rindex",), "isdigit": ("isalpha",),
    "isalpha": ("isdigit",), "isupper": ("islower",), "islower": ("isupper",),
}


def comparison(source: SourceText) -> Iterator[Edit]:
  """`<` for `<=`, `==` for `!=`, `in` for `not in`."""
  for node in source.nodes:
    if type(node) is ast.Compare:
      operands = [node.left, *node.comparators]
      for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
        old, news = _COMPARISONS[type(operator)]
        for new in news:
          yield from _some(source.replace_between(left, right, old, new))


def constant(source: SourceText) -> Iterator[Edit]:
  """Another number, or True for False, except in initial values, indices and slices."""
  for node in source.nodes:
    if type(node) is not ast.Constant or _is_first_value(source, node) or _in_index(source, node):
      continue
    if type(node.value) is bool:
      yield source.replace(node, repr(not node.value))
    elif type(node.value) is int:
      yield from (source.replace(node, str(value)) for value in _other_integers(node.value))


def initial_value(source: SourceText) -> Iterator[Edit]:
  """A variable that a loop changes starts from another value."""
  for node in source.nodes:
    if type(node) is not ast.Assign or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
      continue
    if _in_loop(source, node):
      continue
    value = node.value
    if type(value) is ast.Constant:
      if type(value.value) is int:
        yield from (source.replace(value, str(other)) for other in _other_integers(value.value))
      elif type(value.value) is bool:
        yield source.replace(value, repr(not value.value))
      function = source.function_of(node)
      if function is not None and type(value.value) in (int, str) and function.args.args:
        yield source.replace(value, function.args.args[0].arg)
    elif type(value) is ast.Subscript and type(value.slice) is ast.Constant and type(value.slice.value) is int:
      yield from (source.replace(value.slice, str(other)) for other in (0, 1, -1) if other != value.slice.value)
      yield source.replace(value, "0")
    elif type(value) is ast.UnaryOp and type(value.op) is ast.USub and type(value.operand) is ast.Constant:
      yield source.replace(value, source.text(value.operand))
      yield source.replace(value, "0")
    elif type(value) is ast.Name and value.id in _parameters(source, node):
      yield source.replace(value, "0")
      yield source.replace(value, "1")


def operator(source: SourceText) -> Iterator[Edit]:
  """`-` for `+`, `%` for `//`, `-=` or `=` for `+=`."""
  for node in source.nodes:
    if type(node) is ast.BinOp:
      old, news = _OPERATORS.get(type(node.op), ("", ()))
      for new in news:
        if type(node.op) is ast.Mod and type(node.left) in (ast.Constant, ast.JoinedStr):
          continue  # most likely string formatting
        yield from _some(source.replace_between(node.left, node.right, old, new))
    elif type(node) is ast.AugAssign:
      old, news = _OPERATORS.get(type(node.op), ("", ()))
      for new in (*(new + "=" for new in news), "="):
        yield from _some(source.replace_between(node.target, node.value, old + "=", new))


def wrong_variable(source: SourceText) -> Iterator[Edit]:
  """Another variable of the same function is read."""
  for node in source.nodes:
    if type(node) is not ast.Name or type(node.ctx) is not ast.Load:
      continue
    parent = source.parents.get(node)
    if type(parent) is ast.Return or (type(parent) is ast.Call and parent.func is node):
      continue
    function = source.function_of(node)
    if function is None:
      continue
    names = source.locals_of(function)
    if node.id in names:
      yield from (source.replace(node, name) for name in names if name != node.id)


def wrong_return(source: SourceText) -> Iterator[Edit]:
  """The function returns another variable, the opposite, or only a part of the result."""
  for node in source.nodes:
    if type(node) is not ast.Return or node.value is None:
      continue
    function = source.function_of(node)
    value = node.value
    if function is None:
      continue
    if type(value) is ast.Constant:
      if type(value.value) is bool:
        yield source.replace(value, repr(not value.value))
    elif type(value) is ast.BinOp:
      yield source.replace(value, source.text(value.left))
      yield source.replace(value, source.text(value.right))
    elif type(value) is ast.Tuple and len(value.elts) == 2:
      yield source.replace(value, ", ".join(source.text(item) for item in reversed(value.elts)))
    if type(value) in (ast.Name, ast.Constant, ast.Subscript, ast.Call):
      used = {item.id for item in ast.walk(value) if type(item) is ast.Name}
      for name in source.locals_of(function):
        if not (type(value) is ast.Name and value.id == name) and (type(value) is not ast.Constant or not used):
          yield source.replace(value, name)


def swapped_branches(source: SourceText) -> Iterator[Edit]:
  """The two branches of an `if` are swapped."""
  for node in source.nodes:
    if type(node) is ast.IfExp:
      yield Edit((
          (source.start(node.body), source.end(node.body), source.text(node.orelse)),
          (source.start(node.orelse), source.end(node.orelse), source.text(node.body)),
      ))
    elif type(node) is ast.If and node.orelse:
      other = node.orelse
      if len(other) == 1 and type(other[0]) is ast.If:
        other = other[0].body  # elif
      if len(node.body) != 1 or len(other) != 1:
        continue
      first, second = node.body[0], other[0]
      if source.owns_line(first) and source.owns_line(second):
        yield Edit((
            (source.start(first), source.end(first), source.text(second)),
            (source.start(second), source.end(second), source.text(first)),
        ))


def early_return(source: SourceText) -> Iterator[Edit]:
  """The `return` after a loop moves into the loop; `break` for `continue`."""
  for node in source.nodes:
    if type(node) is ast.Continue:
      yield source.replace(node, "break")
    body = getattr(node, "body", None)
    if type(body) is not list:
      continue
    for loop, after in itertools.pairwise(body):
      if type(loop) not in (ast.For, ast.While) or loop.orelse or type(after) is not ast.Return:
        continue
      if not source.owns_line(after) or loop.body[0].lineno == loop.lineno:
        continue
      indents = {loop.body[0].col_offset}
      if type(loop.body[-1]) is ast.If and not loop.body[-1].orelse and len(loop.body) > 1:
        indents.add(loop.body[-1].body[0].col_offset)
      start = source.line_start(after.lineno)
      for indent in sorted(indents):
        yield Edit.one(start, start + after.col_offset, " " * indent)


def string(source: SourceText) -> Iterator[Edit]:
  """Another text, or another method of strings."""
  for node in source.nodes:
    if type(node) is ast.Constant and type(node.value) is str:
      parent = source.parents.get(node)
      if type(parent) is ast.Expr or source.text(node)[:1] not in "'\"" or source.text(node)[:3] in ("'''", '"""'):
        continue
      quote = source.text(node)[0]
      yield from (source.replace(node, quote + text + quote) for text in _other_texts(node.value))
    elif type(node) is ast.Attribute and node.attr in _STRING_METHODS:
      yield from _attribute(source, node, _STRING_METHODS[node.attr])


def boolean(source: SourceText) -> Iterator[Edit]:
  """`or` for `and`; a `not` too many or too few."""
  for node in source.nodes:
    if type(node) is ast.BoolOp:
      old, new = ("and", "or") if type(node.op) is ast.And else ("or", "and")
      for left, right in itertools.pairwise(node.values):
        yield from _some(source.replace_between(left, right, old, new))
    elif type(node) is ast.UnaryOp and type(node.op) is ast.Not:
      yield source.replace(node, source.text(node.operand))
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)) and type(node.test) in (ast.Name, ast.Call, ast.BinOp):
      text = source.text(node.test)
      yield source.replace(node.test, f"not ({text})" if type(node.test) is ast.BinOp else f"not {text}")


def boundary(source: SourceText) -> Iterator[Edit]:
  """A slice, an index or a range that is off by one or taken from the other end."""
  for node in source.nodes:
    if type(node) is ast.Slice:
      yield from _slices(source, node)
    elif type(node) is ast.Subscript and type(node.ctx) is ast.Load and type(node.slice) is not ast.Slice:
      yield from _indices(source, node.slice)
    elif type(node) is ast.Call and type(node.func) is ast.Name and node.func.id == "range" and not node.keywords:
      if len(node.args) == 1:
        stop = source.text(node.args[0])
        yield source.replace(node.args[0], f"1, {stop}")
        yield from _off_by_one(source, node.args[0])
      elif node.args:
        yield from _off_by_one(source, node.args[1])
        yield from _off_by_one(source, node.args[0])


def call(source: SourceText) -> Iterator[Edit]:
  """Another function of the same shape: `min` for `max`, `all` for `any`."""
  for node in source.nodes:
    if type(node) is not ast.Call:
      continue
    if type(node.func) is ast.Name and node.func.id in _CALLS:
      yield from (source.replace(node.func, name) for name in _CALLS[node.func.id])
    elif type(node.func) is ast.Attribute and node.func.attr in _CALLS:
      yield from _attribute(source, node.func, _CALLS[node.func.attr])


def missing_step(source: SourceText) -> Iterator[Edit]:
  """A statement that changes a variable is forgotten."""
  for node in source.nodes:
    for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
      if type(body) is not list or len(body) < 2 or type(node) is ast.Module:
        continue
      for statement in body:
        changes = type(statement) is ast.AugAssign or (
            type(statement) is ast.Expr and type(statement.value) is ast.Call
        ) or (type(statement) is ast.Assign and (_in_loop(source, statement) or _is_assigned_before(source, statement)))
        if changes and source.owns_line(statement) and statement.lineno < len(source.lines):
          start = source.line_start(statement.lineno)
          yield Edit.one(start, source.line_start(statement.lineno + 1), "")


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        comparison, constant, initial_value, operator, wrong_variable, wrong_return, swapped_branches, early_return,
        string, boolean, boundary, call, missing_step,
    )
}


def _some(edit: Edit | None) -> Iterator[Edit]:
  if edit is not None:
    yield edit


def _attribute(source: SourceText, node: ast.Attribute, names: tuple[str, ...]) -> Iterator[Edit]:
  end = source.end(node)
  for name in names:
    yield Edit.one(end - len(node.attr.encode()), end, name)


def _other_integers(value: int) -> list[int]:
  others = [value + 1, value - 1, value + 2] + ([value - 2] if value > 3 else [])
  return [other for other in others if other >= 0 or value <= 0]


def _other_texts(text: str) -> list[str]:
  if text in _TEXTS:
    return list(_TEXTS[text])
  if len(text) == 1 and text.isalpha() and text.isascii():
    return [chr((ord(text.lower()) - ord("a") + 1) % 26 + ord("a")), text.swapcase()]
  if text.isidentifier() and text.isascii():
    return [text[:-1], text.swapcase()]
  if len(text) > 1 and text.isascii() and text.isprintable() and not set(text) & set("\\'\"{}%"):
    return [text[:-1], text[1:]]
  return []


_TEXTS = {
    "": (" ", "-"), " ": ("", "-"), "-": ("_", ""), "_": ("-", ""), ",": (" ", ";"), ".": (",", ""), "0": ("1",),
    "1": ("0",), "yes": ("no",), "no": ("yes",), "even": ("odd",), "odd": ("even",), "low": ("high", "mid"),
    "high": ("low", "mid"), "mid": ("low", "high"), "*": ("#",), "#": ("*",), "!": ("?",), "?": ("!",), "+": ("-",),
}


def _parameters(source: SourceText, node: ast.AST) -> set[str]:
  function = source.function_of(node)
  return set() if function is None else {argument.arg for argument in function.args.args}


def _in_loop(source: SourceText, node: ast.AST) -> bool:
  while node in source.parents:
    node = source.parents[node]
    if type(node) in (ast.For, ast.While):
      return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
      return False
  return False


def _is_first_value(source: SourceText, node: ast.Constant) -> bool:
  parent = source.parents.get(node)
  return type(parent) is ast.Assign and not _in_loop(source, parent)


def _in_index(source: SourceText, node: ast.AST) -> bool:
  parent = source.parents.get(node)
  while isinstance(parent, (ast.BinOp, ast.UnaryOp)):
    node, parent = parent, source.parents.get(parent)
  if type(parent) is ast.Subscript:
    return parent.slice is node
  return type(parent) is ast.Slice


def _is_assigned_before(source: SourceText, statement: ast.Assign) -> bool:
  target = statement.targets[0]
  if not isinstance(target, ast.Name):
    return isinstance(target, (ast.Subscript, ast.Attribute))
  if target.id in _parameters(source, statement):
    return True
  return any(
      type(node) is ast.Name and type(node.ctx) is ast.Store and node.id == target.id
      and source.start(node) < source.start(statement)
      and source.function_of(node) is source.function_of(statement)
      for node in source.nodes
  )


def _off_by_one(source: SourceText, node: ast.expr) -> Iterator[Edit]:
  """x + 1 -> x; x -> x + 1 and x - 1; 2 -> 3 and 1."""
  text = source.text(node)
  if type(node) is ast.Constant and type(node.value) is int:
    yield from (source.replace(node, str(value)) for value in (node.value + 1, node.value - 1) if value >= 0)
  elif type(node) is ast.BinOp and type(node.op) in (ast.Add, ast.Sub):
    yield source.replace(node, source.text(node.left))
  elif type(node) in (ast.Name, ast.Call):
    yield source.replace(node, f"{text} + 1")
    yield source.replace(node, f"{text} - 1")


def _indices(source: SourceText, index: ast.expr) -> Iterator[Edit]:
  if type(index) is ast.Constant and type(index.value) is int:
    yield from (source.replace(index, str(other)) for other in (0, 1, -1) if other != index.value)
  elif type(index) is ast.UnaryOp and type(index.operand) is ast.Constant:
    yield source.replace(index, "0")
    if source.text(index) == "-1":
      yield source.replace(index, "-2")
  elif type(index) in (ast.Name, ast.BinOp):
    yield from _off_by_one(source, index)


def _slices(source: SourceText, node: ast.Slice) -> Iterator[Edit]:
  lower, upper, step = (source.text(part) if part else "" for part in (node.lower, node.upper, node.step))
  if bool(lower) != bool(upper) and not step:
    yield source.replace(node, f"{upper}:{lower}")
  for part in (node.lower, node.upper):
    if part is not None:
      yield from _off_by_one(source, part)
  if step == "-1":
    yield source.replace(node, f"{lower}:{upper}")
  elif step.isdigit():
    yield source.replace(node, f"{lower}:{upper}:{int(step) + 1}")
