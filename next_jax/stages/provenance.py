"""config.gin and run.json, which record what a work directory was made with."""

from collections.abc import Callable, Iterator
import contextlib
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import time
from typing import Any

from etils import epath
import jax

from next_jax import errors
from next_jax import files
from next_jax.corpora import data_dir
from next_jax.stages import progress
from next_jax.stages import stage

_PACKAGES = (
    "next-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "seqio", "tensorflow", "gin-config", "numpy",
)


@contextlib.contextmanager
def recorded(program: Any, config_text: Callable[[], str]) -> Iterator[None]:
  """Writes both files when a run begins, unless they exist, and again when it succeeds.

  Existing files stay because a run may still be refused for its settings, and a refused run changes nothing. A run that
  is refused before it has made anything leaves no work directory.

  Args:
    program: What is run; it has a `workdir` and a method `run_facts`.
    config_text: Returns the text of config.gin.
  """
  workdir = epath.Path(program.workdir)
  config, facts = workdir / "config.gin", workdir / "run.json"
  if not config.exists():
    files.write_text(config, config_text())
  if not facts.exists():
    files.write_json(facts, {**machine(), **program.run_facts()})
  if cache := _compilation_cache():
    progress.say(f"[compiled] programs are kept for the next run in {cache}")
  began = time.time()
  try:
    yield
  except errors.UserError:
    _remove_if_empty(workdir, (config, facts))
    raise
  seconds = round(time.time() - began, 1)
  files.write_text(config, config_text())
  files.write_json(facts, {
      **machine(), "devices": devices(), **program.run_facts(), "dataset_sha256": datasets(workdir), "finished": True,
      "seconds_of_last_call": seconds,
  })


def _remove_if_empty(directory: epath.Path, ours: tuple[epath.Path, ...]) -> None:
  """Removes a work directory that holds only `ours` and empty directories."""

  def has_files(folder: epath.Path) -> bool:
    return any(has_files(path) if path.is_dir() else path not in ours for path in folder.iterdir())

  if not has_files(directory):
    directory.rmtree()


def datasets(workdir: epath.PathLike) -> dict[str, str]:
  """Maps each corpus that is built in the work directory to its `data_dir.digest`."""
  built = sorted(epath.Path(workdir).glob(f"corpus/*/{stage.MANIFEST}"), key=os.fspath)
  return {path.parent.name: data_dir.digest(path.parent) for path in built}


def machine() -> dict[str, Any]:
  """Versions, platform, CPU count, commit and time (UTC); the only program that it starts is git."""
  return {
      "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
      "platform": platform.platform(),
      "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
      "git_commit": _git_commit(),
      "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
  }


def devices() -> dict[str, Any]:
  """Backend, kinds and number of JAX's devices, and its compilation cache; initialises JAX."""
  kinds = sorted({device.device_kind for device in jax.devices()})
  return {
      "backend": jax.default_backend(), "kinds": kinds, "count": jax.device_count(), "processes": jax.process_count(),
      "compilation_cache": _compilation_cache(),
  }


def _compilation_cache() -> str | None:
  return jax.config.values["jax_compilation_cache_dir"]


def _version(package: str) -> str | None:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None


def _git_commit() -> str | None:
  """The commit of this package's checkout, with "+changes" if it was edited; None outside git."""
  root = pathlib.Path(__file__).resolve().parent.parent.parent
  try:
    commit = _git(root, "rev-parse", "HEAD")
    return commit + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
  except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
    return None


def _git(root: pathlib.Path, *arguments: str) -> str:
  done = subprocess.run(
      ["git", "-C", os.fspath(root), *arguments], capture_output=True, text=True, check=True, timeout=20
  )
  return done.stdout.strip()
