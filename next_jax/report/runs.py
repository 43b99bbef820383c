"""Several runs: the arms of a sweep, each with its seeds, or work directories that somebody names."""

from collections.abc import Mapping, Sequence
import dataclasses
import os
import re
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.report import workdir as workdir_lib

SWEEP = "sweep.json"
_SEED = re.compile(r"seed_(\d+)")


@dataclasses.dataclass(frozen=True)
class EvaluationKey:
  """A set of tasks, and what arms call their evaluation on it: "dev" of two arms may be of two corpora."""

  name: str
  corpus: str
  split: str

  def __str__(self) -> str:
    return f"{self.name} ({self.corpus}, {self.split})"


def key_of(evaluation: workdir_lib.EvaluationRecord) -> EvaluationKey:
  return EvaluationKey(evaluation.name, evaluation.corpus, evaluation.split)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmRuns:
  """Runs that differ in their seed only.

  Attributes:
    runs: Seed -> run, in the order of seeds.
  """

  name: str
  runs: Mapping[int, workdir_lib.RunRecord]

  def models(self) -> list[str]:
    """Directories of the models that any seed has, in the order of the loop."""
    named = [list(dict.fromkeys(e.model for e in run.evaluations)) for run in self.runs.values()]
    longest = max(named, key=len, default=[])
    return list(dict.fromkeys([*longest, *(name for names in named for name in names)]))

  def evaluations(self, model: str, wanted: EvaluationKey | str) -> dict[int, workdir_lib.EvaluationRecord]:
    """Seed -> evaluation of a model, by what it asks or by its name alone.

    `last` or `control_<name>_last` is the last iteration that was evaluated so, in runs that are finished.
    """
    found = {}
    for seed, run in self.runs.items():
      if model.endswith("last") and not run.finished:
        continue
      mine = [e for e in run.evaluations if wanted in (e.name, key_of(e)) and _is(e.model, model)]
      if mine:
        found[seed] = mine[-1]
    return found

  def earlier(self, others: Sequence["ArmRuns"], model: str, wanted: EvaluationKey) -> "ArmRuns | None":
    """The first of `others` with the very same evaluations: stages of one fingerprint, with every seed."""
    mine = {seed: _fingerprint(one) for seed, one in self.evaluations(model, wanted).items()}
    for other in others:
      if mine == {seed: _fingerprint(one) for seed, one in other.evaluations(model, wanted).items()}:
        return other
    return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runs:
  """All runs of a report.

  Attributes:
    directory: Where the page is written; None where the runs come from several places.
    arms: Arms in the order in which they were requested.
    findings: Title -> "hypothesis" and "contrasts", of sweep.json.
    missing: "arm, seed n" of runs of a sweep that does not exist or is not finished.
  """

  directory: epath.Path | None
  arms: tuple[ArmRuns, ...]
  findings: Mapping[str, Mapping[str, Any]]
  missing: tuple[str, ...]

  def arm(self, name: str) -> ArmRuns | None:
    return next((arm for arm in self.arms if arm.name == name), None)

  def keys(self) -> list[EvaluationKey]:
    """Every evaluation of some arm, in the order of the first run that has it."""
    return list(dict.fromkeys(key_of(e) for arm in self.arms for run in arm.runs.values() for e in run.evaluations))


def is_sweep(directory: epath.PathLike) -> bool:
  return (epath.Path(directory) / SWEEP).exists()


def read(directories: Sequence[epath.PathLike]) -> Runs:
  """Reads sweeps and work directories.

  A directory called seed_<n> belongs to the arm that its parent is named after; any other is an arm by itself.

  Raises:
    ReportError: a directory is neither, or two runs are of the same arm and seed.
    FileError: a file is damaged.
  """
  found: dict[str, dict[int, workdir_lib.RunRecord]] = {}
  findings: dict[str, Mapping[str, Any]] = {}
  missing = []
  for directory in map(epath.Path, directories):
    if not is_sweep(directory):
      _add(found, directory)
      continue
    facts = files.read_json(directory / SWEEP)
    findings.update(facts["findings"])
    for name, arm in facts["arms"].items():
      for seed in arm["seeds"]:
        path = directory / name / f"seed_{seed}"
        if not (path / "run.json").exists():
          missing.append(f"{name}, seed {seed}")
        elif not _add(found, path).finished:
          missing.append(f"{name}, seed {seed} (under way)")
  arms = tuple(ArmRuns(name=name, runs=dict(sorted(runs.items()))) for name, runs in found.items())
  if not arms:
    raise errors.ReportError(f"{os.fspath(directories[0])}: no run of the sweep has begun; start it first")
  directory = epath.Path(directories[0]) if len(directories) == 1 else None
  return Runs(directory=directory, arms=arms, findings=findings, missing=tuple(missing))


def _add(found: dict[str, dict[int, workdir_lib.RunRecord]], directory: epath.Path) -> workdir_lib.RunRecord:
  run = workdir_lib.read(directory)
  place = epath.Path(os.path.abspath(os.fspath(directory))) if "://" not in os.fspath(directory) else directory
  match = _SEED.fullmatch(place.name)
  name = place.parent.name if match else place.name
  seed = int(match[1]) if match else int(run.settings.get("seed", 0))
  runs = found.setdefault(name, {})
  if seed in runs:
    raise errors.ReportError(
        f"{os.fspath(directory)}: a second run of arm {name!r} with seed {seed}, beside"
        f" {os.fspath(runs[seed].directory)}; name its directory otherwise"
    )
  runs[seed] = run
  return run


def _fingerprint(evaluation: workdir_lib.EvaluationRecord) -> str:
  return files.read_json(evaluation.directory / "stage.json")["fingerprint"]


def _is(model: str, wanted: str) -> bool:
  if wanted == "last":
    wanted = "iteration_last"
  if wanted.endswith("_last"):
    return re.fullmatch(re.escape(wanted.removesuffix("_last")) + r"_\d+", model) is not None
  return model == wanted
