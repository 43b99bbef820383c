"""The commands: `next-jax run`, `build`, `sweep`, `trace`, `verify`, `report`, `compare`, `rate`, `prompt` and `doctor`.

Each command imports what it needs when it is called: `trace` and `verify` answer in under a
second because they import neither JAX nor TensorFlow.
"""

import argparse
from collections.abc import Sequence
import contextlib
import errno
import importlib
import os
import sys
import tempfile
import traceback
from typing import Any

from next_jax import errors
from next_jax.configuration import program as program_lib

_CONFIGURED = {
    "run": "run what a config file says, or go on with it",
    "build": "the same, said of a config file that builds corpora",
    "sweep": "run several config files with several seeds, what they have in common once, and compare them",
}
_COMMANDS = {
    "trace": ("next_jax.commands.trace", "print a program annotated with the states of one call"),
    "verify": ("next_jax.commands.verify", "run samples on the tests of a benchmark and print pass@k"),
    "report": ("next_jax.commands.report", "write the report of a work directory again"),
    "compare": ("next_jax.commands.compare", "say whether one evaluation of the same tasks is better than another"),
    "rate": ("next_jax.commands.rate", "let people rate rationales of several models, blind"),
    "doctor": ("next_jax.commands.doctor", "say what is installed, which devices and engines work, what confines programs"),
    "prompt": ("next_jax.commands.prompt", "print exactly what a model sees of a task, and its tokens"),
}
_WITH_TENSORFLOW = ("prompt",)
USER_ERROR, USAGE_ERROR, INTERRUPTED = 1, 2, 130
_MOST_CPU_DEVICES = 8

run = program_lib.run  # `main.run.program` in config files


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command; returns its exit code: 0, 1 (error), 2 (wrong usage) or 130 (interrupted)."""
  argv = list(sys.argv[1:] if argv is None else argv)
  debug = "--debug" in argv
  try:
    return _dispatch([argument for argument in argv if argument != "--debug"])
  except BrokenPipeError:  # `next-jax ... | head`
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains again at exit
    return USER_ERROR
  except (Exception, KeyboardInterrupt) as error:  # pylint: disable=broad-except
    if debug:
      traceback.print_exc()
    print(f"next-jax: {message(error)}", file=sys.stderr)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else USER_ERROR


def message(error: BaseException) -> str:
  """The one line that a user gets for an error: what, where, and what to do."""
  if isinstance(error, errors.UserError):
    return str(error)
  if isinstance(error, OSError) or "No space left on device" in str(error):
    return _system_message(error)
  if isinstance(error, KeyboardInterrupt):
    return "interrupted; the same command goes on from where it was"
  if isinstance(error, MemoryError):
    return "out of memory; use a smaller batch or fewer workers"
  text = str(error).strip().split("\n")[0]
  return f"internal error: {type(error).__name__}: {text}; run again with --debug for the stack trace"


def _system_message(error: BaseException) -> str:
  number = getattr(error, "errno", None)
  where = getattr(error, "filename", None)
  place = f"{os.fspath(where)}: " if where is not None else ""
  advice = {
      errno.ENOSPC: "free some space, then give the same command again: it goes on from where it was",
      errno.EDQUOT: "free some space, then give the same command again: it goes on from where it was",
      errno.EACCES: "give yourself permission, or use another path",
      errno.EPERM: "give yourself permission, or use another path",
      errno.EROFS: "use a path that can be written",
      errno.ENOENT: "check the path",
      errno.ENOTDIR: "use another path: a part of this one is a file",
      errno.EISDIR: "a file was expected; use another path",
  }
  if number is None and "No space left on device" in str(error):
    number = errno.ENOSPC
  found = os.strerror(number) if number is not None else str(error)
  return f"{place}{found}; {advice.get(number, 'run again with --debug for the stack trace')}"


def _dispatch(argv: list[str]) -> int:
  parser = _parser(argv)
  arguments, rest = parser.parse_known_args(argv)
  bindings = []
  if arguments.command in _CONFIGURED:
    bindings = [argument.removeprefix("--gin.") for argument in rest if argument.startswith("--gin.")]
    rest = [argument for argument in rest if not argument.startswith("--gin.")]
  if rest:
    parser.error(f"unknown argument{'s' if len(rest) > 1 else ''}: {' '.join(rest)}")
  if arguments.command in _COMMANDS:
    if arguments.command in _WITH_TENSORFLOW:
      _import_tensorflow()
    return importlib.import_module(_COMMANDS[arguments.command][0]).main(arguments)
  return _run(arguments, bindings)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
  shared = argparse.ArgumentParser(add_help=False)
  shared.add_argument("--debug", action="store_true", help="show the stack trace of an error")
  parser = argparse.ArgumentParser(
      prog="next-jax", parents=[shared], description="NExT in JAX: code models that reason about execution."
  )
  commands = parser.add_subparsers(
      dest="command", required=True, metavar="{" + ",".join((*_CONFIGURED, *_COMMANDS)) + "}"
  )
  for name, help_text in _CONFIGURED.items():
    configured_parser = commands.add_parser(
        name, parents=[shared], help=help_text, allow_abbrev=False,
        epilog="--gin.NAME=VALUE overrides a macro or a binding: --gin.WORKDIR=\"'/tmp/next'\" --gin.AtMost.per_task=1",
    )
    configured_parser.add_argument(
        "--gin_file", action="append", default=[], metavar="PATH", help="a config file; may be given several times"
    )
    if name == "sweep" and name in argv:
      importlib.import_module("next_jax.commands.sweep").add_arguments(configured_parser)
    configured_parser.add_argument(
        "--take_from", action="append", default=[], metavar="WORKDIR",
        help="work directory of another run: stages that it has finished with the same settings and inputs are taken"
        " over, not made again; may be given several times",
    )
    several = configured_parser.add_argument_group(
        "several processes", "The same command on every host, with a work directory that all of them see."
    )
    several.add_argument(
        "--distributed", action="store_true",
        help="join the processes that JAX finds out itself: on Cloud TPU, under Slurm, Open MPI or Kubernetes",
    )
    several.add_argument(
        "--coordinator_address", metavar="HOST:PORT", default=os.environ.get("JAX_COORDINATOR_ADDRESS"),
        help="where process 0 is reached; else JAX_COORDINATOR_ADDRESS",
    )
    several.add_argument(
        "--num_processes", type=int, metavar="N", default=os.environ.get("JAX_NUM_PROCESSES"),
        help="of all hosts together; else JAX_NUM_PROCESSES",
    )
    several.add_argument(
        "--process_id", type=int, metavar="I", default=os.environ.get("JAX_PROCESS_ID"),
        help="of this process, from 0 on; else JAX_PROCESS_ID",
    )
  for name, (module, help_text) in _COMMANDS.items():
    command_parser = commands.add_parser(name, parents=[shared], help=help_text)
    if name in argv:
      importlib.import_module(module).add_arguments(command_parser)
  return parser


def _run(arguments: argparse.Namespace, bindings: Sequence[str]) -> int:
  # One CPU device a core, up to the rows of a small batch: XLA runs most of a small network's operations on one
  # thread, so that splitting the batch over devices is what keeps the cores busy. Accelerators are not concerned.
  os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(min(os.cpu_count() or 1, _MOST_CPU_DEVICES)))
  _import_tensorflow()
  from etils import epath  # pylint: disable=import-outside-toplevel

  configuration = importlib.import_module("next_jax.configuration.parsing")
  invocation_lib = importlib.import_module("next_jax.stages.invocation")
  provenance = importlib.import_module("next_jax.stages.provenance")
  if getattr(arguments, "files", None):
    with tempfile.TemporaryDirectory() as directory:
      path = os.path.join(directory, "sweep.gin")
      with open(path, "w", encoding="utf-8") as file:
        file.write(importlib.import_module("next_jax.commands.sweep").config(arguments, bindings))
      configuration.parse([path], (), run)
  else:
    configuration.parse(arguments.gin_file, bindings, run)
  program = configuration.construct(run)
  invocation = invocation_lib.Invocation(
      reuse=[epath.Path(path) for path in arguments.take_from], bound_arguments=configuration.bound_arguments
  )
  with _joined(arguments) as group:
    program.prepare()
    if group.index != 0:
      program.run(invocation)
      return 0
    with provenance.recorded(program, lambda: configuration.text(run)):
      program.run(invocation)
    results = (f"{folder}*/evaluate/*/metrics.json" for folder in ("", "*/seed_*/"))
    if any(path for pattern in results for path in epath.Path(program.workdir).glob(pattern)):
      # The table and the page; the loop is a floor below the report and knows nothing of it.
      return main(["report", os.fspath(program.workdir)])
    return 0


def _joined(arguments: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
  """The processes of the run, as `selftrain.processes`; this one alone, unless others are spoken of."""
  given = {name: getattr(arguments, name) for name in ("coordinator_address", "num_processes", "process_id")}
  if arguments.distributed or any(value is not None for value in given.values()):
    return importlib.import_module("next_jax.stages.pod").joined(**given)
  return importlib.import_module("next_jax.stages.processes").alone()


def _import_tensorflow() -> None:
  """Imports it without its greetings, which no setting of its own turns off (2.21)."""
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  sys.stderr.flush()
  with tempfile.TemporaryFile() as kept:
    stderr = os.dup(2)
    os.dup2(kept.fileno(), 2)
    failed = True
    try:
      importlib.import_module("tensorflow")
      failed = False
    finally:
      os.dup2(stderr, 2)
      os.close(stderr)
      if failed:
        kept.seek(0)
        sys.stderr.write(kept.read().decode("utf-8", "replace"))


if __name__ == "__main__":
  sys.exit(main())
