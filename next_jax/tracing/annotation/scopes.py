"""Scopes: choose the functions of a program whose states are written.

A setting of `inline.InlineStyle`: an object with `lines`, which gives the `def` and `class` lines of what is chosen;
0 stands for code outside of all of them, where a lambda may be. What is defined inside of a chosen function or class is
chosen with it.
"""

from collections.abc import Container, Iterator
import dataclasses
import types
from typing import Protocol

from next_jax import schema
from next_jax.tracing import statements

MODULE = "<module>"


class Scope(Protocol):

  def lines(self, layout: statements.Statements, trace: schema.Trace) -> Container[int]:
    """The `def` lines, as `Statements.function` has them, of the functions whose states are written."""
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllFunctions:
  """Every function that the trace reaches."""

  def lines(self, layout: statements.Statements, trace: schema.Trace) -> Container[int]:
    del trace
    return range(len(layout.function))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalledFunction:
  """The function that the call enters first, and what is defined inside of it."""

  def lines(self, layout: statements.Statements, trace: schema.Trace) -> Container[int]:
    if not trace.steps:
      return ()
    called = layout.function[trace.steps[0].line]
    name = names(layout).get(called)
    return {called, *(NamedFunctions(names=(name,)).lines(layout, trace) if name else ())}


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedFunctions:
  """Functions, methods and classes by name.

  Attributes:
    names: plain (`push`) or with the classes and functions around it (`Stack.push`); `<module>` for lambdas outside of
      every function. A name that a program does not define chooses nothing there.
  """

  names: tuple[str, ...]

  def lines(self, layout: statements.Statements, trace: schema.Trace) -> set[int]:
    del trace
    chosen = set(self.names)
    return {line for line, name in names(layout).items() if not chosen.isdisjoint(ways_to_say(name))}


def names(layout: statements.Statements) -> dict[int, str]:
  """`def` line -> name, with those of the classes and functions around it: `Stack.push`."""
  return {0: MODULE, **dict(_names(layout.code, layout))}


def _names(code: types.CodeType, layout: statements.Statements) -> Iterator[tuple[int, str]]:
  for constant in code.co_consts:
    if isinstance(constant, types.CodeType):
      line = layout.defined.get((constant.co_name, constant.co_firstlineno))
      if line is not None:
        yield line, constant.co_qualname.replace(".<locals>", "")
      yield from _names(constant, layout)


def ways_to_say(name: str) -> Iterator[str]:
  """A name and those around it, each plain and in full."""
  parts = name.split(".")
  for i, part in enumerate(parts, 1):
    yield part
    yield ".".join(parts[:i])
