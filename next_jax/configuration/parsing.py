"""From gin files and `--gin.NAME=VALUE` to one program object; the only place that knows gin.

Config files use `from __gin__ import dynamic_registration`: they import what they bind, and the
library itself never imports gin. What gin would accept in silence is refused here: a macro that
nothing refers to, and a binding of something that the program never constructs.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import logging
import os
import pathlib
import tokenize
from typing import Any

import gin
from gin import config as gin_config

from next_jax import errors
from next_jax.configuration import checks
from next_jax.configuration import messages

PROJECT_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def parse(gin_files: Sequence[str], bindings: Sequence[str], program: Callable[..., Any]) -> None:
  """Parses the files in order and then the bindings (`NAME=VALUE`), which win.

  Args:
    program: the function whose parameter `program` the files bind to what is to be run.
  """
  if not gin_files:
    raise errors.ConfigError(
        "no config file given; expected --gin_file=PATH, for example --gin_file=gin_configs/quickstart.gin"
    )
  gin.clear_config()
  for root in (PROJECT_ROOT, pathlib.Path.cwd()):
    if os.fspath(root) not in gin_config._LOCATION_PREFIXES:
      gin.add_config_file_search_path(os.fspath(root))
  # Gin logs an error for each place where it did not find a file, also when it finds it in the next.
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
  """While active, other files may be parsed and constructed; afterwards the configuration is what it was before."""
  stores = (gin_config._CONFIG, gin_config._SINGLETONS, gin_config._OPERATIVE_CONFIG)
  kept, imports = [dict(store) for store in stores], set(gin_config._IMPORTS)
  try:
    yield
  finally:
    gin.clear_config()
    for store, values in zip(stores, kept, strict=True):
      store.update(values)
    gin_config._IMPORTS.update(imports)


def construct(program: Callable[..., Any]) -> Any:
  """Constructs what is bound to `program.program`, and everything below it."""
  try:
    constructed = gin.get_bindings(program)["program"]
    checks.check_types(constructed)
    return constructed
  except errors.UserError as error:
    raise errors.ConfigError(messages.without_trail(error)) from error
  except (TypeError, ValueError, AttributeError) as error:
    raise errors.ConfigError(f"the configuration cannot be constructed: {messages.one_line(error)}") from error


def text(program: Callable[..., Any]) -> str:
  """The operative configuration: all that the program uses, with bound values and defaults.

  Gin's own leaves out what was not called yet, which of a run that had nothing left to do is much.
  """
  selectors, _ = checks.reachable(program)
  operative = dict(gin_config._OPERATIVE_CONFIG)
  called = {selector for _, selector in operative}
  for selector in selectors - called:
    known = gin_config._REGISTRY[selector]
    operative["", selector] = gin_config._get_default_configurable_parameter_values(
        known.wrapped, known.allowlist, known.denylist
    )
  for (scope, selector), parameters in gin_config._CONFIG.items():
    if selector in selectors and (selector not in called or (scope, selector) in operative):
      operative[scope, selector] = {**operative.get((scope, selector), {}), **parameters}
  return gin_config._config_str(operative)


def bound_arguments(function: Callable[..., Any]) -> dict[str, Any]:
  """What gin will pass to `function` (an optimiser, say) when somebody calls it."""
  try:
    return dict(gin.get_bindings(function))
  except ValueError:  # nothing that gin knows
    return {}


def _is_no_search(record: logging.LogRecord) -> bool:
  return not str(record.msg).startswith("Path not found")


def _bindings(function: Callable[..., Any]) -> dict[str, Any]:
  """What is bound to a function that may not be registered, references left as they are."""
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
  # What the config files import may be named too, even if they bind nothing of it.
  imports = sorted({s.format() for s in gin_config._IMPORTS if not s.module.startswith("__gin__")})
  lines = ["from __gin__ import dynamic_registration", *imports, statement]
  try:
    gin.parse_config("\n".join(lines))
  except (NameError, AttributeError):
    raise errors.ConfigError(f"--gin.{binding}: {messages.explain(first)}") from first
  except _PARSE_ERRORS as error:
    raise errors.ConfigError(f"--gin.{binding}: {messages.explain(error)}") from error


_PARSE_ERRORS = (
    SyntaxError, tokenize.TokenError, ValueError, NameError, AttributeError, ImportError, TypeError, KeyError, OSError,
)
