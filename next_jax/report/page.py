"""WORKDIR/report/index.html: what was run, what came out, and the samples; one file that needs no network."""

from collections.abc import Sequence
import os
from typing import Any

from etils import epath

from next_jax import files
from next_jax.pages import document
from next_jax.report import browser
from next_jax.report import history
from next_jax.report import outcome
from next_jax.report import plots
from next_jax.report import workdir as workdir_lib

FILE_NAME = "index.html"


def write(
    workdir: epath.PathLike, *, out: epath.PathLike | None = None, bounds: browser.Bounds = browser.Bounds()
) -> epath.Path:
  """Writes the page and its plots from all that the run has finished, and returns the page's path.

  Args:
    workdir: Work directory of the run.
    out: Directory of the page. None is WORKDIR/report.
    bounds: How much the page may hold.

  Raises:
    FileError: a file of the work directory is missing or damaged; the message names it.
  """
  run = workdir_lib.read(workdir)
  out = epath.Path(workdir) / "report" if out is None else epath.Path(out)
  out.mkdir(parents=True, exist_ok=True)
  figures = []
  for k in outcome.plotted_ks(run.evaluations):
    figure = plots.pass_at(run.evaluations, k)
    if figure is None:
      continue
    plots.save_png(figure, out / f"pass_at_{k}.png")
    figures.append(plots.svg(figure, f"pass@{k} of every model, with 95 % intervals"))
  samples = browser.data(run.evaluations, bounds, default=run.best_evaluation)
  path = out / FILE_NAME
  files.write_text(path, _page(run, figures, samples))
  return path


def _page(run: workdir_lib.RunRecord, figures: Sequence[str], data: dict[str, Any]) -> str:
  title = f"NExT report: {os.path.basename(os.path.abspath(os.fspath(run.directory)))}"
  results = outcome.results(run)
  body = "\n".join(section for section in (
      outcome.headline(run, title),
      outcome.figures(figures),
      f"<h2>Results</h2>\n<p>{outcome.NOTHING_YET}</p>" if results is None else results.html(),
      outcome.controls(run),
      outcome.rationales(run),
      outcome.proxies(run),
      outcome.kinds(run),
      outcome.groups(run),
      history.training(run),
      _samples(data),
      history.minutes(run),
      history.facts(run),
  ) if section)
  package = "next_jax.report"
  return document.document(
      title=title, body=body, data=data, styles=[(package, "page.css")], scripts=[(package, "page.js")]
  )


def _samples(data: dict[str, Any]) -> str:
  if not data["evaluations"]:
    return ""
  return (
      '<h2 id="samples">Samples</h2>\n<p class="soft">What the models wrote for the evaluation tasks. The keys j and k'
      ' go to the next and the previous sample.</p>\n<div id="browser"><noscript>The browser of samples needs'
      " JavaScript.</noscript></div>"
  )
