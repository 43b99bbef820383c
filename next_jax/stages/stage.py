"""A stage is a pure function to a directory.

The manifest, `stage.json`, is written last and by rename. A directory with a manifest is finished and never changes
again. Before the work begins, `claim.json` records the settings, so that a killed stage is refused when it is started
again with other settings; its files are never mixed. Seconds and rates go to `timing.json`. All other files in the
directory have the same bytes however often the run was killed. A stage that another run has finished can be reused
(`reuse`).

In a run of several processes, process 0 writes the manifests and merges the parts that all have written (`parts`).
"""

from collections.abc import Callable, Mapping
import dataclasses
import os
import time
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.stages import invocation as invocation_lib
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import reuse
from next_jax.stages import settings as settings_lib

MANIFEST, CLAIM, TIMING = "stage.json", "claim.json", "timing.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
  """What the work of a stage returns.

  Attributes:
    metrics, counts: Results for the manifest; the same however often the run was killed.
    timing: Rates per second for `timing.json`.
  """

  metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
  timing: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
  """The record of a finished stage, `stage.json`.

  Attributes:
    stage: Name of the stage, such as "iteration_01/sample".
    fingerprint: Hash of settings and inputs; an input of the stages that read this one.
    settings: The settings of the stage, as readable JSON.
    inputs: Name -> fingerprint of what the stage read.
    metrics, counts: Results of the stage.
  """

  stage: str
  fingerprint: str
  settings: Mapping[str, Any]
  inputs: Mapping[str, str]
  metrics: Mapping[str, Any]
  counts: Mapping[str, int]


def read_manifest(directory: epath.PathLike) -> Manifest | None:
  """Returns the manifest of a finished stage, or None. Raises FileError or StageError if it is damaged."""
  path = epath.Path(directory) / MANIFEST
  if not path.exists():
    return None
  value = files.read_json(path)
  names = [field.name for field in dataclasses.fields(Manifest)]
  if not isinstance(value, dict) or sorted(value) != sorted(names):
    raise errors.StageError(
        f"{os.fspath(path)}: expected the keys {', '.join(names)}; delete its directory and run again"
    )
  return Manifest(**value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
  """A stage that will be run, unless it is already finished.

  Attributes:
    name: Directory below the work directory, such as "iteration_01/sample".
    workdir: The work directory.
    settings: Everything that can change the result, as objects that `settings.describe` can describe.
    inputs: Name -> fingerprint of everything that the stage reads.
    invocation: Work directories of other runs whose stages may be reused, and what gin has bound.
  """

  name: str
  workdir: epath.Path
  settings: Mapping[str, Any]
  inputs: Mapping[str, str]
  invocation: invocation_lib.Invocation = invocation_lib.Invocation()

  @property
  def directory(self) -> epath.Path:
    return self.workdir / self.name

  def run(self, work: Callable[[epath.Path], Outcome], *, together: bool = False) -> Manifest:
    """Does the work, unless the stage is finished here or can be reused from another run.

    Raises StageError if the stage was begun or finished here with other settings or inputs.

    Args:
      work: Fills the directory and returns the outcome; the outcome of process 0 counts.
      together: Whether all processes work, and meet in the work. Otherwise process 0 works and the others wait.
    """
    group = processes.current()
    description = settings_lib.describe(self.settings, self.invocation.bound_arguments)
    claim = {
        "stage": self.name,
        "fingerprint": settings_lib.fingerprint({"settings": description, "inputs": dict(self.inputs)}),
        "settings": description,
        "inputs": dict(self.inputs),
    }
    finished, resumed = group.broadcast(lambda: self._begin(claim))
    if finished is not None:
      return Manifest(**finished)
    began = time.monotonic()
    outcome = Outcome()
    try:
      if together:
        outcome = work(self.directory)
        group.gather(None)
      elif group.index == 0:
        with processes.alone():
          outcome = work(self.directory)
    except (errors.UserError, processes.Stopped):
      if group.index == 0 and [path.name for path in self.directory.iterdir()] == [CLAIM]:
        (self.directory / CLAIM).unlink()  # nothing was made with these settings yet, so others are allowed
      raise
    seconds = time.monotonic() - began
    return Manifest(**group.broadcast(lambda: self._finish(claim, outcome, seconds, resumed)))

  def _begin(self, claim: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """Claims the directory; returns the manifest if the work is done, and whether a killed run is resumed."""
    claim_path = self.directory / CLAIM
    manifest = read_manifest(self.directory)
    if manifest is not None:
      self._check(dataclasses.asdict(manifest), claim, MANIFEST)
      for name in (CLAIM, reuse.MARK):
        (self.directory / name).unlink(missing_ok=True)
      return dataclasses.asdict(manifest), False
    reuse.clear(self.directory)
    resumed = claim_path.exists()
    if resumed:
      self._check(files.read_json(claim_path), claim, CLAIM)
    source = reuse.find(
        self.name, self.invocation.reuse, lambda directory: _fingerprint(directory) == claim["fingerprint"]
    )
    if source is not None:
      reuse.take(source, self.directory, manifest=MANIFEST, timing=TIMING, passing=(CLAIM,))
      progress.say(f"[{self.name}] reused from {os.fspath(source)}")
      return files.read_json(self.directory / MANIFEST), False
    if not resumed:
      files.write_json(claim_path, claim)
    _sweep(self.directory)
    return None, resumed

  def _finish(self, claim: Mapping[str, Any], outcome: Outcome, seconds: float, resumed: bool) -> dict[str, Any]:
    """Writes timing and manifest, the manifest last, and returns the manifest."""
    manifest = Manifest(**claim, metrics=dict(outcome.metrics), counts=dict(outcome.counts))
    rates = {name: round(value, 3) for name, value in outcome.timing.items()}
    files.write_json(self.directory / TIMING, {"seconds": round(seconds, 3), "resumed": resumed, **rates})
    files.write_json(self.directory / MANIFEST, dataclasses.asdict(manifest))
    (self.directory / CLAIM).unlink(missing_ok=True)
    return dataclasses.asdict(manifest)

  def _check(self, found: Mapping[str, Any], expected: Mapping[str, Any], file_name: str) -> None:
    if found.get("fingerprint") == expected["fingerprint"]:
      return
    where = os.fspath(self.directory / file_name)
    changed = settings_lib.differences(found.get("settings", {}), expected["settings"])
    if changed:
      what = "with other settings: " + "; ".join(
          f"{key}: found {_short(was)}, expected {_short(now)}" for key, was, now in changed[:4]
      )
      if len(changed) > 4:
        what += f"; and {len(changed) - 4} more"
    else:
      inputs = settings_lib.differences(found.get("inputs", {}), expected["inputs"])
      what = "from other inputs: " + "; ".join(
          f"{key}: found {_short(was)}, expected {_short(now)}" for key, was, now in inputs
      )
    raise errors.StageError(
        f"{where}: was made {what}; choose another work directory (--gin.WORKDIR=\"'...'\"), or delete"
        f" {os.fspath(self.workdir)} to start afresh"
    )


def _fingerprint(directory: epath.Path) -> str | None:
  manifest = read_manifest(directory)
  return None if manifest is None else manifest.fingerprint


def _sweep(directory: epath.Path) -> None:
  """Removes the partial files of `files.write_text` in a run that was killed."""
  for path in directory.iterdir():
    if path.name.startswith(".") and path.name.endswith(".partial"):
      path.unlink(missing_ok=True)
    elif path.name.endswith(".parts"):
      _sweep(path)


def _short(value: Any) -> str:
  text = value if value == settings_lib.MISSING else repr(value)
  return text if len(text) <= 80 else text[:77] + "..."
