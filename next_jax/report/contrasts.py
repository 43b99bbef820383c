"""What several runs say together: findings, arms against the first, and all results, as tables and as plain data."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from next_jax.evaluation import over_seeds
from next_jax.pages import table
from next_jax.report import measures as measures_lib
from next_jax.report import runs as runs_lib
from next_jax.report import workdir as workdir_lib
from next_jax.sweep import finding

NUM_RESAMPLES = 10_000  # of contrasts
_FEWER = 2000  # of the table of all results, which has hundreds

HOW_TO_READ = (
    "In brackets: the 95 % interval over seeds and tasks (pigeonhole bootstrap). p: two-sided sign-flip test over"
    " tasks, of the differences averaged over these seeds."
)
_VERDICTS = {1: "more", -1: "less", 0: "not shown"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContrastResult:
  """One contrast of a finding.

  Attributes:
    first, second: ARM/MODEL/EVALUATION, or the gain of one over another.
    contrast: The comparison; None until both sides have a finished seed in common.
    seeds: Seeds that both sides have.
    num_samples: Samples of each task.
  """

  name: str
  first: str
  second: str
  metric: str
  contrast: over_seeds.Contrast | None
  seeds: tuple[int, ...]
  num_samples: int

  def row(self) -> tuple[table.Cell, ...]:
    metric = measures_lib.words(self.metric)
    if self.contrast is None:
      return (self.name, "not finished", *[None] * 5, metric, *[None] * 3)
    found, estimate = self.contrast, self.contrast.difference.estimate
    return (
        self.name, table.Shift(estimate=estimate, sign=found.sign), _VERDICTS[found.sign], found.first.estimate,
        found.second.estimate, " ".join(f"{value:+.3f}" for value in found.difference.per_seed),
        f"{found.p_value:.4f}", metric, len(self.seeds), estimate.num_tasks, self.num_samples,
    )


def _columns(name: str, first: str, second: str) -> tuple[str, ...]:
  return (
      name, f"{second} - {first}", f"{second} has", first, second, "each seed", "p", "metric", "seeds", "tasks",
      "samples",
  )


def compare(
    runs: runs_lib.Runs, measures: measures_lib.Measures, name: str, first: str, second: str,
    metric: str = "pass_at_1",
) -> ContrastResult:
  """Compares seed by seed; raises what reading the samples raises."""
  sides = [[_evaluations(runs, term) for term in finding.terms(measured)] for measured in (first, second)]
  seeds = tuple(sorted(set.intersection(*(set(found) for side in sides for found in side))))
  values = [
      [_side([measures.per_task(found[seed].directory, metric) for found in side]) for seed in seeds] for side in sides
  ]
  is_known = seeds and all(before.keys() & after.keys() for before, after in zip(*values, strict=True))
  return ContrastResult(
      name=name, first=first, second=second, metric=metric, seeds=seeds if is_known else (),
      contrast=over_seeds.contrast(*values, num_resamples=NUM_RESAMPLES) if is_known else None,
      num_samples=max((sides[1][0][seed].num_samples for seed in seeds), default=0),
  )


def _side(values: list[Mapping[str, float]]) -> Mapping[str, float]:
  """Task id -> value, or gain: first minus second, for the tasks that both have."""
  if len(values) == 1:
    return values[0]
  later, earlier = values
  return {task_id: value - earlier[task_id] for task_id, value in later.items() if task_id in earlier}


def findings(runs: runs_lib.Runs, measures: measures_lib.Measures) -> dict[str, list[ContrastResult]]:
  """Title -> answers to its contrasts."""
  return {
      title: [compare(runs, measures, *contrast) for contrast in one["contrasts"]]
      for title, one in sorted(runs.findings.items())
  }


def finding_tables(runs: runs_lib.Runs, found: Mapping[str, list[ContrastResult]]) -> list[table.Table]:
  return [
      table.Table(
          title=title, lead=f"Hypothesis: {runs.findings[title]['hypothesis']}",
          columns=_columns("contrast", "first", "second"),
          rows=tuple(one.row() for one in answers), notes=HOW_TO_READ,
      )
      for title, answers in found.items()
  ]


def against_first(
    runs: runs_lib.Runs, measures: measures_lib.Measures
) -> dict[runs_lib.EvaluationKey, list[ContrastResult]]:
  """The last iteration of every arm against the baseline: that of the first arm that has the same evaluation."""
  found = {}
  for key in runs.keys():
    asked = [arm for arm in runs.arms if arm.evaluations("last", key)]
    mine = [arm for arm in asked[1:] if not arm.earlier(asked[:1], "last", key)]
    if mine:
      baseline = asked[0]
      found[key] = [
          compare(runs, measures, a.name, f"{baseline.name}/last/{key.name}", f"{a.name}/last/{key.name}")
          for a in mine
      ]
  return found


def arm_tables(found: Mapping[runs_lib.EvaluationKey, list[ContrastResult]]) -> list[table.Table]:
  tables = []
  for key, answers in found.items():
    baseline = answers[0].first.split("/")[0]
    tables.append(table.Table(
        title=f"Arms against {baseline}: {key}", columns=_columns("arm", baseline, "arm"),
        rows=tuple(one.row() for one in answers), notes=f"The last iteration of each arm. {HOW_TO_READ}",
    ))
  return tables


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelResult:
  """One model of one arm on one set of tasks, over its seeds.

  Attributes:
    same_as: An earlier arm with identical evaluations.
  """

  arm: str
  model: str
  key: runs_lib.EvaluationKey
  input: str
  pass_at: Mapping[int, over_seeds.OverSeeds]
  seeds: tuple[int, ...]
  num_tasks: int
  num_samples: int
  same_as: str | None


def results(runs: runs_lib.Runs, measures: measures_lib.Measures) -> list[ModelResult]:
  """The results of every model of every arm on every evaluation."""
  return list(_results(runs, measures))


def _results(runs: runs_lib.Runs, measures: measures_lib.Measures) -> Iterator[ModelResult]:
  for key in runs.keys():
    for place, arm in enumerate(runs.arms):
      for model in arm.models():
        found = arm.evaluations(model, key)
        if not found:
          continue
        earlier = arm.earlier(runs.arms[:place], model, key)
        one = next(iter(found.values()))
        ks = sorted(set.intersection(*(set(e.pass_at) for e in found.values())))
        values = {k: [measures.per_task(e.directory, f"pass_at_{k}") for e in found.values()] for k in ks}
        yield ModelResult(
            arm=arm.name, model=model, key=key, input=one.input, seeds=tuple(found),
            same_as=earlier.name if earlier else None,
            pass_at={k: over_seeds.mean(values[k], num_resamples=_FEWER) for k in ks},
            num_tasks=one.num_tasks, num_samples=one.num_samples,
        )


def result_tables(runs: runs_lib.Runs, found: list[ModelResult]) -> list[table.Table]:
  """One for each set of tasks."""
  tables = []
  for key in runs.keys():
    mine = [one for one in found if one.key == key and not one.same_as]
    if not mine:
      continue
    ks = sorted({k for one in mine for k in one.pass_at})
    rows = tuple(
        (
            one.arm, workdir_lib.label(one.model), one.input,
            *(one.pass_at[k].estimate if k in one.pass_at else None for k in ks),
            " ".join(f"{value:.3f}" for value in one.pass_at[ks[0]].per_seed) if ks and ks[0] in one.pass_at else "",
            len(one.seeds), one.num_tasks, one.num_samples,
        )
        for one in mine
    )
    columns = ("arm", "model", "input", *(f"pass@{k}" for k in ks), f"pass@{ks[0] if ks else 1} of each seed")
    tables.append(table.Table(
        title=str(key), columns=(*columns, "seeds", "tasks", "samples"), rows=rows,
        notes="In brackets: the 95 % interval over seeds and tasks (pigeonhole bootstrap). What arms share, such as the"
        " base, stands at the first of them only.",
    ))
  return tables


def kind_tables(runs: runs_lib.Runs) -> list[table.Table]:
  """The share of samples that passed by kind of bug: base and last iteration of every arm on its first evaluation."""
  firsts = [run.evaluations[0] for arm in runs.arms for run in arm.runs.values() if run.evaluations]
  return [found for key in dict.fromkeys(map(runs_lib.key_of, firsts)) if (found := _kinds(runs, key))]


def _kinds(runs: runs_lib.Runs, key: runs_lib.EvaluationKey) -> table.Table | None:
  columns: dict[str, dict[str, list[int]]] = {}
  for model in ("base", "last"):
    for place, arm in enumerate(runs.arms):
      if arm.earlier(runs.arms[:place], model, key):
        continue
      of_kind: dict[str, list[int]] = {}
      for one in arm.evaluations(model, key).values():
        for kind, counts in one.by_bug_kind.items():
          of_kind[kind] = [a + b for a, b in zip(of_kind.get(kind, [0, 0]), counts, strict=True)]
      if of_kind:
        columns[f"{arm.name}, {model}"] = of_kind
  names = sorted({kind for of_kind in columns.values() for kind in of_kind})
  if not names:
    return None
  rows = tuple(
      (kind, *(table.Share(*of_kind.get(kind, (0, 0))) for of_kind in columns.values()),
       max(of_kind.get(kind, (0, 0))[1] for of_kind in columns.values()))
      for kind in names
  )
  return table.Table(
      title=f"By kind of bug: {key}", columns=("kind", *columns, "samples"), rows=rows,
      notes="The share of samples that passed, all seeds together. A kind with few samples says little.",
  )


def minutes(runs: runs_lib.Runs) -> table.Table:
  """Wall time of every run here, and what it would have been without stages from other runs."""
  rows = []
  for arm in runs.arms:
    for seed, run in arm.runs.items():
      timed = [stage for stage in run.stages if stage.seconds is not None]
      own = sum(stage.seconds or 0.0 for stage in timed if not stage.taken) / 60
      alone = sum(stage.seconds or 0.0 for stage in timed) / 60
      mark = "*" if any(stage.resumed for stage in timed) else ""
      state = "finished" if run.finished else "under way"
      rows.append((arm.name, str(seed), f"{own:.1f}{mark}", f"{alone:.1f}{mark}", state))
  notes = "Wall time of the stages. Alone: including the stages reused from other runs."
  if any(row[2].endswith("*") for row in rows):
    notes += " * a stage was continued after a stop: the time of its last part only."
  return table.Table(
      title="Minutes", columns=("arm", "seed", "here", "alone", "run"), rows=tuple(rows), notes=notes
  )


def summary(
    runs: runs_lib.Runs, found: Mapping[str, list[ContrastResult]],
    compared: Mapping[runs_lib.EvaluationKey, list[ContrastResult]], all_results: list[ModelResult],
) -> dict[str, Any]:
  """summary.json: the numbers of all tables."""
  def plain(answers: list[ContrastResult]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in answers]

  return {
      "arms": {arm.name: [str(run.directory) for run in arm.runs.values()] for arm in runs.arms},
      "missing": list(runs.missing),
      "findings": {
          title: {"hypothesis": runs.findings[title]["hypothesis"], "contrasts": plain(answers)}
          for title, answers in found.items()
      },
      "against_first": {str(key): plain(answers) for key, answers in compared.items()},
      "results": [dataclasses.asdict(one) for one in all_results],
      "minutes": minutes(runs).records(),
  }


def _evaluations(runs: runs_lib.Runs, measured: str) -> dict[int, workdir_lib.EvaluationRecord]:
  arm, model, evaluation = measured.split("/")
  found = runs.arm(arm)
  return found.evaluations(model, evaluation) if found else {}
