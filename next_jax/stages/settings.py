"""Settings as plain JSON, their fingerprint, and the differences between two of them.

A stage is identified by the settings and inputs it was made with. Settings that cannot change its result, such as the
number of worker processes, are left out. A class names them: `changes_no_result = ("num_workers",)`.
"""

from collections.abc import Callable, Mapping
import dataclasses
import enum
import functools
import hashlib
import inspect
import os
from typing import Any

from next_jax import files

BoundArguments = Callable[[Callable[..., Any]], Mapping[str, Any]]
MISSING = "(not there)"


def no_arguments(function: Callable[..., Any]) -> Mapping[str, Any]:
  """No arguments: the default where gin has bound nothing."""
  del function
  return {}


def describe(value: Any, bound_arguments: BoundArguments = no_arguments) -> Any:
  """Describes `value` as JSON; dataclasses and other objects by their class and constructor arguments.

  Raises TypeError if an object does not keep its constructor's arguments as attributes.

  Args:
    value: A setting: JSON, an enum, a path, a collection, a function, a class or an object.
    bound_arguments: Returns the arguments that gin will pass to a configured function. An optimizer, for example, is
      given as a function, and the function does not show them.
  """

  def inner(item: Any) -> Any:
    return describe(item, bound_arguments)

  if value is None or isinstance(value, (bool, int, float, str)):
    return value
  if isinstance(value, enum.Enum):
    return f"{type(value).__qualname__}.{value.name}"
  if isinstance(value, os.PathLike):
    return os.fspath(value)
  if isinstance(value, Mapping):
    return {str(key): inner(item) for key, item in value.items()}
  if isinstance(value, (set, frozenset)):
    return sorted((inner(item) for item in value), key=files.dumps)
  if isinstance(value, (tuple, list)):
    return [inner(item) for item in value]
  if isinstance(value, functools.partial):
    return {"partial": inner(value.func), "args": inner(value.args), **inner(value.keywords)}
  if inspect.isroutine(value) or inspect.isclass(value):
    arguments = {name: inner(item) for name, item in sorted(bound_arguments(value).items())}
    name = f"{value.__module__}.{value.__qualname__}"
    return {"function": name, **arguments} if arguments else name
  neutral = getattr(type(value), "changes_no_result", ())
  description = {"class": f"{type(value).__module__}.{type(value).__qualname__}"}
  for name in _argument_names(value):
    if name not in neutral:
      description[name] = inner(_attribute(value, name))
  return description


def fingerprint(description: Any) -> str:
  """Hash of a description that `describe` returned, 16 hexadecimal digits; the order of keys does not matter."""
  return hashlib.sha256(files.dumps(_sorted(description)).encode("utf-8")).hexdigest()[:16]


def differences(found: Any, expected: Any, key: str = "") -> list[tuple[str, Any, Any]]:
  """Returns (dotted key, found, expected) for every place where two descriptions differ."""
  if isinstance(found, dict) and isinstance(expected, dict):
    names = dict.fromkeys([*found, *expected])
    return [
        difference
        for name in names
        for difference in differences(
            found.get(name, MISSING), expected.get(name, MISSING), f"{key}.{name}" if key else str(name)
        )
    ]
  if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
    return [
        difference
        for index, pair in enumerate(zip(found, expected, strict=True))
        for difference in differences(*pair, f"{key}[{index}]")
    ]
  return [] if found == expected and type(found) is type(expected) else [(key, found, expected)]


def _argument_names(value: Any) -> list[str]:
  if dataclasses.is_dataclass(value):
    # `parent` and `name` of a Flax module say where it is used, not what it is.
    is_module = hasattr(type(value), "__setup_module__") or hasattr(type(value), "scope")
    hidden = ("parent", "name") if is_module else ()
    return [field.name for field in dataclasses.fields(value) if field.init and field.name not in hidden]
  return [name for name in inspect.signature(type(value).__init__).parameters if name != "self"]


def _attribute(value: Any, name: str) -> Any:
  for attribute in (name, f"_{name}"):
    if hasattr(value, attribute):
      return getattr(value, attribute)
  raise TypeError(
      f"{type(value).__qualname__} does not keep its argument {name!r} as an attribute, so a stage cannot"
      " know whether it was made with the same one; keep it, or name it in changes_no_result"
  )


def _sorted(value: Any) -> Any:
  if isinstance(value, dict):
    return {key: _sorted(value[key]) for key in sorted(value)}
  if isinstance(value, list):
    return [_sorted(item) for item in value]
  return value
