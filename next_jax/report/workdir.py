"""Reads the parts of a work directory that a report needs; an unfinished run has fewer."""

import collections
import dataclasses
import os
import re
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.evaluation import intervals
from next_jax.evaluation import results as results_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageRecord:
  """A finished stage.

  Attributes:
    seconds: Wall time, in seconds; None where nobody measured them.
    resumed: Whether the stage was resumed, so that the seconds are those of its last part only.
    taken: Whether the stage was reused from another run, whose seconds these are.
  """

  name: str
  seconds: float | None
  resumed: bool
  taken: bool
  rates: dict[str, float]
  metrics: dict[str, Any]

  @property
  def model(self) -> str:
    return self.name.split("/")[0]

  @property
  def kind(self) -> str:
    return self.name.split("/")[1] if "/" in self.name else self.name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
  """One round of the loop: what became of its samples, and what was learnt from.

  Attributes:
    model: The model that was made from these samples.
    statuses: Verdict status -> number of samples; empty when none were drawn here.
    num_hard, num_kept: Number of hard tasks, and of examples kept for tuning; None when not decided here.
    tuning: Metrics of the fine-tuning, empty before it is finished.
  """

  model: str
  statuses: dict[str, int]
  num_hard: int | None
  num_kept: int | None
  tuning: dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
  """One model on one set of tasks.

  Attributes:
    model: Name of its directory: "base", "iteration_01", "control_unfiltered".
    name: The directory's name under `evaluate/`.
    input: What the prompts held: "trace" or "no trace".
    num_samples: Samples of each task.
    pass_at: Dictionary from k to pass@k.
    statuses: Verdict status, or "refused" -> number of samples.
    by_bug_kind: Kind -> (samples that passed, samples).
    contradicted: Share of rationales that contradict the trace; None where no sample has one.
    unchanged: Share of samples that return the buggy program.
    localisation: "names_bug", "names_own_change", "chance" -> estimate; see evaluation/localisation.py.
    groups: "origin", "symptom", ... -> group -> pass@1 with its number of tasks; see evaluation/groups.py.
  """

  directory: epath.Path
  model: str
  name: str
  corpus: str
  split: str
  input: str
  num_tasks: int
  num_samples: int
  seed: int
  pass_at: dict[int, intervals.Estimate]
  statuses: dict[str, int]
  by_bug_kind: dict[str, tuple[int, int]]
  contradicted: intervals.Estimate | None = None
  unchanged: intervals.Estimate | None = None
  localisation: dict[str, intervals.Estimate] = dataclasses.field(default_factory=dict)
  groups: dict[str, dict[str, intervals.Estimate]] = dataclasses.field(default_factory=dict)

  @property
  def series(self) -> str:
    return f"{self.split}, {self.input}"

  @property
  def is_control(self) -> bool:
    return is_control(self.model)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
  """All finished parts of a work directory.

  Attributes:
    settings: Contents of run.json; {} if it is missing.
    config: Contents of config.gin; "" if it is missing.
    best: Contents of best.json; {} until the run has chosen.
    finished: Whether the run has finished.
  """

  directory: epath.Path
  settings: dict[str, Any]
  config: str
  best: dict[str, Any]
  finished: bool
  evaluations: tuple[EvaluationRecord, ...]
  stages: tuple[StageRecord, ...]
  rounds: tuple[Round, ...]

  @property
  def best_evaluation(self) -> EvaluationRecord | None:
    """The result of the best model, or of the last iteration before the choice, on dev with the loop's own input."""
    mine = [e for e in self._main_set() if not e.is_control]
    chosen = [e for e in mine if e.model == self.best.get("model")]
    found = chosen or mine
    return found[-1] if found else None

  @property
  def base_evaluation(self) -> EvaluationRecord | None:
    return next((e for e in self._main_set() if e.model == "base"), None)

  def _main_set(self) -> list[EvaluationRecord]:
    with_one = [e for e in self.evaluations if 1 in e.pass_at]
    dev = [e for e in with_one if e.split == "dev"] or with_one
    return [e for e in dev if (e.corpus, e.split, e.input) == (dev[0].corpus, dev[0].split, dev[0].input)]


def is_control(model: str) -> bool:
  return model.startswith("control")


def label(model: str) -> str:
  """The name of a model for people: "NExT 1" for "iteration_01"."""
  iteration = re.fullmatch(r"iteration_0*(\d+)", model)
  if iteration:
    return f"NExT {iteration[1]}"
  if control := re.fullmatch(r"control_?(.*?)(?:_0*(\d+))?", model):
    name, number = control.groups()
    return "control: " + name.replace("_", " ") + (f" {number}" if number else "")
  return model


def read(directory: epath.PathLike) -> RunRecord:
  """Reads what is there; what is not finished yet is left out.

  Raises:
    ReportError: the directory does not exist, or holds nothing of a run.
    FileError: a file is damaged; the message names it.
  """
  directory = epath.Path(directory)
  if not directory.is_dir():
    raise errors.ReportError(
        f"{os.fspath(directory)}: no such directory; expected the work directory of `next-jax run`"
    )
  settings = _optional_json(directory / "run.json")
  models = _models(directory)
  if not settings and not models:
    raise errors.ReportError(
        f"{os.fspath(directory)}: expected the work directory of `next-jax run`, found neither run.json nor base/ nor"
        " iteration_01/; check the path"
    )
  config = directory / "config.gin"
  return RunRecord(
      directory=directory,
      settings=settings,
      config=config.read_text() if config.exists() else "",
      best=_optional_json(directory / "best.json"),
      finished=bool(settings.get("finished")),
      evaluations=tuple(
          _evaluation(path.parent)
          for model in models
          for path in sorted((directory / model).glob("evaluate/*/metrics.json"))
      ),
      stages=tuple(_stage(path.parent, directory) for path in _manifests(directory, models)),
      rounds=tuple(found for model in models if (found := _round(directory / model)) is not None),
  )


def _models(directory: epath.Path) -> list[str]:
  """The base, the iterations in order, the controls."""
  names = [path.name for path in directory.iterdir() if path.is_dir()]
  iterations = [name for name in names if re.fullmatch(r"iteration_\d+", name)]
  iterations.sort(key=lambda name: int(name.removeprefix("iteration_")))
  return [name for name in names if name == "base"] + iterations + sorted(name for name in names if is_control(name))


def _manifests(directory: epath.Path, models: list[str]) -> list[epath.Path]:
  found = []
  for model in ["corpus", *models]:
    for pattern in ("*/stage.json", "evaluate/*/stage.json"):
      paths = (directory / model).glob(pattern)
      found += sorted(paths, key=lambda path: (_ORDER.get(path.parent.name, 99), path.parent.name))
  return found


_ORDER = {name: place for place, name in enumerate(("tasks", "sample", "verify", "hard", "filter", "finetune"))}


def _stage(stage: epath.Path, directory: epath.Path) -> StageRecord:
  manifest = files.read_json(stage / "stage.json")
  timing = _optional_json(stage / "timing.json")
  return StageRecord(
      name=os.fspath(stage.relative_to(directory)),
      seconds=timing.get("seconds"),
      resumed=bool(timing.get("resumed")),
      taken="taken_from" in timing,
      rates={name: value for name, value in timing.items() if name.endswith("_per_second")},
      metrics=manifest.get("metrics", {}),
  )


_LOCALISATION = ("names_bug", "names_own_change", "chance")
_METRICS = ("corpus", "split", "input", "num_tasks", "num_samples", "seed", "statuses")


def _evaluation(directory: epath.Path) -> EvaluationRecord:
  results = results_lib.read(directory)
  metrics = results.metrics
  try:
    contradicted = metrics.get("consistency", {}).get("contradicted_rationales")
    located = metrics.get("localisation", {})
    return EvaluationRecord(
        directory=directory,
        model=results.model,
        name=directory.name,
        **{name: metrics[name] for name in _METRICS},
        pass_at={int(k): intervals.Estimate(**estimate) for k, estimate in metrics["pass_at"].items()},
        by_bug_kind={kind: (one["passed"], one["samples"]) for kind, one in metrics.get("by_bug_kind", {}).items()},
        contradicted=_optional_estimate(contradicted),
        unchanged=_optional_estimate(metrics.get("unchanged")),
        localisation={name: intervals.Estimate(**located[name]) for name in _LOCALISATION if located.get(name)},
        groups={
            name: {
                group: intervals.Estimate(**one["pass_at"]["1"], num_tasks=one["tasks"])
                for group, one in found.items() if "1" in one["pass_at"]
            }
            for name, found in metrics.get("groups", {}).items()
        },
    )
  except (KeyError, TypeError, ValueError, AttributeError) as error:
    raise errors.ReportError(
        f"{os.fspath(directory / 'metrics.json')}: expected the metrics of an evaluation, found"
        f" {type(error).__name__} {error}; delete the directory and run again"
    ) from None


def _optional_estimate(value: dict[str, Any] | None) -> intervals.Estimate | None:
  return None if value is None else intervals.Estimate(**value)


def _round(directory: epath.Path) -> Round | None:
  """Counted from the records themselves, so that the numbers cannot differ from the training set."""
  statuses: collections.Counter[str] = collections.Counter()
  if (directory / "verify" / "stage.json").exists():
    verdicts = files.read_jsonl(directory / "verify" / "verdicts.jsonl", schema.Verdict)
    statuses.update(verdict.status for verdict in verdicts)
  hard, kept = _num_lines(directory / "hard" / "tasks.jsonl"), _num_lines(directory / "filter" / "kept.jsonl")
  finetune = directory / "finetune" / "stage.json"
  tuning = files.read_json(finetune)["metrics"] if finetune.exists() else {}
  if not statuses and hard is None and kept is None and not tuning:
    return None
  return Round(model=directory.name, statuses=dict(statuses), num_hard=hard, num_kept=kept, tuning=tuning)


def _num_lines(path: epath.Path) -> int | None:
  return sum(1 for _ in files.read_jsonl_objects(path)) if path.exists() else None


def _optional_json(path: epath.Path) -> dict[str, Any]:
  value = files.read_json(path) if path.exists() else {}
  if not isinstance(value, dict):
    raise errors.ReportError(f"{os.fspath(path)}: expected a JSON object, found {type(value).__name__}")
  return value
