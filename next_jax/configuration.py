"""From gin files and `--gin.NAME=VALUE` to one program object; the only place that knows gin.

Config files use `from __gin__ import dynamic_registration`: they import what they bind, and the
library itself never imports gin. What gin would accept in silence is refused here: a macro that
nothing refers to, and a binding of something that the program never constructs.
"""

import dataclasses
import difflib
import importlib
import inspect
import logging
import os
import pathlib
import re
import tokenize
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gin
from gin import config as gin_config

from next_jax import errors

PROJECT_ROOT = pathlib.Path(__file__).resolve().parent.parent
_MACRO_MODULE = "gin.macro"
_GIN_TRAIL = re.compile(r"\s*\n\s*In call to configurable .*", re.DOTALL)  # what gin appends to a message


class ConfigError(errors.UserError):
  """A config file or a `--gin.` argument that cannot be used."""


def parse(gin_files: Sequence[str], bindings: Sequence[str], program: Callable[..., Any]) -> None:
  """Parses the files in order and then the bindings (`NAME=VALUE`), which win.

  Args:
    program: the function whose parameter `program` the files bind to what is to be run.
  """
  if not gin_files:
    raise ConfigError(
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
    raise ConfigError(
        f"{', '.join(gin_files)}: nothing to run; expected a binding such as"
        " `main.run.program = @loop.SelfTraining()` (with `from next_jax import main` above it)"
    )
  _check_macros(bindings)
  _check_effect(bindings, program)


def construct(program: Callable[..., Any]) -> Any:
  """Constructs what is bound to `program.program`, and everything below it."""
  try:
    constructed = gin.get_bindings(program)["program"]
    _check_types(constructed)
    return constructed
  except errors.UserError as error:
    raise ConfigError(_GIN_TRAIL.sub("", str(error))) from error
  except (TypeError, ValueError, AttributeError) as error:
    raise ConfigError(f"the configuration cannot be constructed: {_one_line(error)}") from error


def _check_types(value: Any) -> None:
  """Refuses `SelfTraining.num_samples = "many"` here, where the field has a name, not an hour later."""
  if isinstance(value, (tuple, list)):
    for item in value:
      _check_types(item)
  if not dataclasses.is_dataclass(value) or isinstance(value, type):
    return
  for field in dataclasses.fields(value):
    found = getattr(value, field.name, None)
    options = typing.get_args(field.type) or (field.type,)
    if all(option in (bool, int, float, str, type(None)) for option in options):
      kinds = (*options, int) if float in options else options
      if type(found) not in kinds:
        expected = " or ".join("None" if option is type(None) else option.__name__ for option in options)
        raise ConfigError(f"{type(value).__name__}.{field.name}: found {found!r}, expected {expected}")
    else:
      _check_types(found)


def text() -> str:
  """The operative configuration: all that is bound and the defaults of all that was constructed."""
  bound = gin.config_str()
  operative = gin.operative_config_str()
  return operative if len(operative) >= len(bound) else bound


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
    raise ConfigError(f"{path}: no such config file{_suggest(path, known, 'the files in gin_configs/ are')}")
  try:
    gin.parse_config_file(path)
  except errors.UserError:
    raise
  except _PARSE_ERRORS as error:
    raise ConfigError(f"{path}: {_explain(error)}") from error


def _parse_binding(binding: str) -> None:
  name, equals, value = binding.partition("=")
  if not equals or not name.strip() or not value.strip():
    raise ConfigError(f"--gin.{binding}: expected --gin.NAME=VALUE, found no {'value' if equals else 'equals sign'}")
  statement = f"{name} = {value}"
  try:
    gin.parse_config(statement)
    return
  except _PARSE_ERRORS as error:
    first = error
  if isinstance(first, (SyntaxError, tokenize.TokenError)):
    raise ConfigError(
        f"--gin.{binding}: found {value}, expected a Python literal, @reference or %MACRO; text needs two pairs of"
        f" quotes, one for the shell: --gin.{name}=\"'{value}'\""
    ) from first
  # What the config files import may be named too, even if they bind nothing of it.
  imports = sorted({s.format() for s in gin_config._IMPORTS if not s.module.startswith("__gin__")})
  lines = ["from __gin__ import dynamic_registration", *imports, statement]
  try:
    gin.parse_config("\n".join(lines))
  except (NameError, AttributeError):
    raise ConfigError(f"--gin.{binding}: {_explain(first)}") from first
  except _PARSE_ERRORS as error:
    raise ConfigError(f"--gin.{binding}: {_explain(error)}") from error


_PARSE_ERRORS = (
    SyntaxError, tokenize.TokenError, ValueError, NameError, AttributeError, ImportError, TypeError, KeyError, OSError,
)


def _explain(error: BaseException) -> str:
  """The gin error in one line, with the names that may have been meant."""
  message = _one_line(error)
  for pattern, known in (
      (r"No configurable matching (?:reference )?'@?([^'()]*)", _configurables),
      (r"'([^']*)' was not provided by an import statement", _imported_names),
      (r"Couldn't resolve selector (\S+?);", _configurables),
  ):
    if match := re.search(pattern, message):
      hint = _suggest(match[1], known(), "known are")
      return message + (hint or "; a config file must import the module that it is in")
  if match := re.search(r"Configurable '([^']*)' doesn't have a parameter named '([^']*)'", message):
    return message + _suggest(match[2], _parameters(match[1]), "its parameters are")
  if isinstance(error, (SyntaxError, tokenize.TokenError)):
    return f"{message}; expected `name = value` with a Python literal, @reference or %MACRO (text in quotes)"
  return message


def _suggest(name: str, known: Sequence[str], otherwise: str) -> str:
  close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
  if not close:  # the last part may be right where the folder or module is not
    last = re.split(r"[./]", name.removesuffix(".gin"))[-1]
    last_of = {one: re.split(r"[./]", one.removesuffix(".gin"))[-1] for one in known}
    close = [one for one in known if difflib.SequenceMatcher(None, last, last_of[one]).ratio() > 0.7][:3]
  if close:
    return f"; did you mean {' or '.join(close)}?"
  if known and len(known) <= 24:
    return f"; {otherwise} {', '.join(known)}"
  return ""


def _configurables() -> list[str]:
  """`module.Class` of everything that the imported modules of the config files offer."""
  names = set()
  for statement in gin_config._IMPORTS:
    if statement.module.startswith("__gin__"):
      continue
    module = importlib.import_module(statement.module)
    bound = statement.bound_name()
    for name, value in vars(module).items():
      if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__:
        names.add(f"{bound}.{name}" if statement.is_from or statement.alias else f"{statement.module}.{name}")
  names.update(".".join(selector.split(".")[-2:]) for selector in _selectors())
  return sorted(name for name in names if not name.startswith(("gin.", "config.")))


def _selectors() -> list[str]:
  return [configurable.selector for configurable in gin_config._INVERSE_REGISTRY.values()]


def _imported_names() -> list[str]:
  return sorted({s.bound_name() for s in gin_config._IMPORTS if not s.module.startswith("__gin__")})


def _parameters(selector: str) -> list[str]:
  match = gin_config._REGISTRY.get_match(selector)
  if match is None:
    return []
  return [name for name in inspect.signature(match.wrapped).parameters if name != "self"]


def _check_macros(bindings: Sequence[str]) -> None:
  """Refuses `--gin.WORDIR=...` when no file says %WORDIR, which gin accepts."""
  used = {_macro_name(ref) for ref in gin_config.iterate_references(gin_config._CONFIG) if _macro_name(ref)}
  for name, binding in _bound_names(bindings):
    if (name, _MACRO_MODULE) in gin_config._CONFIG and name not in used:
      raise ConfigError(
          f"--gin.{binding}: no config file refers to %{name}{_suggest(name, sorted(used), 'the macros in use are')}"
      )
  for name in sorted(used):
    if (name, _MACRO_MODULE) not in gin_config._CONFIG:
      raise ConfigError(f"%{name} is used in the config files but never set; set it with --gin.{name}=VALUE")


def _check_effect(bindings: Sequence[str], program: Callable[..., Any]) -> None:
  """Refuses a binding of something that the program to run does not refer to."""
  by_selector: dict[str, list[Any]] = {}
  for (_, selector), parameters in gin_config._CONFIG.items():
    by_selector.setdefault(selector, []).append(parameters)
  macros = {scope: values for (scope, selector), values in gin_config._CONFIG.items() if selector == _MACRO_MODULE}
  waiting = [gin_config._INVERSE_REGISTRY[program].selector]
  reachable = set()
  while waiting:
    selector = waiting.pop()
    if selector in reachable:
      continue
    reachable.add(selector)
    macro = selector.removeprefix("%")
    found = [macros[macro]] if macro != selector and macro in macros else by_selector.get(selector, [])
    for parameters in found:
      for reference in gin_config.iterate_references(parameters):
        name = _macro_name(reference)
        waiting.append(f"%{name}" if name else reference.configurable.selector)
  for name, binding in _bound_names(bindings):
    if (name, _MACRO_MODULE) in gin_config._CONFIG:
      selector = f"%{name}"
    else:
      selector = gin_config.ParsedBindingKey.parse(name).complete_selector if _is_registered(name) else None
    if selector is not None and selector not in reachable:
      raise ConfigError(
          f"--gin.{binding}: has no effect, what these config files run does not construct it;"
          " refer to it in a config file, for example `loop.SelfTraining.filters = (@filters.AtMost(),)`"
      )


def _is_registered(name: str) -> bool:
  return gin_config._REGISTRY.get_match(name.rpartition("/")[2].rpartition(".")[0]) is not None


def _bound_names(bindings: Sequence[str]) -> Iterator[tuple[str, str]]:
  for binding in bindings:
    yield binding.partition("=")[0].strip(), binding


def _macro_name(reference: Any) -> str | None:
  return reference.scoped_selector.rpartition("/")[0] if reference.selector == _MACRO_MODULE else None


def _one_line(error: BaseException) -> str:
  message = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
  message = re.sub(r"\s*\n\s*In bindings string line.*", "", message, flags=re.DOTALL)  # named by its argument
  if message.startswith("not enough values to unpack"):  # gin on `filters.AtMost = 1`
    return "expected a macro or CLASS.PARAMETER"
  return re.sub(r"\s*\n\s*\^?\s*", " ", message).strip().removesuffix(".")
