"""`next-jax report WORKDIR...`: tables on the terminal and a page, for a run, a sweep, or several of both."""

import argparse
import os

from etils import epath

from next_jax import errors
from next_jax.report import outcome
from next_jax.report import page
from next_jax.report import runs as runs_lib
from next_jax.report import runs_page
from next_jax.report import workdir as workdir_lib


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
      "workdirs", nargs="+", metavar="WORKDIR",
      help="work directory of a run or of a sweep, finished or not; several are put on one page, those called"
      " <arm>/seed_<n> as seeds of an arm, with the first arm as the baseline",
  )
  parser.add_argument(
      "--out", default=None, help="directory of index.html and the plots (default: WORKDIR/report; needed for several)"
  )


def main(arguments: argparse.Namespace) -> int:
  paths = arguments.workdirs
  if len(paths) > 1 and arguments.out is None:
    raise errors.ReportError("several work directories: expected --out=DIR for their page")
  out = epath.Path(arguments.out or epath.Path(paths[0]) / "report")
  if len(paths) == 1 and not runs_lib.is_sweep(paths[0]):
    page.write(paths[0], out=out)
    results = outcome.results(workdir_lib.read(paths[0]))
    print(results.text() if results else outcome.NOTHING_YET)
  else:
    tables = runs_page.write(runs_lib.read(paths), out)
    print("\n\n".join(table.markdown() for table in tables))
  print(f"\nreport: {os.fspath(out / page.FILE_NAME)}")
  return 0
