"""The lower half of the page: how it came about, each section a function of the run to HTML."""

from next_jax import schema
from next_jax.report import markup
from next_jax.report import workdir as workdir_lib

_MEANING = {
    "passed": "passed every test",
    "failed": "an assertion did not hold",
    "error": "raised an exception",
    "timeout": "ran out of time",
    "memory": "ran out of memory",
    "syntax": "no program that compiles, or none at all",
    "infrastructure": "could not be judged; not counted as failed",
}


def training(run: workdir_lib.Run) -> str:
  """Of each round: what became of its samples, and what was tuned on."""
  if not run.rounds:
    return ""
  seen = [status for status in schema.STATUSES if any(status in one.statuses for one in run.rounds)]
  rows = []
  for one in run.rounds:
    total = sum(one.statuses.values())
    cells = [markup.cell(_purpose(one)), markup.number(total or None), _stack(one.statuses, seen)]
    cells += [markup.number(one.statuses.get(status, 0) if total else None) for status in seen]
    cells += [markup.number(one.num_hard), markup.number(one.num_kept), markup.cell(_tuning(one))]
    rows.append(markup.row(cells))
  columns = [("to make", False), ("samples", True), ("verdicts", False), *((status, True) for status in seen)]
  columns += [("hard tasks", True), ("kept", True), ("tuning", False)]
  key = " ".join(f'<span class="key"><i class="status-{s}"></i>{s}: {markup.escape(_MEANING[s])}</span>' for s in seen)
  return "<h2>Samples for training</h2>\n" + markup.table(columns, rows) + f"<p>{key}</p>"


def minutes(run: workdir_lib.Run) -> str:
  """Wall time of the stages: a row for each model, a column for each kind of stage."""
  timed = [stage for stage in run.stages if stage.seconds is not None]
  if not timed:
    return ""
  kinds = list(dict.fromkeys(stage.kind for stage in timed))
  rows = []
  for model in dict.fromkeys(stage.model for stage in timed):
    mine = [stage for stage in timed if stage.model == model]
    cells = [markup.cell(workdir_lib.label(model))]
    for kind in kinds:
      these = [stage for stage in mine if stage.kind == kind]
      mark = ("*" if any(stage.resumed for stage in these) else "") + ("†" if any(s.taken for s in these) else "")
      cells.append(markup.number(sum(stage.seconds for stage in these) / 60 if these else None, digits=1, mark=mark))
    rows.append(markup.row([*cells, markup.number(sum(stage.seconds for stage in mine) / 60, digits=1)]))
  total = sum(stage.seconds for stage in timed) / 60
  notes = [f"Wall time; {total:.1f} minutes in all."]
  for name, what in (("samples_per_second", "samples"), ("verdicts_per_second", "verdicts")):
    rates = sorted(stage.rates[name] for stage in timed if name in stage.rates)
    if rates:
      notes.append(f"{rates[len(rates) // 2]:,.0f} {what} per second (median of the stages).")
  if any(stage.resumed for stage in timed):
    notes.append("* continued after a stop: the time of the last part only.")
  if any(stage.taken for stage in timed):
    notes.append("† taken over from another run, which needed this time.")
  columns = [("model", False), *((kind, True) for kind in kinds), ("all", True)]
  return "<h2>Minutes</h2>\n" + markup.table(columns, rows) + f'<p class="soft">{" ".join(notes)}</p>'


def facts(run: workdir_lib.Run) -> str:
  """run.json as a list; best.json and config.gin to be unfolded."""
  parts = []
  if run.settings:
    parts.append(markup.facts(run.settings))
  if run.best:
    summary = "best.json: which model was chosen, and why"
    parts.append(f"<details><summary>{summary}</summary>{markup.facts(run.best)}</details>")
  if run.config:
    parts.append(f"<details><summary>config.gin</summary><pre>{markup.escape(run.config)}</pre></details>")
  return "\n".join(["<h2>What was run</h2>", *parts]) if parts else ""


def _purpose(one: workdir_lib.Round) -> str:
  return "D_H, the hard tasks" if one.model == "base" else workdir_lib.label(one.model)


def _stack(statuses: dict[str, int], seen: list[str]) -> str:
  total = sum(statuses.values())
  if not total:
    return "<td></td>"
  parts = "".join(
      f'<i class="status-{status}" style="width:{100 * statuses[status] / total:.2f}%" title="{status}:'
      f' {statuses[status]}"></i>'
      for status in seen if statuses.get(status)
  )
  return f'<td><div class="stack">{parts}</div></td>'


def _tuning(one: workdir_lib.Round) -> str:
  """The metrics that say how much was learnt from what; all of them are in the stage's manifest."""
  parts = []
  for name in ("steps", "tokens", "examples_too_long", "loss"):
    value = one.tuning.get(name)
    if value:  # no example is too long: nothing to say
      parts.append(f"{name.replace('_', ' ')} {value:,.{3 if name == 'loss' else 0}f}")
  return ", ".join(parts)
