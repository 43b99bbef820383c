"""Plans: facts about the functions of a program, known before it runs."""

import dataclasses
import inspect
import types

from next_jax.tracing import statements
from next_jax.tracing.recording import effects as effects_lib

COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """Facts about a function, known before it runs.

  Attributes:
    line: Its `def` line.
    arguments: Names of its arguments.
    shared: Names that it shares with functions around it or inside of it.
    effects: What its statements can change, where built-in functions have their own meaning.
  """

  line: int
  arguments: tuple[str, ...]
  shared: tuple[str, ...]
  is_lambda: bool
  is_coroutine: bool
  effects: effects_lib.Effects


Plans = dict[int, Plan]  # by id, since code takes long to hash; the layout keeps the code alive


def plans(layout: statements.Statements) -> Plans:
  """The plans of all code that is followed. Class bodies and comprehensions are not: they belong to their statement."""
  found = {}
  for code in layout.codes:
    if code.co_flags & inspect.CO_OPTIMIZED and code.co_name not in COMPREHENSIONS:
      found[id(code)] = _plan(code, layout)
  return found


def _plan(code: types.CodeType, layout: statements.Statements) -> Plan:
  count = code.co_argcount + code.co_kwonlyargcount
  count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
  line = layout.defined.get((code.co_name, code.co_firstlineno))
  return Plan(
      line=layout.first[code.co_firstlineno] if line is None else line,
      arguments=code.co_varnames[:count],
      shared=code.co_freevars + code.co_cellvars,
      is_lambda=code.co_name == "<lambda>",
      is_coroutine=bool(code.co_flags & inspect.CO_COROUTINE),
      effects=effects_lib.effects(code, layout.first, {}),
  )
