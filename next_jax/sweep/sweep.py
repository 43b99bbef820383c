"""A list of runs: every arm with every seed, one after the other. Stages that they share are made once.

Each run is an ordinary `next-jax run` in a process of its own, with the work directory WORKDIR/<arm>/seed_<n>. The
sweep skips finished runs and resumes unfinished ones, also those that were started by hand. Every run takes over the
stages that another run in WORKDIR has finished.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import re
import time
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.configuration import parsing
from next_jax.configuration import runnable
from next_jax.stages import invocation as invocation_lib
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.sweep import child_run
from next_jax.sweep import finding

FILE_NAME = "sweep.json"
_SET_BY_THE_SWEEP = ("WORKDIR", "SEED")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
  """One variant of the run.

  Attributes:
    name: Name of the arm and of its directory.
    gin_files: Config files, as for `next-jax run --gin_file`. They set %WORKDIR and %SEED, which the sweep overrides.
    bindings: Bindings "NAME=VALUE", as for `--gin.NAME=VALUE`.
  """

  name: str
  gin_files: tuple[str, ...]
  bindings: tuple[str, ...] = ()

  def __post_init__(self):
    if not re.fullmatch(r"\w[\w.-]*", self.name):
      raise errors.SweepError(
          f"Arm.name: found {self.name!r}, expected letters, digits, '_', '-' and '.': it names a directory"
      )
    if isinstance(self.gin_files, str) or isinstance(self.bindings, str):
      raise errors.SweepError(
          f"arm {self.name!r}: expected tuples in gin_files and bindings, found text: (\"...\",) is a tuple"
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmRun:
  """One arm with one seed.

  Attributes:
    bindings: Bindings of the sweep, then those of the arm, then those of work directory and seed.
    config: Text of config.gin once the run is finished.
  """

  arm: str
  seed: int
  workdir: epath.Path
  gin_files: tuple[str, ...]
  bindings: tuple[str, ...]
  config: str

  def __str__(self) -> str:
    return f"{self.arm}, seed {self.seed}"

  def is_finished(self) -> bool:
    """Whether the run succeeded with the settings that it has now."""
    config, facts = self.workdir / "config.gin", self.workdir / "run.json"
    return facts.exists() and files.read_json(facts).get("finished", False) and config.read_text() == self.config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
  """Every arm with every seed.

  Attributes:
    workdir: Work directory. Runs are in WORKDIR/<arm>/seed_<n>, their output is in WORKDIR/logs. Several sweeps may
      have the same work directory; then they share arms, stages and one report.
    arms: Variants of the run. All arms run with the first seed, in this order, then all with the second, and so on.
    seeds: Seeds with which every arm is run.
    bindings: Bindings of all arms; those of an arm come after them.
    findings: Comparisons of arms for the report.
  """

  workdir: epath.PathLike
  arms: tuple[Arm, ...]
  seeds: tuple[int, ...] = (0, 1, 2)
  bindings: tuple[str, ...] = ()
  findings: tuple[finding.Finding, ...] = ()

  def __post_init__(self):
    names = [arm.name for arm in self.arms]
    for what, values in (("arms", names), ("seeds", list(self.seeds))):
      if not values or len(set(values)) != len(values):
        raise errors.SweepError(
            f"Sweep.{what}: found {', '.join(map(str, values)) or 'none'}; expected each once, at least one"
        )
    if "logs" in names or "report" in names:
      raise errors.SweepError(
          "Sweep.arms: 'logs' and 'report' are directories of the sweep itself; give the arm another name"
      )
    if isinstance(self.bindings, str):
      raise errors.SweepError('Sweep.bindings: expected a tuple, found text: ("NUM_DEV=500",) is a tuple')
    for binding in (*self.bindings, *(binding for arm in self.arms for binding in arm.bindings)):
      if binding.partition("=")[0].strip() in _SET_BY_THE_SWEEP:
        raise errors.SweepError(
            f"{binding}: each run of a sweep gets its own {' and '.join(_SET_BY_THE_SWEEP)}; leave it out"
        )

  def prepare(self) -> None:
    """Checks every arm as `next-jax run` does before it starts, and the findings; writes nothing.

    Raises UserError if a configuration, an arm or a finding is wrong.
    """
    if processes.current().count > 1:
      raise errors.SweepError(
          "a sweep runs in one process; to use several, start each of its runs yourself with `next-jax run`, one after"
          " the other"
      )
    evaluations = {}
    for run in self.runs():
      if run.seed == self.seeds[0]:
        with parsing.aside(), _naming(run):
          program = _program(run)
          program.prepare()
          evaluations[run.arm] = [one.name for one in getattr(program, "evaluations", ())]
    for one in self.findings:
      one.check(evaluations)

  def runs(self) -> list[ArmRun]:
    """Returns all runs, in the order in which they are made. Raises UserError if a configuration is wrong."""
    return [self._run(arm, seed) for seed in self.seeds for arm in self.arms]

  def run(self, invocation: invocation_lib.Invocation = invocation_lib.Invocation()) -> None:
    """Makes the runs that are not finished. Raises SweepError if one fails."""
    runs = self.runs()
    files.write_json(epath.Path(self.workdir) / FILE_NAME, self.facts())
    finished = [run for run in runs if run.is_finished()]
    waiting = [run for run in runs if run not in finished]
    progress.say(f"[sweep] {len(runs)} runs: {len(self.arms)} arms x {len(self.seeds)} seeds; {len(finished)} finished")
    began = time.monotonic()
    for number, run in enumerate(waiting, 1):
      progress.say(f"[sweep] run {len(finished) + number} of {len(runs)}: {run}")
      others = _others(epath.Path(self.workdir), run)
      log = epath.Path(self.workdir) / "logs" / f"{run.arm}_seed_{run.seed}.log"
      child_run.run(_arguments(run, [*others, *invocation.reuse]), log=log, name=str(run))
      if not run.is_finished():
        raise errors.SweepError(
            f"{run}: ended without an error, but {os.fspath(run.workdir)} is not finished with the settings of the"
            f" sweep; did the config files change meanwhile? See {os.fspath(log)}"
        )
      minutes = (time.monotonic() - began) / 60 / number
      left = len(waiting) - number
      progress.say(
          f"[sweep] {len(finished) + number} of {len(runs)} runs finished; {minutes:.1f} minutes a run"
          + (f"; about {minutes * left:.0f} minutes left" if left else "")
      )

  def run_facts(self) -> dict[str, Any]:
    """The facts for run.json."""
    return {"program": type(self).__name__, "seeds": list(self.seeds), "arms": [arm.name for arm in self.arms]}

  def facts(self) -> dict[str, Any]:
    """The contents of sweep.json: the arms and findings of all sweeps in this work directory, for the report."""
    path = epath.Path(self.workdir) / FILE_NAME
    facts = files.read_json(path) if path.exists() else {"arms": {}, "findings": {}}
    for arm in self.arms:
      what = {"gin_files": list(arm.gin_files), "bindings": [*self.bindings, *arm.bindings]}
      known = facts["arms"].get(arm.name, {})
      is_same = all(known.get(key) == value for key, value in what.items())
      # Runs with other settings under the same name must not be averaged with these.
      facts["arms"][arm.name] = {**what, "seeds": sorted({*self.seeds, *(known["seeds"] if is_same else ())})}
    for one in self.findings:
      facts["findings"][one.title] = {"hypothesis": one.hypothesis, "contrasts": [list(c) for c in one.contrasts]}
    return facts

  def _run(self, arm: Arm, seed: int) -> ArmRun:
    workdir = epath.Path(self.workdir) / arm.name / f"seed_{seed}"
    own = (f"WORKDIR={os.fspath(workdir)!r}", f"SEED={seed}")
    run = ArmRun(
        arm=arm.name, seed=seed, workdir=workdir, gin_files=arm.gin_files,
        bindings=(*self.bindings, *arm.bindings, *own), config="",
    )
    with parsing.aside(), _naming(run):
      program = _program(run)
      if os.fspath(program.workdir) != os.fspath(workdir) or getattr(program, "seed", None) != seed:
        raise errors.SweepError(
            f"{', '.join(arm.gin_files)}: WORKDIR and SEED do not reach the program: its work directory is"
            f" {os.fspath(program.workdir)}, its seed {getattr(program, 'seed', None)}; bind them to %WORKDIR and %SEED"
        )
      return dataclasses.replace(run, config=parsing.text(runnable.run))


def _program(run: ArmRun) -> runnable.Runnable:
  """The program that the run will run."""
  parsing.parse(run.gin_files, run.bindings, runnable.run)
  return parsing.construct(runnable.run)


@contextlib.contextmanager
def _naming(run: ArmRun) -> Iterator[None]:
  """Puts the name of the arm in front of an error message."""
  try:
    yield
  except errors.UserError as error:
    raise errors.SweepError(f"arm {run.arm!r}: {error}") from error


def _arguments(run: ArmRun, others: list[epath.Path]) -> list[str]:
  return [
      "run", *(f"--gin_file={path}" for path in run.gin_files), *(f"--gin.{binding}" for binding in run.bindings),
      *(f"--take_from={os.fspath(path)}" for path in others),
  ]


def _others(workdir: epath.Path, run: ArmRun) -> list[epath.Path]:
  """Work directories of all other runs here, including those of other sweeps.

  Runs with the same seed come first, because they share more stages.
  """
  found = sorted((path for path in workdir.glob("*/seed_*") if path != run.workdir), key=os.fspath)
  return sorted(found, key=lambda path: path.name != run.workdir.name)
