"""What `run`, `build` and `sweep` share: config files, bindings, other runs to reuse, several processes.

JAX, TensorFlow and gin are imported when there is something to run, so that `--help` does not wait for them.
"""

import argparse
from collections.abc import Sequence
import contextlib
import os
from typing import Any

from next_jax.commands import parser as parser_lib
from next_jax.commands import tensorflow_import
from next_jax.configuration import runnable

_MOST_CPU_DEVICES = 8


def add_arguments(parser: parser_lib.Parser) -> None:
  """Adds the flags of every command that runs config files."""
  parser.allow_abbrev = False
  parser.epilog = (
      "--gin.NAME=VALUE overrides a macro or a binding: --gin.WORKDIR=\"'/tmp/next'\" --gin.AtMost.per_task=1"
  )
  parser.take_bindings()
  parser.add_argument(
      "--gin_file", action="append", default=[], metavar="PATH",
      help="config file; may be given several times, later files override earlier ones",
  )
  parser.add_argument(
      "--take_from", action="append", default=[], metavar="WORKDIR",
      help="work directory of another run; its finished stages with the same settings and inputs are reused; may be"
      " given several times",
  )
  several = parser.add_argument_group(
      "several processes", "Give the same command on every host, with a work directory that all hosts see."
  )
  several.add_argument(
      "--distributed", action="store_true",
      help="join the processes that JAX detects: on Cloud TPU, under Slurm, Open MPI or Kubernetes",
  )
  several.add_argument(
      "--coordinator_address", metavar="HOST:PORT", default=os.environ.get("JAX_COORDINATOR_ADDRESS"),
      help="address of process 0 (default: JAX_COORDINATOR_ADDRESS)",
  )
  several.add_argument(
      "--num_processes", type=int, metavar="N", default=os.environ.get("JAX_NUM_PROCESSES"),
      help="number of processes on all hosts together (default: JAX_NUM_PROCESSES)",
  )
  several.add_argument(
      "--process_id", type=int, metavar="I", default=os.environ.get("JAX_PROCESS_ID"),
      help="number of this process, counted from 0 (default: JAX_PROCESS_ID)",
  )


def construct(gin_files: Sequence[str], bindings: Sequence[str]) -> runnable.Runnable:
  """Constructs what the config files bind to `main.run.program`; raises ConfigError.

  Args:
    gin_files: Paths of config files.
    bindings: Assignments "NAME=VALUE", which override the files.
  """
  # XLA runs most operations of a small network on one thread. One CPU device a core keeps the cores busy, up to the
  # number of rows in a small batch. This does not concern accelerators.
  os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(min(os.cpu_count() or 1, _MOST_CPU_DEVICES)))
  tensorflow_import.quietly()
  from next_jax.configuration import parsing

  parsing.parse(gin_files, bindings, runnable.run)
  return parsing.construct(runnable.run)


def run(program: runnable.Runnable, arguments: argparse.Namespace) -> int:
  """Runs the program that `construct` gave, then writes its report; returns the exit code.

  Args:
    program: What to run.
    arguments: The parsed arguments of `add_arguments`.
  """
  from etils import epath

  from next_jax.configuration import parsing
  from next_jax.stages import invocation as invocation_lib
  from next_jax.stages import provenance

  invocation = invocation_lib.Invocation(
      reuse=[epath.Path(path) for path in arguments.take_from], bound_arguments=parsing.bound_arguments
  )
  with _joined(arguments) as group:
    program.prepare()
    if group.index != 0:
      program.run(invocation)
      return 0
    with provenance.recorded(program, lambda: parsing.text(runnable.run)):
      program.run(invocation)
    return _report(os.fspath(program.workdir))


def _report(workdir: str) -> int:
  """Writes the report if there is an evaluation to report."""
  from etils import epath

  results = (f"{folder}*/evaluate/*/metrics.json" for folder in ("", "*/seed_*/"))
  if not any(path for pattern in results for path in epath.Path(workdir).glob(pattern)):
    return 0
  from next_jax.commands import report

  parser = parser_lib.Parser()
  report.add_arguments(parser)
  return report.main(parser.parse_args([workdir]))


def _joined(arguments: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
  """The processes of the run as `stages.processes`: this one alone, unless the arguments name others."""
  given = {name: getattr(arguments, name) for name in ("coordinator_address", "num_processes", "process_id")}
  if arguments.distributed or any(value is not None for value in given.values()):
    from next_jax.stages import pod

    return pod.joined(**given)
  from next_jax.stages import processes

  return processes.alone()
