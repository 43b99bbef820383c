"""A stage is a pure function to a directory.

Its manifest, `stage.json`, is written last and by rename: a directory with a manifest is finished
and is never touched again. Before the work begins, `claim.json` says with what settings: a killed
stage that is started again with others is refused, not mixed. Seconds and rates go to
`timing.json`, because everything else in the directory is the same bytes however often the run
was killed. What a sibling has finished is taken over (`siblings`).

In a run of several processes the first writes manifests and merged files; a stage that is done together
has parts written by all, whose numbers and contents are those of one process.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
import dataclasses
import os
import time
from typing import Any, TypeVar

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import settings as settings_lib
from next_jax.stages import siblings

MANIFEST, CLAIM, TIMING = "stage.json", "claim.json", "timing.json"
R = TypeVar("R", bound=schema.Record)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
  """What the work of a stage hands back.

  Attributes:
    metrics, counts: for the manifest; the same however often the run was killed.
    timing: rates, for `timing.json`.
  """

  metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
  timing: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
  """What a finished stage says of itself.

  Attributes:
    stage: name, such as "iteration_01/sample".
    fingerprint: of settings and inputs; the next stage has it among its inputs.
    settings: what it was made with, readable.
    inputs: name -> fingerprint of what it was made from.
    metrics, counts: what came out.
  """

  stage: str
  fingerprint: str
  settings: Mapping[str, Any]
  inputs: Mapping[str, str]
  metrics: Mapping[str, Any]
  counts: Mapping[str, int]


def read_manifest(directory: epath.PathLike) -> Manifest | None:
  """The manifest of a finished stage, or None. Raises FileError or StageError for a damaged one."""
  path = epath.Path(directory) / MANIFEST
  if not path.exists():
    return None
  value = files.read_json(path)
  names = [field.name for field in dataclasses.fields(Manifest)]
  if not isinstance(value, dict) or sorted(value) != sorted(names):
    raise errors.StageError(f"{os.fspath(path)}: expected the keys {', '.join(names)}; delete its directory and run again")
  return Manifest(**value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
  """A stage to be run, or found finished.

  Attributes:
    name: such as "iteration_01/sample"; the directory below the work directory.
    workdir: the work directory.
    settings: all that can change the result; dataclasses and other objects, see `settings.describe`.
    inputs: name -> fingerprint of everything that is read.
  """

  name: str
  workdir: epath.Path
  settings: Mapping[str, Any]
  inputs: Mapping[str, str]

  @property
  def directory(self) -> epath.Path:
    return self.workdir / self.name

  def run(self, work: Callable[[epath.Path], Outcome], *, together: bool = False) -> Manifest:
    """Does the work, unless it was done, here or by a sibling.

    Raises StageError when it was done or begun here with other settings.

    Args:
      work: gives the outcome; what process 0 gives counts.
      together: all processes work, and meet in it; else process 0 works and the others wait.
    """
    group = processes.current()
    description = settings_lib.describe(self.settings)
    claim = {
        "stage": self.name,
        "fingerprint": settings_lib.fingerprint({"settings": description, "inputs": dict(self.inputs)}),
        "settings": description,
        "inputs": dict(self.inputs),
    }
    finished, resumed = group.from_first(lambda: self._begin(claim))
    if finished is not None:
      return Manifest(**finished)
    began = time.monotonic()
    outcome = None
    try:
      if together:
        outcome = work(self.directory)
        group.gather(None)
      elif group.index == 0:
        with processes.alone():
          outcome = work(self.directory)
    except (errors.UserError, processes.Stopped):
      if group.index == 0 and [path.name for path in self.directory.iterdir()] == [CLAIM]:
        (self.directory / CLAIM).unlink()  # nothing was made with these settings yet: others may come
      raise
    seconds = time.monotonic() - began
    return Manifest(**group.from_first(lambda: self._finish(claim, outcome, seconds, resumed)))

  def _begin(self, claim: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """The manifest, where the work is done, and whether it goes on from a killed one; claims the directory."""
    claim_path = self.directory / CLAIM
    manifest = read_manifest(self.directory)
    if manifest is not None:
      self._check(dataclasses.asdict(manifest), claim, MANIFEST)
      for name in (CLAIM, siblings.MARK):
        (self.directory / name).unlink(missing_ok=True)
      return dataclasses.asdict(manifest), False
    siblings.clear(self.directory)
    resumed = claim_path.exists()
    if resumed:
      self._check(files.read_json(claim_path), claim, CLAIM)
    source = siblings.find(self.name, lambda directory: _fingerprint(directory) == claim["fingerprint"])
    if source is not None:
      siblings.take(source, self.directory, manifest=MANIFEST, timing=TIMING, passing=(CLAIM,))
      progress.say(f"[{self.name}] taken over from {os.fspath(source)}")
      return dataclasses.asdict(read_manifest(self.directory)), False
    if not resumed:
      files.write_json(claim_path, claim)
    _sweep(self.directory)
    return None, resumed

  def _finish(self, claim: Mapping[str, Any], outcome: Outcome, seconds: float, resumed: bool) -> dict[str, Any]:
    """Writes the manifest, last of all, and returns it."""
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


def sharded(
    path: epath.Path,
    record_type: type[R],
    chunks: Callable[[int, int], Iterable[list[R]]],
    *,
    order: Callable[[R], Any] | None = None,
) -> list[R]:
  """Writes the records of all chunks to `path`, in parts that a killed run continues from.

  Args:
    chunks: `chunks(skip, step)` gives every `step`-th chunk from number `skip` on; always the same ones. Each process
      asks for every `count`-th, so that together they write the parts that one process writes.
    order: key to sort the whole file by; None keeps the order of the chunks.
  """
  group = processes.current()
  if group.from_first(lambda: _is_merged(path)):
    return files.read_jsonl(path, record_type)
  parts = _own_parts(path)
  for records in chunks(parts.next_number, group.count):
    parts.append(records)
  group.gather(None)
  merged = files.Shards(_parts_directory(path)).merge(path, record_type, order) if group.index == 0 else None
  group.gather(None)
  return files.read_jsonl(path, record_type) if merged is None else merged


def count_parts(path: epath.Path) -> int:
  """Records of `path` that this process had written to parts when it was killed, or all once the file is there."""
  written = [path] if path.exists() else _own_parts(path).paths()
  return sum(part.read_bytes().count(b"\n") for part in written)


def _is_merged(path: epath.Path) -> bool:
  """Whether a run was killed after the file was written, before its parts were gone; removes them."""
  if path.exists() and _parts_directory(path).exists():
    _parts_directory(path).rmtree()
  return path.exists()


def _parts_directory(path: epath.Path) -> epath.Path:
  return path.parent / f"{path.stem}.parts"


def _own_parts(path: epath.Path) -> files.Shards:
  group = processes.current()
  return files.Shards(_parts_directory(path), first=group.index, step=group.count)


def batches(items: Iterable[R], size: int, group: Callable[[R], Any]) -> Iterator[list[R]]:
  """Lists of at least `size` items (the last may be shorter) that never part neighbours of the same group."""
  batch: list[R] = []
  for item in items:
    if len(batch) >= size and group(item) != group(batch[-1]):
      yield batch
      batch = []
    batch.append(item)
  if batch:
    yield batch


def _sweep(directory: epath.Path) -> None:
  """Removes what `files.write_text` had not finished when it was killed."""
  for path in directory.iterdir():
    if path.name.startswith(".") and path.name.endswith(".partial"):
      path.unlink(missing_ok=True)
    elif path.name.endswith(".parts"):
      _sweep(path)


def _short(value: Any) -> str:
  text = value if value == settings_lib.MISSING else repr(value)
  return text if len(text) <= 80 else text[:77] + "..."
