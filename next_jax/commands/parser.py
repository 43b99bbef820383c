"""The parser of the command line: argparse, with `--gin.NAME=VALUE` and "did you mean"."""

import argparse
from collections.abc import Iterable, Sequence
import re
import sys
from typing import Any, NoReturn

_BINDING = "--gin."


class Parser(argparse.ArgumentParser):
  """An `argparse.ArgumentParser` that refuses unknown arguments and names what may have been meant.

  The parsers of its subcommands are of this class too. Each reports its own mistakes, with its own usage.
  """

  def __init__(self, **settings: Any):
    super().__init__(**settings)
    self._commands: Any = None
    self._takes_bindings = False
    self._given: list[str] = []  # what is being parsed

  def take_bindings(self) -> None:
    """Lets users give `--gin.NAME=VALUE`, any number of times; `arguments.bindings` holds each NAME=VALUE."""
    self._takes_bindings = True

  def add_subparsers(self, **settings: Any) -> Any:
    self._commands = super().add_subparsers(**settings)
    return self._commands

  def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
    given = list(sys.argv[1:] if args is None else args)
    bindings = [argument for argument in given if self._takes_bindings and argument.startswith(_BINDING)]
    self._given = [argument for argument in given if argument not in bindings]
    self._check_command()
    found, unknown = super().parse_known_args(self._given, namespace)
    if unknown:
      self.error(f"unknown argument {unknown[0]}")
    if self._takes_bindings:
      found.bindings = [binding.removeprefix(_BINDING) for binding in bindings]
    return found, []

  def error(self, message: str) -> NoReturn:
    """Exits with code 2; a misspelt flag comes before what argparse misses because of it."""
    super().error(self._misspelt() or message)

  def _check_command(self) -> None:
    name = command(self._given)
    if self._commands is None or name is None or name in self._commands.choices:
      return
    near = _nearest(name, self._commands.choices)
    advice = f"did you mean {near}?" if near else f"expected {', '.join(self._commands.choices)}"
    super().error(f"unknown command {name!r}; {advice}")

  def _misspelt(self) -> str:
    """What to say of the first flag that this parser does not know; "" if it knows all."""
    # argparse has no public list of flags, but the usage names each.
    known = ["--help", *re.findall(r"--\w+", self.format_usage())]
    for argument in self._given:
      if argument == "--" or (self._commands is not None and not argument.startswith("-")):
        break  # what follows is positional, or for a command's own parser
      flag = argument.partition("=")[0]
      if not flag.startswith("--") or " " in flag or flag in known:
        continue
      if self.allow_abbrev and any(name.startswith(flag) for name in known):
        continue
      near = _nearest(flag, known)
      return f"unknown argument {flag}" + (f": did you mean {near}?" if near else "")
    return ""


def command(arguments: Sequence[str]) -> str | None:
  """The first argument that is no flag. Flags before a command take no value."""
  return next((argument for argument in arguments if not argument.startswith("-")), None)


def _nearest(name: str, known: Sequence[str]) -> str | None:
  import difflib  # only a mistake needs it

  return next(iter(difflib.get_close_matches(name, known, n=1)), None)
