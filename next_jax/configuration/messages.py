"""Gin's errors in one line, with the names that may have been meant."""

from collections.abc import Sequence
import difflib
import importlib
import inspect
import re
import tokenize

from next_jax.configuration import gin_internals

_GIN_TRAIL = re.compile(r"\s*\n\s*In call to configurable .*", re.DOTALL)  # what gin appends to messages


def without_trail(error: BaseException) -> str:
  """Message of one of this project's errors, without what gin appended."""
  return _GIN_TRAIL.sub("", str(error))


def one_line(error: BaseException) -> str:
  """Gin's message on one line, without the position in the bindings string."""
  message = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
  message = re.sub(r"\s*\n\s*In bindings string line.*", "", message, flags=re.DOTALL)  # our message names the argument
  if message.startswith("not enough values to unpack"):  # gin on `filters.AtMost = 1`
    return "expected a macro or CLASS.PARAMETER"
  return re.sub(r"\s*\n\s*\^?\s*", " ", message).strip().removesuffix(".")


def explain(error: BaseException) -> str:
  """The gin error in one line, with the names that may have been meant."""
  message = one_line(error)
  for pattern, known in (
      (r"No configurable matching (?:reference )?'@?([^'()]*)", _configurables),
      (r"'([^']*)' was not provided by an import statement", _imported_names),
      (r"Couldn't resolve selector (\S+?);", _configurables),
  ):
    if match := re.search(pattern, message):
      hint = suggest(match[1], known(), "known are")
      return message + (hint or "; a config file must import its module")
  if match := re.search(r"Configurable '([^']*)' doesn't have a parameter named '([^']*)'", message):
    return message + suggest(match[2], _parameters(match[1]), "its parameters are")
  if isinstance(error, (SyntaxError, tokenize.TokenError)):
    return f"{message}; expected `name = value` with a Python literal, @reference or %MACRO (text in quotes)"
  return message


def suggest(name: str, known: Sequence[str], otherwise: str) -> str:
  """"; did you mean X?", or "; OTHERWISE A, B, C" when nothing known is close and the list is short, or ""."""
  close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
  if not close:  # perhaps only the folder or module is wrong
    last = re.split(r"[./]", name.removesuffix(".gin"))[-1]
    last_of = {one: re.split(r"[./]", one.removesuffix(".gin"))[-1] for one in known}
    close = [one for one in known if difflib.SequenceMatcher(None, last, last_of[one]).ratio() > 0.7][:3]
  if close:
    return f"; did you mean {' or '.join(close)}?"
  if known and len(known) <= 24:
    return f"; {otherwise} {', '.join(known)}"
  return ""


def _configurables() -> list[str]:
  """`module.Class` of everything public in the modules that the config files import."""
  names = set()
  for statement in gin_internals.imports():
    module = importlib.import_module(statement.module)
    bound = statement.bound_name()
    for name, value in vars(module).items():
      if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__:
        names.add(f"{bound}.{name}" if statement.is_from or statement.alias else f"{statement.module}.{name}")
  names.update(".".join(selector.split(".")[-2:]) for selector in gin_internals.selectors())
  return sorted(name for name in names if not name.startswith(("gin.", "config.")))


def _imported_names() -> list[str]:
  return sorted({statement.bound_name() for statement in gin_internals.imports()})


def _parameters(selector: str) -> list[str]:
  registered = gin_internals.registered(selector)
  if registered is None:
    return []
  return [name for name in inspect.signature(registered).parameters if name != "self"]
