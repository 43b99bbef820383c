"""`next-jax sweep FILE...`: a sweep whose arms are config files; written down as a config file, and run like one."""

import argparse
from collections.abc import Sequence
import os
import pathlib
import tempfile

from next_jax import errors
from next_jax.commands import configured
from next_jax.commands import parser as parser_lib


def add_arguments(parser: parser_lib.Parser) -> None:
  configured.add_arguments(parser)
  parser.add_argument(
      "files", nargs="*", metavar="FILE", help="config files; each is an arm, named after the file"
  )
  parser.add_argument("--workdir", metavar="DIR", help="work directory of the sweep; runs are in DIR/<arm>/seed_<n>")
  parser.add_argument("--seeds", default="0,1,2", metavar="N,N,...", help="seeds of every arm (default: %(default)s)")


def main(arguments: argparse.Namespace) -> int:
  """Runs the sweep of `files` or of `--gin_file`; raises UserError before anything is written."""
  if not arguments.files:
    return configured.run(configured.construct(arguments.gin_file, arguments.bindings), arguments)
  with tempfile.TemporaryDirectory() as directory:
    path = pathlib.Path(directory) / "sweep.gin"
    path.write_text(config(arguments, arguments.bindings), encoding="utf-8")
    program = configured.construct([os.fspath(path)], ())
  return configured.run(program, arguments)


def config(arguments: argparse.Namespace, bindings: Sequence[str]) -> str:
  """The text of the config file that the arguments say; raises SweepError.

  Args:
    bindings: "NAME=VALUE", for all arms.
  """
  if arguments.gin_file:
    raise errors.SweepError("give either --gin_file of a sweep, or config files for its arms, not both")
  if not arguments.workdir:
    raise errors.SweepError("expected --workdir=DIR, where the runs of the sweep will be")
  try:
    seeds = tuple(int(seed) for seed in arguments.seeds.split(","))
  except ValueError:
    raise errors.SweepError(f"--seeds: found {arguments.seeds!r}, expected numbers such as 0,1,2") from None
  lines = [
      "from __gin__ import dynamic_registration", "from next_jax import main", "from next_jax.sweep import sweep",
      "main.run.program = @sweep.Sweep()", f"sweep.Sweep.workdir = {os.fspath(arguments.workdir)!r}",
      f"sweep.Sweep.seeds = {seeds!r}", f"sweep.Sweep.bindings = {tuple(bindings)!r}",
      f"sweep.Sweep.arms = ({' '.join(f'@arm_{place}/sweep.Arm(),' for place in range(len(arguments.files)))})",
  ]
  for place, path in enumerate(arguments.files):
    lines.append(f"arm_{place}/sweep.Arm.name = {pathlib.PurePath(path).stem!r}")
    lines.append(f"arm_{place}/sweep.Arm.gin_files = ({path!r},)")
  return "\n".join(lines) + "\n"
