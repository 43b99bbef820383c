"""Refuses what gin accepts silently: bindings without effect and values of the wrong type."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import types
import typing
from typing import Any

from gin import config as gin_config

from next_jax import errors
from next_jax.configuration import gin_internals
from next_jax.configuration import messages

_MACRO_MODULE = "gin.macro"
_EXAMPLE = "`loop.SelfTraining.filters = (@filters.AtMost(),)`"


def check_macros(bindings: Sequence[str]) -> None:
  """Raises ConfigError for `--gin.WORDIR=...` when no file uses %WORDIR, and for a %NAME that is never set."""
  used = {name for ref in gin_config.iterate_references(gin_internals.bindings()) if (name := _macro_name(ref))}
  for name, binding in _bound_names(bindings):
    if _is_macro(name) and name not in used:
      hint = messages.suggest(name, sorted(used), "the macros in use are")
      raise errors.ConfigError(f"--gin.{binding}: no config file refers to %{name}{hint}")
  for name in sorted(used):
    if not _is_macro(name):
      raise errors.ConfigError(
          f"%{name} is used in the config files but never set; set it with --gin.{name}=VALUE"
      )


def check_effect(bindings: Sequence[str], program: Callable[..., Any]) -> None:
  """Raises ConfigError for a binding of something that `program` does not refer to."""
  selectors, scopes = reachable(program)
  for name, binding in _bound_names(bindings):
    if _is_macro(name):
      continue
    key = gin_config.ParsedBindingKey.parse(name)
    scope = key.scope.split("/")[0]
    if key.complete_selector not in selectors:
      raise errors.ConfigError(
          f"--gin.{binding}: has no effect, because the run does not construct it; refer to it in a config file, for"
          f" example {_EXAMPLE}"
      )
    if scope and scope not in scopes:
      hint = messages.suggest(scope, sorted(scopes), "the scopes in use are")
      raise errors.ConfigError(f"--gin.{binding}: has no effect, nothing is constructed in scope {scope!r}{hint}")


def reachable(program: Callable[..., Any]) -> tuple[set[str], set[str]]:
  """Selectors of everything that is constructed for `program`, and the scopes in which it is constructed."""
  by_selector: dict[str, list[Any]] = {}
  for (_, selector), parameters in gin_internals.bindings().items():
    by_selector.setdefault(selector, []).append(parameters)
  waiting = [(gin_internals.selector(program), "")]
  seen, scopes = set(), set()
  while waiting:
    selector, macro = waiting.pop()
    if (selector, macro) in seen:
      continue
    seen.add((selector, macro))
    # Gin stores a macro in the scope of its name: read the value of this one only.
    found = [gin_internals.bindings().get((macro, selector), {})] if macro else by_selector.get(selector, [])
    for reference in gin_config.iterate_references(found):
      waiting.append((reference.configurable.selector, _macro_name(reference) or ""))
      scopes.update(reference.scopes)
  return {selector for selector, _ in seen}, scopes


def check_types(value: Any) -> None:
  """Raises ConfigError for `SelfTraining.num_samples = "many"` before the run, not an hour into it."""
  if isinstance(value, (tuple, list)):
    for item in value:
      check_types(item)
  if not dataclasses.is_dataclass(value) or isinstance(value, type):
    return
  for field in dataclasses.fields(value):
    found = getattr(value, field.name, None)
    is_union = typing.get_origin(field.type) in (typing.Union, types.UnionType)
    options = typing.get_args(field.type) if is_union else (field.type,)
    if all(option in (bool, int, float, str, type(None)) for option in options):
      kinds = (*options, int) if float in options else options
      if type(found) not in kinds:
        expected = " or ".join("None" if option is type(None) else option.__name__ for option in options)
        raise errors.ConfigError(f"{type(value).__name__}.{field.name}: found {found!r}, expected {expected}")
    else:
      check_types(found)


def _is_macro(name: str) -> bool:
  return (name, _MACRO_MODULE) in gin_internals.bindings()


def _bound_names(bindings: Sequence[str]) -> Iterator[tuple[str, str]]:
  for binding in bindings:
    yield binding.partition("=")[0].strip(), binding


def _macro_name(reference: Any) -> str | None:
  return reference.scoped_selector.rpartition("/")[0] if reference.selector == _MACRO_MODULE else None
