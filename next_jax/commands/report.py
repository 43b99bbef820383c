"""`next-jax report WORKDIR...`: the tables on the terminal, and the page; of one run, of a sweep, or of several of both."""

import argparse
import os

from etils import epath

from next_jax import errors
from next_jax.report import page
from next_jax.report import several
from next_jax.report import several_page
from next_jax.report import table
from next_jax.report import workdir as workdir_lib


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
      "workdirs", nargs="+", metavar="WORKDIR",
      help="the work directory of a run or of a sweep, finished or not; several are drawn on one page, those called"
      " <arm>/seed_<n> as seeds of an arm, the first arm as the baseline",
  )
  parser.add_argument(
      "--out", default=None, help="directory of index.html and the plots (default: WORKDIR/report; needed for several)"
  )


def main(arguments: argparse.Namespace) -> int:
  paths = arguments.workdirs
  if len(paths) > 1 and arguments.out is None:
    raise errors.ReportError("several work directories: expected --out=DIR, where their page shall be")
  out = epath.Path(arguments.out or epath.Path(paths[0]) / "report")
  if len(paths) == 1 and not several.is_sweep(paths[0]):
    run = workdir_lib.read(paths[0])
    page.write(paths[0], out=out)
    print(table.text(table.rows(run.evaluations)))
  else:
    sheets = several_page.write(several.read(paths), out)
    print("\n\n".join(sheet.markdown() for sheet in sheets))
  print(f"\nreport: {os.fspath(out / page.FILE_NAME)}")
  return 0
