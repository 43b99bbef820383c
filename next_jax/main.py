"""The command `next-jax`: parses the arguments and calls a command of `next_jax.commands`.

Only the chosen command is imported. `--help`, `trace` and `verify` import neither JAX nor TensorFlow and start in a
fraction of a second.
"""

import argparse
from collections.abc import Sequence
import errno
import os
import sys
import traceback
from typing import Protocol

from next_jax import errors
from next_jax.commands import parser as parser_lib
from next_jax.configuration import runnable

_COMMANDS = {
    "run": "run what a config file binds to main.run.program, or resume it",
    "build": "the same as run, for config files that build corpora",
    "sweep": "run several config files with several seeds, do their common work once, and compare them",
    "trace": "print a program annotated with the states of one call",
    "verify": "run samples on the tests of a benchmark and print pass@k",
    "report": "write the report of a work directory again",
    "compare": "test whether one evaluation is better than another on the same tasks",
    "rate": "let people rate rationales of several models, blind",
    "doctor": "show what is installed, which devices and engines work, and what confines programs",
    "import": "make a checkpoint and a gin file of somebody else's model",
    "export": "write a checkpoint as a model that transformers and others load",
    "prompt": "print exactly what a model sees of a task, and its number of tokens",
}
USER_ERROR, USAGE_ERROR, INTERRUPTED = 1, 2, 130

run = runnable.run  # `main.run.program` in config files


class Command(Protocol):
  """A module of `next_jax.commands`."""

  def add_arguments(self, parser: parser_lib.Parser) -> None:
    """Adds the command's arguments to its parser."""
    ...

  def main(self, arguments: argparse.Namespace) -> int:
    """Does the work; returns the exit code and raises UserError."""
    ...


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command; returns its exit code: 0, 1 (error) or 130 (interrupted). Wrong usage exits with 2."""
  argv = list(sys.argv[1:] if argv is None else argv)
  debug = "--debug" in argv
  try:
    arguments = _parser(argv).parse_args([argument for argument in argv if argument != "--debug"])
    return _command(arguments.command).main(arguments)
  except BrokenPipeError:  # `next-jax ... | head`
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains again at exit
    return USER_ERROR
  except (Exception, KeyboardInterrupt) as error:
    if debug:
      traceback.print_exc()
    print(f"next-jax: {message(error)}", file=sys.stderr)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else USER_ERROR


def message(error: BaseException) -> str:
  """The one line that a user gets for an error: what happened, where, and what to do."""
  if isinstance(error, errors.UserError):
    return str(error)
  if isinstance(error, OSError) or "No space left on device" in str(error):
    return _system_message(error)
  if isinstance(error, KeyboardInterrupt):
    return "interrupted; give the same command again to resume"
  if isinstance(error, MemoryError):
    return "out of memory; use a smaller batch or fewer workers"
  text = str(error).strip().split("\n")[0]
  return f"internal error: {type(error).__name__}: {text}; run again with --debug for the stack trace"


def _system_message(error: BaseException) -> str:
  number = error.errno if isinstance(error, OSError) else None
  where = error.filename if isinstance(error, OSError) else None
  if number is None and "No space left on device" in str(error):
    number = errno.ENOSPC
  advice = {
      errno.ENOSPC: "free some space, then give the same command again to resume",
      errno.EDQUOT: "free some space, then give the same command again to resume",
      errno.EACCES: "give yourself permission, or use another path",
      errno.EPERM: "give yourself permission, or use another path",
      errno.EROFS: "use a path that can be written",
      errno.ENOENT: "check the path",
      errno.ENOTDIR: "use another path: a part of this one is a file",
      errno.EISDIR: "a file was expected; use another path",
  }
  place = f"{os.fspath(where)}: " if where is not None else ""
  if number is None:
    return f"{place}{error}; run again with --debug for the stack trace"
  return f"{place}{os.strerror(number)}; {advice.get(number, 'run again with --debug for the stack trace')}"


def _parser(argv: Sequence[str]) -> parser_lib.Parser:
  """The parser of all commands; only the chosen one has its arguments, because they need its module."""
  shared = argparse.ArgumentParser(add_help=False)
  shared.add_argument("--debug", action="store_true", help="show the stack trace of an error")
  parser = parser_lib.Parser(
      prog="next-jax", parents=[shared], description="NExT in JAX: code models that reason about execution."
  )
  parser.add_argument("--version", action="version", version=_version() if "--version" in argv else "")
  commands = parser.add_subparsers(dest="command", required=True, metavar="{" + ",".join(_COMMANDS) + "}")
  chosen = parser_lib.command(argv)
  for name, help_text in _COMMANDS.items():
    command_parser = commands.add_parser(name, parents=[shared], help=help_text)
    if name == chosen:
      _command(name).add_arguments(command_parser)
  return parser


def _command(name: str) -> Command:
  """Imports one command, so that it does not wait for what the others import."""
  match name:
    case "run":
      from next_jax.commands import run as run_lib

      return run_lib
    case "build":
      from next_jax.commands import build

      return build
    case "sweep":
      from next_jax.commands import sweep

      return sweep
    case "trace":
      from next_jax.commands import trace

      return trace
    case "verify":
      from next_jax.commands import verify

      return verify
    case "report":
      from next_jax.commands import report

      return report
    case "compare":
      from next_jax.commands import compare

      return compare
    case "rate":
      from next_jax.commands import rate

      return rate
    case "doctor":
      from next_jax.commands import doctor

      return doctor
    case "import":
      from next_jax.commands import import_model

      return import_model
    case "export":
      from next_jax.commands import export_model

      return export_model
    case "prompt":
      from next_jax.commands import prompt

      return prompt
    case _:
      raise ValueError(f"unknown command {name!r}")  # the parser knows the same names


def _version() -> str:
  """"next-jax 0.1.0": that of the installed package, or what setup.py says in a checkout."""
  from importlib import metadata
  import pathlib
  import re

  try:
    return f"next-jax {metadata.version('next-jax')}"
  except metadata.PackageNotFoundError:
    setup = pathlib.Path(__file__).resolve().parents[1] / "setup.py"
    declared = re.search(r'version="([^"]+)"', setup.read_text()) if setup.exists() else None
    return f"next-jax {declared[1] if declared else 'of unknown version'} (not installed)"


if __name__ == "__main__":
  sys.exit(main())
