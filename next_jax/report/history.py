"""The lower half of the page: how the results came about. Each section is a function from the run to HTML."""

from collections.abc import Sequence

from next_jax import schema
from next_jax.pages import markup
from next_jax.pages import table
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


def training(run: workdir_lib.RunRecord) -> str:
  """For each round: what became of its samples, and what the model was tuned on."""
  if not run.rounds:
    return ""
  seen = [status for status in schema.STATUSES if any(status in one.statuses for one in run.rounds)]
  rows = []
  for one in run.rounds:
    total = sum(one.statuses.values())
    counts = [one.statuses.get(status, 0) if total else None for status in seen]
    rows.append((
        _purpose(one), total or None, _stack(one.statuses, seen), *counts, one.num_hard, one.num_kept, _tuning(one)
    ))
  columns = ("to make", "samples", "verdicts", *seen, "hard tasks", "kept", "tuning")
  key = " ".join(f'<span class="key"><i class="status-{s}"></i>{s}: {markup.escape(_MEANING[s])}</span>' for s in seen)
  return table.Table(title="Samples for training", columns=columns, rows=tuple(rows)).html() + f"<p>{key}</p>"


def minutes(run: workdir_lib.RunRecord) -> str:
  """Wall time of the stages: a row for each model, a column for each kind of stage."""
  timed = [stage for stage in run.stages if stage.seconds is not None]
  if not timed:
    return ""
  kinds = list(dict.fromkeys(stage.kind for stage in timed))
  rows = []
  for model in dict.fromkeys(stage.model for stage in timed):
    mine = [stage for stage in timed if stage.model == model]
    cells = [_minutes([stage for stage in mine if stage.kind == kind]) for kind in kinds]
    rows.append((workdir_lib.label(model), *cells, _minutes(mine, marked=False)))
  notes = [f"Wall time; {_minutes(timed, marked=False)} minutes in all."]
  for name, what in (("samples_per_second", "samples"), ("verdicts_per_second", "verdicts")):
    rates = sorted(stage.rates[name] for stage in timed if name in stage.rates)
    if rates:
      notes.append(f"{rates[len(rates) // 2]:,.0f} {what} per second (median of the stages).")
  if any(stage.resumed for stage in timed):
    notes.append("* resumed after a stop: the time of the last part only.")
  if any(stage.taken for stage in timed):
    notes.append("† reused from another run, which took this time.")
  return table.Table(
      title="Minutes", columns=("model", *kinds, "all"), rows=tuple(rows), notes=" ".join(notes)
  ).html()


def facts(run: workdir_lib.RunRecord) -> str:
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


def _minutes(stages: Sequence[workdir_lib.StageRecord], *, marked: bool = True) -> table.Number | None:
  if not stages:
    return None
  mark = ("*" if any(one.resumed for one in stages) else "") + ("†" if any(one.taken for one in stages) else "")
  return table.Number(f"{sum(one.seconds or 0.0 for one in stages) / 60:,.1f}{mark if marked else ''}")


def _stack(statuses: dict[str, int], seen: list[str]) -> table.Html | None:
  total = sum(statuses.values())
  if not total:
    return None
  parts = "".join(
      f'<i class="status-{status}" style="width:{100 * statuses[status] / total:.2f}%" title="{status}:'
      f' {statuses[status]}"></i>'
      for status in seen if statuses.get(status)
  )
  return table.Html(f'<div class="stack">{parts}</div>')


def _tuning(one: workdir_lib.Round) -> str:
  """The metrics that say how much was learnt from what; the stage's manifest has all."""
  parts = []
  for name in ("steps", "tokens", "examples_too_long", "loss"):
    value = one.tuning.get(name)
    if value:  # no example was too long
      parts.append(f"{name.replace('_', ' ')} {value:,.{3 if name == 'loss' else 0}f}")
  return ", ".join(parts)
