"""`next-jax report WORKDIR`: the table on the terminal, and the page."""

import argparse
import os

from etils import epath

from next_jax.report import page
from next_jax.report import table
from next_jax.report import workdir as workdir_lib


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument("workdir", help="the work directory of a run; the run need not be finished")
  parser.add_argument("--out", default=None, help="directory of index.html and the plots (default: WORKDIR/report)")


def main(arguments: argparse.Namespace) -> int:
  run = workdir_lib.read(arguments.workdir)
  path = page.write(arguments.workdir, out=arguments.out and epath.Path(arguments.out))
  print(table.text(table.rows(run.evaluations)))
  print(f"\nreport: {os.fspath(path)}")
  return 0
