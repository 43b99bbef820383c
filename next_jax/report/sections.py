"""The sections of the page above and below the samples, each a function of the run to HTML."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

from next_jax import schema
from next_jax.report import table
from next_jax.report import workdir as workdir_lib

_STATUS_MEANING = {
    "passed": "passed every test",
    "failed": "an assertion did not hold",
    "error": "raised an exception",
    "timeout": "ran out of time",
    "memory": "ran out of memory",
    "syntax": "no program that compiles",
    "infrastructure": "could not be judged (never counted as a failed program)",
}


def plotted_ks(evaluations: Iterable[workdir_lib.Evaluation]) -> list[int]:
  """1, and the largest k there is: what a model does at once, and what is in it."""
  known = table.ks(evaluations)
  return sorted({known[0], known[-1]}) if known else []


def headline(run: workdir_lib.Run, title: str) -> str:
  """Title, the result in a sentence, and whether the run is finished."""
  parts = [f"<h1>{escape(title)}</h1>"]
  parts.append(
      '<p class="soft">Naturalized Execution Tuning: a model samples rationales and fixes for buggy programs, the fixes'
      " are run, and the model is tuned on what passed.</p>"
  )
  base, best = run.base_evaluation, run.best_evaluation
  if base and best and base is not best:
    before, after = base.pass_at[1], best.pass_at[1]
    ratio = f", {after.value / before.value:.1f} times the base's" if before.value > 0 else ""
    apart = "are apart" if after.low > before.high or after.high < before.low else "overlap"
    parts.append(
        f'<p class="lead">pass@1 on {escape(best.corpus)} {escape(best.split)}: base <b>{percent(before.value)}</b> →'
        f" {escape(workdir_lib.label(best.model))} <b>{percent(after.value)}</b>{ratio}. The 95&nbsp;% intervals"
        f" ({interval(before)} and {interval(after)}) {apart}: {best.num_tasks} tasks, {best.num_samples} samples each,"
        f" seed {best.seed}.</p>"
    )
  if not run.finished:
    done = ", ".join(stage.name for stage in run.stages[-1:]) or "none"
    parts.append(
        f'<div class="notice">This run is not finished, or was stopped. Here is what it has finished so far (last stage:'
        f" {escape(done)}). Make the page again with <code>next-jax report</code>.</div>"
    )
  return "\n".join(parts)


def figures(svgs: Sequence[str]) -> str:
  if not svgs:
    return ""
  inner = "\n".join(f"<figure>{svg}</figure>" for svg in svgs)
  return (
      f'<h2>Fix rate over iterations</h2>\n<div class="figures">\n{inner}\n</div>\n<p class="soft">Bars are 95&nbsp;% intervals'
      " (bootstrap over tasks): they say how much another draw of tasks might change the number, not another seed of"
      " training.</p>"
  )


def results(run: workdir_lib.Run) -> str:
  """The table; pass@1 also as a dot in its interval, on one scale for all rows."""
  evaluations = run.evaluations
  if not evaluations:
    return "<h2>Results</h2>\n<p>No evaluation is finished yet.</p>"
  known = table.ks(evaluations)
  others = [k for k in known if k != 1]
  scale = max([e.pass_at[k].high for e in evaluations for k in e.pass_at if k == 1], default=1.0) or 1.0
  head = "".join(
      f"<th{' class=number' if name in ('tasks', 'samples', 'seed') else ''}>{name}</th>"
      for name in ["model", "corpus", "split", "input", "tasks", "samples", "seed", "pass@1, 95&nbsp;% interval"]
      + [f"pass@{k}" for k in others]
  )
  lines = []
  rows = table.rows(evaluations)
  best = run.best_evaluation
  for number, row in enumerate(rows):
    following = rows[number + 1] if number + 1 < len(rows) else row
    classes = [name for name, on in (
        ("group", (following.corpus, following.split) != (row.corpus, row.split)),
        ("best", best is not None and (row.model, row.corpus, row.split, row.input)
         == (workdir_lib.label(best.model), best.corpus, best.split, best.input)),
    ) if on]
    one = row.pass_at.get(1)
    cells = [f"<td>{escape(text)}</td>" for text in (row.model, row.corpus, row.split, row.input)]
    cells += [f'<td class="number">{value}</td>' for value in (row.num_tasks, row.num_samples, row.seed)]
    cells.append(f"<td>{_forest(one, scale)}{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]</td>" if one else "<td></td>")
    cells += [f"<td>{row.pass_at[k]}</td>" if k in row.pass_at else "<td></td>" for k in others]
    lines.append(f'<tr class="{" ".join(classes)}">{"".join(cells)}</tr>')
  return (
      f'<h2>Results</h2>\n<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n' + "\n".join(lines)
      + "\n</tbody></table></div>\n"
      '<p class="soft">"input" is what the prompts at test time held. pass@k is the unbiased estimate from all samples of a'
      " task, averaged over tasks.</p>"
  )


def _forest(estimate: workdir_lib.Estimate, scale: float) -> str:
  low, value, high = (100 * x / scale for x in (estimate.low, estimate.value, estimate.high))
  return (
      f'<span class="interval" aria-hidden="true"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
      f'<b style="left:{value:.1f}%"></b></span>'
  )


def controls(run: workdir_lib.Run) -> str:
  """What the gain owes to the filter and to the trace, in sentences with the numbers they rest on."""
  base, best = run.base_evaluation, run.best_evaluation
  if not base or not best:
    return ""
  items = []
  for one in run.evaluations:
    if (one.corpus, one.split) != (best.corpus, best.split) or 1 not in one.pass_at or one is best:
      continue
    if one.is_control and one.input == best.input:
      items.append(
          f"<b>{escape(workdir_lib.label(one.model))}</b>: {_with_interval(one)}, against {_with_interval(base)} of the base"
          f" and {_with_interval(best)} of {escape(workdir_lib.label(best.model))}."
      )
    elif one.model == best.model and one.input != best.input:
      items.append(
          f"<b>{escape(workdir_lib.label(one.model))}, {escape(one.input)} at test</b>: {_with_interval(one)}, against"
          f" {_with_interval(best)} with {escape(best.input)}."
      )
  if not items:
    return ""
  return "<h2>Controls</h2>\n" + "\n".join(f"<p>{item}</p>" for item in items)


def kinds(run: workdir_lib.Run) -> str:
  """The share of samples that pass, by kind of bug, for the base and the best model."""
  base, best = run.base_evaluation, run.best_evaluation
  if not best or len(best.by_bug_kind) < 2:
    return ""
  shown = [base, best] if base and base is not best else [best]
  lines = []
  for kind in sorted(best.by_bug_kind, key=lambda kind: -best.by_bug_kind[kind][1]):
    cells = []
    for one in shown:
      passed, total = one.by_bug_kind.get(kind, (0, 0))
      cells.append(
          f'<td><div class="stack meter"><i style="width:{100 * passed / total:.1f}%"></i></div> {passed / total:.3f}</td>'
          if total else "<td></td>"
      )
    lines.append(f'<tr><td>{escape(kind)}</td><td class="number">{best.by_bug_kind[kind][1]}</td>{"".join(cells)}</tr>')
  head = "<th>kind of bug</th><th class=number>samples</th>" + "".join(
      f"<th>{escape(workdir_lib.label(one.model))}, share passed</th>" for one in shown
  )
  return (
      f"<h2>By kind of bug</h2>\n<p class=\"soft\">{escape(best.corpus)} {escape(best.series)}. A kind with few samples says"
      f' little.</p>\n<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n' + "\n".join(lines)
      + "\n</tbody></table></div>"
  )


def training(run: workdir_lib.Run) -> str:
  """Of each model: what became of the samples drawn for training, and how many examples were tuned on."""
  if not run.rounds:
    return ""
  seen = [status for status in schema.STATUSES if any(status in r.statuses for r in run.rounds)]
  lines = []
  for one in run.rounds:
    total = sum(one.statuses.values())
    stack = "".join(
        f'<i class="status-{status}" style="width:{100 * one.statuses[status] / total:.2f}%" title="{status}:'
        f' {one.statuses[status]}"></i>'
        for status in seen if one.statuses.get(status)
    )
    numbers = "".join(f'<td class="number">{one.statuses.get(status, 0) if total else ""}</td>' for status in seen)
    lines.append(
        f'<tr><td>{escape(workdir_lib.label(one.model))}</td><td class="number">{total or ""}</td>'
        f'<td>{f"<div class=stack>{stack}</div>" if total else ""}</td>{numbers}'
        f'<td class="number">{"" if one.num_hard is None else one.num_hard}</td>'
        f'<td class="number">{"" if one.num_kept is None else one.num_kept}</td><td>{escape(_tuning(one.tuning))}</td></tr>'
    )
  head = "<th>to make</th><th class=number>samples</th><th>verdicts</th>"
  head += "".join(f'<th class="number" title="{escape(_STATUS_MEANING[status])}">{status}</th>' for status in seen)
  head += "<th class=number>hard tasks</th><th class=number>examples kept</th><th>tuning</th>"
  key = "".join(
      f'<span class="key"><i class="status-{status}"></i>{status}: {escape(_STATUS_MEANING[status])}</span> ' for status in seen
  )
  return (
      f'<h2>Samples for training</h2>\n<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n'
      + "\n".join(lines) + f"\n</tbody></table></div>\n<p>{key}</p>"
  )


def minutes(run: workdir_lib.Run) -> str:
  """Wall time of the stages: a line for each model, a column for each stage."""
  timed = [stage for stage in run.stages if stage.seconds is not None]
  if not timed:
    return ""
  models = list(dict.fromkeys(stage.model for stage in timed))
  kinds = list(dict.fromkeys(stage.kind for stage in timed))
  lines = []
  for model in models:
    mine = [stage for stage in timed if stage.model == model]
    cells = []
    for kind in kinds:
      these = [stage for stage in mine if stage.kind == kind]
      mark = "*" if any(stage.resumed for stage in these) else ""
      cells.append(f'<td class="number">{_minutes(sum(s.seconds for s in these))}{mark}</td>' if these else "<td></td>")
    total = _minutes(sum(stage.seconds for stage in mine))
    lines.append(f'<tr><td>{escape(workdir_lib.label(model))}</td>{"".join(cells)}<td class="number"><b>{total}</b></td></tr>')
  head = "<th>model</th>" + "".join(f"<th class=number>{escape(kind)}</th>" for kind in kinds) + "<th class=number>all</th>"
  note = " A star: the stage was continued after a stop, and the time is of its last part." if "*" in "".join(lines) else ""
  return (
      f'<h2>Minutes</h2>\n<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n' + "\n".join(lines)
      + f'\n</tbody></table></div>\n<p class="soft">Wall time of each stage; in all'
      f" {_minutes(sum(stage.seconds for stage in timed))} minutes.{note}</p>"
  )


def facts(run: workdir_lib.Run) -> str:
  """run.json as a list, config.gin and best.json as they are."""
  parts = ["<h2>What was run</h2>"]
  if run.settings:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_plain(value))}</dd>" for name, value in run.settings.items())
    parts.append(f'<dl class="facts">{items}</dl>')
  if run.best:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_plain(value))}</dd>" for name, value in run.best.items())
    parts.append(f"<details><summary>best.json: the checkpoint that was chosen, and why</summary>"
                 f'<dl class="facts">{items}</dl></details>')
  if run.config:
    parts.append(f"<details><summary>config.gin</summary><pre>{escape(run.config)}</pre></details>")
  return "\n".join(parts) if len(parts) > 1 else ""


def escape(text: Any) -> str:
  """For HTML; what UTF-8 cannot hold (a lone surrogate) is replaced."""
  return html.escape(str(text).encode("utf-8", "replace").decode("utf-8"))


def percent(share: float) -> str:
  return f"{100 * share:.1f}&nbsp;%"


def interval(estimate: workdir_lib.Estimate) -> str:
  return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}&nbsp;%"


def _with_interval(evaluation: workdir_lib.Evaluation) -> str:
  estimate = evaluation.pass_at[1]
  return f"{percent(estimate.value)} ({interval(estimate)})"


def _minutes(seconds: float) -> str:
  return f"{seconds / 60:.1f}"


def _tuning(metrics: dict[str, Any]) -> str:
  numbers = {name: value for name, value in metrics.items() if isinstance(value, (int, float))}
  return ", ".join(f"{name.replace('_', ' ')} {value:,.4g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value:,}"
                   for name, value in numbers.items())


def _plain(value: Any) -> str:
  if isinstance(value, dict):
    return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
  if isinstance(value, list):
    return ", ".join(_plain(item) for item in value)
  return "–" if value is None else str(value)
