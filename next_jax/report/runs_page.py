"""One page for several runs: findings, curves, arms against the first, all results, and the way to each run's page."""

import os

from etils import epath

from next_jax import files
from next_jax.pages import document
from next_jax.pages import markup
from next_jax.pages import table
from next_jax.report import contrasts
from next_jax.report import curves
from next_jax.report import measures as measures_lib
from next_jax.report import plots
from next_jax.report import runs as runs_lib
from next_jax.report import workdir as workdir_lib

FILE_NAME, SUMMARY = "index.html", "summary.json"


def write(runs: runs_lib.Runs, out: epath.Path) -> list[table.Table]:
  """Writes the page, its plots and summary.json below `out`; returns the tables that answer, for the terminal."""
  out.mkdir(parents=True, exist_ok=True)
  measures = measures_lib.Measures()
  found = contrasts.findings(runs, measures)
  compared = contrasts.against_first(runs, measures)
  results = contrasts.results(runs, measures)
  finding_sheets, arm_sheets = contrasts.finding_tables(runs, found), contrasts.arm_tables(compared)
  result_sheets = contrasts.result_tables(runs, results)
  figures = []
  for key in runs.keys():
    figure = curves.over_iterations([one for one in results if one.key == key], title=f"pass@1, {key}")
    if figure is not None:
      plots.save_png(figure, out / f"pass_at_1_{key.corpus}_{key.name}.png")
      figures.append(plots.svg(figure, f"pass@1 over iterations, {key}, with 95 % intervals"))
  files.write_json(out / SUMMARY, contrasts.summary(runs, found, compared, results))
  sections = [
      _headline(runs), *(one.html() for one in finding_sheets), _figures(figures), *(one.html() for one in arm_sheets),
      _all_results(result_sheets), *(one.html() for one in contrasts.kind_tables(runs)), contrasts.minutes(runs).html(),
      _runs(runs, out),
  ]
  body = "\n".join(section for section in sections if section)
  package = "next_jax.report"
  files.write_text(out / FILE_NAME, document.document(
      title=_title(runs), body=body, data={}, styles=[(package, "page.css"), (package, "runs.css")], scripts=[]
  ))
  return [*finding_sheets, *arm_sheets] or result_sheets


def _title(runs: runs_lib.Runs) -> str:
  if runs.directory is None:
    return f"NExT report: {len(runs.arms)} arms"
  return f"NExT report: {os.path.basename(os.path.abspath(os.fspath(runs.directory)))}"


def _headline(runs: runs_lib.Runs) -> str:
  count = sum(len(arm.runs) for arm in runs.arms)
  seeds = sorted({seed for arm in runs.arms for seed in arm.runs})
  parts = [
      f"<h1>{markup.escape(_title(runs))}</h1>",
      f'<p class="soft">{count} runs: {len(runs.arms)} arm{"s" if len(runs.arms) > 1 else ""}, seeds'
      f" {', '.join(map(str, seeds))}. Every number is a mean over seeds, with the values of the seeds beside it.</p>",
  ]
  if runs.missing:
    parts.append(
        f'<div class="notice">Not finished yet: {markup.escape("; ".join(runs.missing))}. The page shows what there is;'
        " <code>next-jax report</code> makes it again.</div>"
    )
  return "\n".join(parts)


def _figures(svgs: list[str]) -> str:
  if not svgs:
    return ""
  inner = "\n".join(f"<figure>{svg}</figure>" for svg in svgs)
  return (
      f'<h2>Fix rate over iterations</h2>\n<div class="figures">\n{inner}\n</div>\n<p class="soft">Bars: 95&nbsp;%'
      " intervals over seeds and tasks. Small dots: the seeds.</p>"
  )


def _all_results(sheets: list[table.Table]) -> str:
  inner = "\n".join(one.html() for one in sheets)
  summary = "Every model of every arm on every set of tasks"
  return f"<h2>All results</h2>\n<details><summary>{summary}</summary>{inner}</details>"


def _runs(runs: runs_lib.Runs, out: epath.Path) -> str:
  """Each run's own page has its samples, verdicts and settings."""
  items = []
  for arm in runs.arms:
    links = []
    for seed, run in arm.runs.items():
      page = run.directory / "report" / "index.html"
      text = f"seed {seed}"
      if page.exists() and "://" not in os.fspath(page):
        text = f'<a href="{markup.escape(os.path.relpath(os.path.abspath(page), os.path.abspath(out)))}">{text}</a>'
      links.append(text)
    best = [workdir_lib.label(run.best.get("model", "none yet")) for run in arm.runs.values()]
    items.append(
        f"<li><b>{markup.escape(arm.name)}</b>: {', '.join(links)}. Best on dev:"
        f" {markup.escape(', '.join(best))}.</li>"
    )
  return (
      '<h2>Runs</h2>\n<p class="soft">Samples, verdicts, rationales and settings are on the page of each run.</p>\n<ul>'
      + "\n".join(items) + "</ul>"
  )
