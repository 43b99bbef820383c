"""Turns gin files and `--gin.NAME=VALUE` bindings into one object to run.

Only this room imports gin. Config files use `from __gin__ import dynamic_registration`: they import what they bind, so
the rest of the library needs no decorators. Gin accepts two mistakes silently, which are refused here: a macro that
nothing uses, and a binding of something that the run never constructs.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import functools
import logging
import os
import pathlib
import tokenize
from typing import Any

import gin

from next_jax import errors
from next_jax.configuration import checks
from next_jax.configuration import gin_internals
from next_jax.configuration import messages

PROJECT_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_PARSE_ERRORS = (
    SyntaxError, tokenize.TokenError, ValueError, NameError, AttributeError, ImportError, TypeError, KeyError, OSError,
)


def parse(gin_files: Sequence[str], bindings: Sequence[str], program: Callable[..., Any]) -> None:
  """Parses the files in order, then the bindings (`NAME=VALUE`); later values win.

  Args:
    gin_files: Paths, absolute or relative to the working directory or the project's root.
    bindings: Assignments such as "SEED=1" or "dev/Evaluation.num_samples=25".
    program: Function whose parameter `program` the files bind to the object to run.

  Raises:
    ConfigError: A file or binding is wrong or has no effect.
  """
  if not gin_files:
    raise errors.ConfigError(
        "no config file given; expected --gin_file=PATH, for example --gin_file=gin_configs/quickstart.gin"
    )
  gin.clear_config()
  for root in (PROJECT_ROOT, pathlib.Path.cwd()):
    _search(os.fspath(root))
  # Gin logs an error for each directory without the file, even when the next one has it.
  logging.getLogger().addFilter(_is_no_search)
  try:
    for path in gin_files:
      _parse_file(path)
  finally:
    logging.getLogger().removeFilter(_is_no_search)
  for binding in bindings:
    _parse_binding(binding)
  if not _bindings(program).get("program"):
    raise errors.ConfigError(
        f"{', '.join(gin_files)}: nothing to run; expected a binding such as"
        " `main.run.program = @loop.SelfTraining()` (with `from next_jax import main` above it)"
    )
  checks.check_macros(bindings)
  checks.check_effect(bindings, program)


@contextlib.contextmanager
def aside() -> Iterator[None]:
  """Inside, other files may be parsed and constructed; afterwards the configuration is as before."""
  before = gin_internals.state()
  try:
    yield
  finally:
    gin_internals.restore(before)


def construct(program: Callable[..., Any]) -> Any:
  """Calls `program` with what is bound to its parameters, and all parts of that; raises ConfigError."""
  try:
    arguments = gin.get_bindings(program)
    for constructed in arguments.values():
      checks.check_types(constructed)
    return program(**arguments)
  except errors.UserError as error:
    raise errors.ConfigError(messages.without_trail(error)) from error
  except (TypeError, ValueError, AttributeError) as error:
    raise errors.ConfigError(f"the configuration cannot be constructed: {messages.one_line(error)}") from error


def text(program: Callable[..., Any]) -> str:
  """The operative configuration as a config file: everything that the program uses, bound values and defaults.

  Gin's own version leaves out whatever was not called, which is much when a finished run is started again.
  """
  selectors, _ = checks.reachable(program)
  operative = gin_internals.operative()
  called = {selector for _, selector in operative}
  for selector in selectors - called:
    operative["", selector] = gin_internals.defaults(selector)
  for (scope, selector), parameters in gin_internals.bindings().items():
    if selector in selectors and (selector not in called or (scope, selector) in operative):
      operative[scope, selector] = {**operative.get((scope, selector), {}), **parameters}
  return gin_internals.text(operative)


def bound_arguments(function: Callable[..., Any]) -> dict[str, Any]:
  """Arguments that gin passes to `function` (an optimiser, say) when it is called."""
  try:
    return dict(gin.get_bindings(function))
  except ValueError:  # gin does not know the function
    return {}


@functools.cache  # gin keeps its search path over all parses: add each directory once
def _search(directory: str) -> None:
  gin.add_config_file_search_path(directory)


def _is_no_search(record: logging.LogRecord) -> bool:
  return not str(record.msg).startswith("Path not found")


def _bindings(function: Callable[..., Any]) -> dict[str, Any]:
  """Bound arguments of a function, references unresolved; {} if the function is not registered."""
  try:
    return gin.get_bindings(function, resolve_references=False)
  except ValueError:
    return {}


def _parse_file(path: str) -> None:
  if not any(os.path.isfile(os.path.join(root, path)) for root in ("", os.fspath(PROJECT_ROOT))):
    known = sorted(os.fspath(file.relative_to(PROJECT_ROOT)) for file in PROJECT_ROOT.glob("gin_configs/**/*.gin"))
    hint = messages.suggest(path, known, "the files in gin_configs/ are")
    raise errors.ConfigError(f"{path}: no such config file{hint}")
  try:
    gin.parse_config_file(path)
  except errors.UserError:
    raise
  except _PARSE_ERRORS as error:
    raise errors.ConfigError(f"{path}: {messages.explain(error)}") from error


def _parse_binding(binding: str) -> None:
  name, equals, value = binding.partition("=")
  if not equals or not name.strip() or not value.strip():
    missing = "value" if equals else "equals sign"
    raise errors.ConfigError(f"--gin.{binding}: expected --gin.NAME=VALUE, found no {missing}")
  statement = f"{name} = {value}"
  try:
    gin.parse_config(statement)
    return
  except _PARSE_ERRORS as error:
    first = error
  if isinstance(first, (SyntaxError, tokenize.TokenError)):
    raise errors.ConfigError(
        f"--gin.{binding}: found {value}, expected a Python literal, @reference or %MACRO; text needs two pairs of"
        f" quotes, one for the shell: --gin.{name}=\"'{value}'\""
    ) from first
  # A binding may name anything that the config files import, even if they bind nothing of it.
  imports = sorted({statement.format() for statement in gin_internals.imports()})
  lines = ["from __gin__ import dynamic_registration", *imports, statement]
  try:
    gin.parse_config("\n".join(lines))
  except (NameError, AttributeError):
    raise errors.ConfigError(f"--gin.{binding}: {messages.explain(first)}") from first
  except _PARSE_ERRORS as error:
    raise errors.ConfigError(f"--gin.{binding}: {messages.explain(error)}") from error
