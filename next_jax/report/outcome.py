"""The upper half of the page: what came out, each section a function of the run to HTML."""

from collections.abc import Iterable, Sequence

from next_jax.evaluation import intervals
from next_jax.report import markup
from next_jax.report import table
from next_jax.report import workdir as workdir_lib


def plotted_ks(evaluations: Iterable[workdir_lib.Evaluation]) -> list[int]:
  """The smallest and the largest k there is: what a model does at once, and what is in it."""
  known = table.ks(evaluations)
  return sorted({known[0], known[-1]}) if known else []


def headline(run: workdir_lib.Run, title: str) -> str:
  """The result in a sentence, and whether the run is finished."""
  parts = [
      f"<h1>{markup.escape(title)}</h1>",
      '<p class="soft">Naturalized Execution Tuning: a model writes rationales and fixes for buggy programs, the fixes'
      " are run on tests, and the model is tuned on what passed.</p>",
  ]
  base, best = run.base_evaluation, run.best_evaluation
  if base and best and base is not best:
    before, after = base.pass_at[1], best.pass_at[1]
    ratio = f", {after.value / before.value:.1f} times the base's" if before.value > 0 else ""
    apart = "are apart" if after.low > before.high or after.high < before.low else "overlap"
    parts.append(
        f'<p class="lead">pass@1 on {markup.escape(best.corpus)}, {markup.escape(best.split)}: base'
        f" {markup.percent(before)} → {_name(best)} {markup.percent(after)}{ratio}. The 95&nbsp;% intervals {apart}."
        f' <span class="soft">{best.num_tasks} tasks, {best.num_samples} samples each, seed {best.seed}.</span></p>'
    )
  if not run.finished:
    last = run.stages[-1].name if run.stages else "none"
    parts.append(
        '<div class="notice">This run is still under way, or was stopped: the page shows what it has finished (last'
        f" stage: {markup.escape(last)}). <code>next-jax report</code> makes the page again.</div>"
    )
  return "\n".join(parts)


def figures(svgs: Sequence[str]) -> str:
  if not svgs:
    return ""
  inner = "\n".join(f"<figure>{svg}</figure>" for svg in svgs)
  return (
      f'<h2>Fix rate over iterations</h2>\n<div class="figures">\n{inner}\n</div>\n<p class="soft">Bars are 95&nbsp;%'
      " intervals (bootstrap over tasks): how much the number could be another one with other tasks. They say nothing"
      " about training with another seed.</p>"
  )


def results(run: workdir_lib.Run) -> str:
  """The table: a group of rows for each set of tasks."""
  evaluations = table.ordered(run.evaluations)
  if not evaluations:
    return "<h2>Results</h2>\n<p>No evaluation is finished yet.</p>"
  others = [k for k in table.ks(evaluations) if k != 1]
  scale = max((e.pass_at[1].high for e in evaluations if 1 in e.pass_at), default=0) or 1.0
  columns = [("model", False), ("input", False), ("pass@1", False), *((f"pass@{k}", False) for k in others)]
  columns += [("tasks", True), ("samples", True), ("seed", True)]
  rows, group = [], None
  for one in evaluations:
    if group != (group := (one.corpus, one.split)):
      rows.append(f'<tr class=group><td colspan="{len(columns)}">{markup.escape(", ".join(group))}</td></tr>')
    cells = [markup.cell(workdir_lib.label(one.model)), markup.cell(one.input)]
    cells.append(markup.estimate(one.pass_at.get(1), scale))
    cells += [markup.cell(one.pass_at.get(k)) for k in others]
    cells += [markup.number(one.num_tasks), markup.number(one.num_samples), f'<td class="number">{one.seed}</td>']
    rows.append(markup.row(cells, "best" if one is run.best_evaluation and one.model != "base" else ""))
  return (
      "<h2>Results</h2>\n" + markup.table(columns, rows)
      + '<p class="soft">Input: what the prompts held at test time. In brackets: the 95&nbsp;% interval. pass@k is the'
      " unbiased estimate from all samples of a task, averaged over the tasks.</p>"
  )


def controls(run: workdir_lib.Run) -> str:
  """What the gain owes to the filter and to the trace, in sentences with the numbers they rest on."""
  base, best = run.base_evaluation, run.best_evaluation
  if not base or not best or base is best:
    return ""
  items = []
  iterations = {one.model: one for one in run.evaluations if one.name == best.name}
  for one in run.evaluations:
    if one.input.startswith("proxy") or (one.corpus, one.split) != (best.corpus, best.split) or 1 not in one.pass_at or one is best:
      continue
    if one.is_control and one.input == best.input:
      # Of a chain of controls, each has a counterpart: as many iterations, as many examples.
      counterpart = iterations.get(f"iteration_{one.model.rpartition('_')[2]}", best)
      items.append(
          f"{_name(one)}: {markup.percent(one.pass_at[1])}, against {markup.percent(base.pass_at[1])} of the base and"
          f" {markup.percent(counterpart.pass_at[1])} of {_name(counterpart)}."
      )
    elif one.model == best.model:
      items.append(
          f"{_name(one)} with {markup.escape(one.input)} at test time: {markup.percent(one.pass_at[1])}, against"
          f" {markup.percent(best.pass_at[1])} with {markup.escape(best.input)}."
      )
  return "<h2>Controls</h2>\n" + "\n".join(f"<p>{item}</p>" for item in items) if items else ""


def rationales(run: workdir_lib.Run) -> str:
  """What is known of rationales without reading them, and how many programs stay as they are: base and best model."""
  base, best = run.base_evaluation, run.best_evaluation
  shown = [one for one in ([base] if base is best else [base, best]) if one]
  sentences = [
      _shares("Rationales that contradict the trace", [(one, one.contradicted) for one in shown]),
      _shares(
          "Lines named as wrong that are the ones to change",
          [(one, one.localisation.get("names_bug")) for one in shown], "chance",
      ),
      _shares(
          "Lines named as wrong that the sample's own fix changes",
          [(one, one.localisation.get("names_own_change")) for one in shown],
      ),
  ]
  if not any(sentences):
    return ""
  sentences.append(_shares("Samples that return the program unchanged", [(one, one.unchanged) for one in shown]))
  where = f"On {markup.escape(shown[0].corpus)}, {markup.escape(shown[0].series)}."
  return "<h2>Rationales</h2>\n" + "\n".join(filter(None, sentences)) + f'\n<p class="soft">{where}</p>'


def _shares(
    what: str, found: Sequence[tuple[workdir_lib.Evaluation, intervals.Estimate | None]], chance: str | None = None
) -> str:
  known = [(one, share) for one, share in found if share is not None]
  if not known:
    return ""
  shares = ", ".join(f"{_name(one)} {markup.percent(share)}" for one, share in known)
  if chance and (by_chance := known[-1][0].localisation.get(chance)):
    shares += f"; a line named at random would be with {markup.percent(by_chance)}"
  return f"<p>{what}: {shares}.</p>"


_NEW_CODE, _NO_NEW_CODE = "new code", "removing or moving lines"


def proxies(run: workdir_lib.Run) -> str:
  """What a proxy fixes with the help of rationales, the tasks apart whose fix words alone can say."""
  rows = []
  shown = [one for one in run.evaluations if one.input.startswith("proxy") and 1 in one.pass_at]
  highest = max((found.high for one in shown for found in one.groups.get("mended by", {}).values()), default=0)
  scale = highest or 1.0
  for one in shown:
    mended = one.groups.get("mended by", {})
    cells = [markup.cell(workdir_lib.label(one.model)), markup.cell(one.input.removeprefix("proxy, "))]
    for group in (_NEW_CODE, _NO_NEW_CODE):
      estimate = mended.get(group)
      cells += [markup.estimate(estimate, scale), markup.number(estimate.num_tasks if estimate else None)]
    rows.append(markup.row([*cells, markup.cell(one.pass_at[1])]))
  if not rows:
    return ""
  columns = [
      ("rationales of", False), ("given", False), ("pass@1, fix needs new code", False), ("tasks", True),
      ("pass@1, only lines go or move", False), ("tasks", True), ("pass@1, all", False),
  ]
  return (
      "<h2>Proxy-based evaluation</h2>\n" + markup.table(columns, rows)
      + '<p class="soft">Another model gets the task and a rationale, its code cut off, and fixes. Where the fix writes'
      " no new code, words such as “line 3 should be removed” are the whole fix: such tasks say little of a"
      " rationale.</p>"
  )


def groups(run: workdir_lib.Run) -> str:
  """pass@1 by origin and symptom of the bug, and by what mends it, for the base and the best model."""
  base, best = run.base_evaluation, run.best_evaluation
  if not best:
    return ""
  shown = [base, best] if base and base is not best else [best]
  rows = []
  for name, found in best.groups.items():
    if name == "kind" or len(found) < 2:
      continue
    for group, estimate in found.items():
      cells = [markup.estimate(one.groups.get(name, {}).get(group), 1.0) for one in shown]
      rows.append(markup.row([markup.cell(f"{name}: {group}"), *cells, markup.number(estimate.num_tasks)]))
  if not rows:
    return ""
  columns = [("group", False), *((f"{workdir_lib.label(one.model)}: pass@1", False) for one in shown), ("tasks", True)]
  return "<h2>By group</h2>\n" + markup.table(columns, rows)


def kinds(run: workdir_lib.Run) -> str:
  """The share of samples that pass, by kind of bug, for the base and the best model."""
  base, best = run.base_evaluation, run.best_evaluation
  if not best or len(best.by_bug_kind) < 2:
    return ""
  shown = [base, best] if base and base is not best else [best]
  rows = []
  for kind in sorted(best.by_bug_kind, key=lambda kind: (-best.by_bug_kind[kind][1], kind)):
    meters = [markup.meter(*one.by_bug_kind.get(kind, (0, 0))) for one in shown]
    rows.append(markup.row([markup.cell(kind), *meters, markup.number(best.by_bug_kind[kind][1])]))
  columns = [("kind", False), *((f"{workdir_lib.label(one.model)}: share passed", False) for one in shown)]
  return (
      "<h2>By kind of bug</h2>\n" + markup.table([*columns, ("samples", True)], rows)
      + f'<p class="soft">On {markup.escape(best.corpus)}, {markup.escape(best.series)}. A kind with few samples says'
      " little.</p>"
  )


def _name(evaluation: workdir_lib.Evaluation) -> str:
  return markup.escape(workdir_lib.label(evaluation.model))
