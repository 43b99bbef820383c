"""The private names of gin that this project needs, in one place; no other module uses one.

Gin publishes how to parse, bind and call. It does not publish what it knows: which parameters are bound, what the
config files import, what is registered. `checks` and `messages` need that to refuse what gin ignores and to name what
may have been meant. Each function says which public function falls short. Written against gin-config 0.5.
"""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

from gin import config as gin_config
from gin import config_parser

Bindings = dict[tuple[str, str], dict[str, Any]]  # (scope, selector) -> parameter -> value
_SWITCHES = "__gin__."  # `from __gin__ import dynamic_registration` is a switch, not an import


def bindings() -> Mapping[tuple[str, str], dict[str, Any]]:
  """Every bound parameter. `gin.query_parameter` needs the key, `gin.config_str` gives text."""
  return gin_config._CONFIG


def imports() -> list[config_parser.ImportStatement]:
  """Import statements of the config files. `gin.parse_config_file` returns module names without `as` names."""
  return [statement for statement in gin_config._IMPORTS if not statement.module.startswith(_SWITCHES)]


def selector(function: Callable[..., Any]) -> str:
  """Full name of a registered function or class. `gin.get_bindings` takes one, but gives parameters only."""
  return gin_config._INVERSE_REGISTRY[function].selector


def selectors() -> list[str]:
  """Full names of everything registered. Gin has no public list."""
  return [configurable.selector for configurable in gin_config._INVERSE_REGISTRY.values()]


def registered(name: str) -> Callable[..., Any] | None:
  """The function or class that a full or partial name means; None where there is none.

  `gin.get_configurable` gives gin's wrapper, whose signature may differ.
  """
  match = gin_config._REGISTRY.get_match(name)
  return None if match is None else match.wrapped


def defaults(name: str) -> dict[str, Any]:
  """Parameters of a registered function or class by default value. Gin shows them only for what was called."""
  known = gin_config._REGISTRY[name]
  return gin_config._get_default_configurable_parameter_values(known.wrapped, known.allowlist, known.denylist)


def operative() -> Bindings:
  """A copy of the parameters that calls have used so far. `gin.operative_config_str` gives them as text."""
  return dict(gin_config._OPERATIVE_CONFIG)


def text(parameters: Bindings) -> str:
  """The parameters as a config file. `gin.config_str` writes only what is bound."""
  return gin_config._config_str(parameters)


@dataclasses.dataclass(frozen=True)
class _State:
  """Gin's configuration at one moment. Gin can clear its configuration, but not restore one."""

  config: Bindings
  singletons: dict[Any, Any]
  operative: Bindings
  imports: set[config_parser.ImportStatement]


def state() -> _State:
  """The present configuration, for `restore`."""
  return _State(
      config=dict(gin_config._CONFIG), singletons=dict(gin_config._SINGLETONS), operative=operative(),
      imports=set(gin_config._IMPORTS),
  )


def restore(kept: _State) -> None:
  """Replaces the present configuration by a kept one."""
  gin_config.clear_config()
  gin_config._CONFIG.update(kept.config)
  gin_config._SINGLETONS.update(kept.singletons)
  gin_config._OPERATIVE_CONFIG.update(kept.operative)
  gin_config._IMPORTS.update(kept.imports)
