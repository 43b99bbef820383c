"""The upper half of the page: the results. Each section is a function from the run to HTML."""

from collections.abc import Iterable, Sequence

from next_jax.evaluation import intervals
from next_jax.pages import markup
from next_jax.pages import table
from next_jax.report import workdir as workdir_lib

NOTHING_YET = "No evaluation is finished yet."


def ordered(evaluations: Iterable[workdir_lib.EvaluationRecord]) -> list[workdir_lib.EvaluationRecord]:
  """Grouped by set of tasks; within a set in the order of the loop."""
  evaluations = list(evaluations)
  sets = list(dict.fromkeys((e.corpus, e.split) for e in evaluations))
  return sorted(evaluations, key=lambda e: sets.index((e.corpus, e.split)))  # stable: the models stay in order


def known_ks(evaluations: Iterable[workdir_lib.EvaluationRecord]) -> list[int]:
  """Every k that some evaluation has a pass@k for."""
  return sorted({k for one in evaluations for k in one.pass_at})


def plotted_ks(evaluations: Iterable[workdir_lib.EvaluationRecord]) -> list[int]:
  """The smallest and the largest k: what a model does at once, and what it can do."""
  known = known_ks(evaluations)
  return sorted({known[0], known[-1]}) if known else []


def headline(run: workdir_lib.RunRecord, title: str) -> str:
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


def results(run: workdir_lib.RunRecord) -> table.Table | None:
  """Every evaluation, a group of rows for each set of tasks; None where none is finished."""
  evaluations = ordered(run.evaluations)
  if not evaluations:
    return None
  ks = known_ks(evaluations)
  rows: list[table.Row] = []
  best = None
  for one in evaluations:
    if (group := table.Group(f"{one.corpus}, {one.split}")) not in rows:
      rows.append(group)
    if one is run.best_evaluation and one.model != "base":
      best = len(rows)
    # pass@1 is drawn, the others stand in numbers.
    estimates = [one.pass_at.get(k) if k == 1 else str(one.pass_at.get(k, "")) for k in ks]
    numbers = (one.num_tasks, one.num_samples, table.Number(one.seed))
    rows.append((workdir_lib.label(one.model), one.corpus, one.split, one.input, *numbers, *estimates))
  return table.Table(
      title="Results", rows=tuple(rows), best=best,
      columns=("model", "corpus", "split", "input", "tasks", "samples", "seed", *(f"pass@{k}" for k in ks)),
      notes="Input: what the prompts showed at test time. In brackets: the 95\u00a0% interval over tasks. pass@k is the"
      " unbiased estimate from all samples of a task, averaged over the tasks.",
  )


def controls(run: workdir_lib.RunRecord) -> str:
  """How much of the gain is owed to the filter and to the trace, in sentences with their numbers."""
  base, best = run.base_evaluation, run.best_evaluation
  if not base or not best or base is best:
    return ""
  items = []
  iterations = {one.model: one for one in run.evaluations if one.name == best.name}
  for one in run.evaluations:
    is_other = one.input.startswith("proxy") or (one.corpus, one.split) != (best.corpus, best.split)
    if is_other or 1 not in one.pass_at or one is best:
      continue
    if one.is_control and one.input == best.input:
      # Each model of a chain of controls has a counterpart with as many iterations and examples.
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


def rationales(run: workdir_lib.RunRecord) -> str:
  """Automatic measures of rationales, and the share of programs returned unchanged, for the base and best model."""
  shown = _base_and_best(run)
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
    what: str, found: Sequence[tuple[workdir_lib.EvaluationRecord, intervals.Estimate | None]],
    chance: str | None = None,
) -> str:
  known = [(one, share) for one, share in found if share is not None]
  if not known:
    return ""
  shares = ", ".join(f"{_name(one)} {markup.percent(share)}" for one, share in known)
  if chance and (by_chance := known[-1][0].localisation.get(chance)):
    shares += f"; a line named at random would be with {markup.percent(by_chance)}"
  return f"<p>{what}: {shares}.</p>"


_NEW_CODE, _NO_NEW_CODE = "new code", "removing or moving lines"


def proxies(run: workdir_lib.RunRecord) -> str:
  """What a proxy fixes with the help of rationales; tasks whose fix words alone can dictate stand apart."""
  rows = []
  for one in run.evaluations:
    if one.input.startswith("proxy") and 1 in one.pass_at:
      cells: list[table.Cell] = [workdir_lib.label(one.model), one.input.removeprefix("proxy, ")]
      for group in (_NEW_CODE, _NO_NEW_CODE):
        estimate = one.groups.get("mended by", {}).get(group)
        cells += [estimate, estimate.num_tasks if estimate else None]
      rows.append((*cells, str(one.pass_at[1])))
  if not rows:
    return ""
  return table.Table(
      title="Proxy-based evaluation", rows=tuple(rows),
      columns=(
          "rationales of", "given", "pass@1, fix needs new code", "tasks", "pass@1, only lines go or move", "tasks",
          "pass@1, all",
      ),
      notes="Another model gets the task and a rationale, with the code cut out, and writes the fix. Where the fix"
      " needs no new code, words such as “line 3 should be removed” are the whole fix: such tasks say little about a"
      " rationale.",
  ).html()


def groups(run: workdir_lib.RunRecord) -> str:
  """pass@1 by origin and symptom of the bug, and by what mends it, for the base and the best model."""
  shown = _base_and_best(run)
  if not shown:
    return ""
  rows = tuple(
      (f"{name}: {group}", *(one.groups.get(name, {}).get(group) for one in shown), estimate.num_tasks)
      for name, found in shown[-1].groups.items() if name != "kind" and len(found) > 1
      for group, estimate in found.items()
  )
  columns = ("group", *(f"{workdir_lib.label(one.model)}: pass@1" for one in shown), "tasks")
  return table.Table(title="By group", columns=columns, rows=rows, scale=1.0).html() if rows else ""


def kinds(run: workdir_lib.RunRecord) -> str:
  """The share of samples that pass, by kind of bug, for the base and the best model."""
  shown = _base_and_best(run)
  if not shown or len(shown[-1].by_bug_kind) < 2:
    return ""
  best = shown[-1]
  rows = tuple(
      (kind, *(table.Share(*one.by_bug_kind.get(kind, (0, 0))) for one in shown), samples)
      for kind, (_, samples) in sorted(best.by_bug_kind.items(), key=lambda item: (-item[1][1], item[0]))
  )
  return table.Table(
      title="By kind of bug", rows=rows,
      columns=("kind", *(f"{workdir_lib.label(one.model)}: share passed" for one in shown), "samples"),
      notes=f"On {best.corpus}, {best.series}. A kind with few samples says little.",
  ).html()


def _base_and_best(run: workdir_lib.RunRecord) -> list[workdir_lib.EvaluationRecord]:
  """The base's and the best model's main evaluation, once where they are the same."""
  base, best = run.base_evaluation, run.best_evaluation
  return [one for one in ([best] if base is best else [base, best]) if one]


def _name(evaluation: workdir_lib.EvaluationRecord) -> str:
  return markup.escape(workdir_lib.label(evaluation.model))
