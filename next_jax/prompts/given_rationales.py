"""Rationales that a prompt gives with its task.

The proxy setting measures how much they help another model to find the fix.

docs/method.md, proxy-based evaluation: the model gets the task and the rationale, without the code of the fix.
"""

from collections.abc import Mapping
import functools
import os
from typing import Protocol

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.prompts import completion

ENVIRONMENT_VARIABLE = "NEXT_JAX_RATIONALES"


class Rationales(Protocol):
  """Gives the rationale of each task."""

  def __call__(self, task_id: str, /) -> str:
    """The rationale of the task; raises PromptError when there is none."""
    ...


_chosen: epath.Path | None = None


def set_path(path: epath.PathLike | None) -> None:
  """Makes `FromSamples()` read this file from now on; None returns to $NEXT_JAX_RATIONALES."""
  global _chosen
  _chosen = None if path is None else epath.Path(path)


class FromSamples:
  """Reads rationales from a file of `Sample`, such as WORKDIR/iteration_01/evaluate/dev/samples.jsonl.

  A task gets the rationale of its first sample, in file order, that has one. Code blocks are removed from it, because
  they may hold the fix.

  Args:
    path: JSONL file of samples. None means the file that `set_path` chose, else $NEXT_JAX_RATIONALES. SeqIO tasks are
      registered on import, before the file is known, so the path is looked up at each call.
  """

  def __init__(self, path: epath.PathLike | None = None):
    self._path = path

  @property
  def path(self) -> epath.Path | None:
    """The file that a call reads now; the one setting that a stage of the loop records."""
    chosen = self._path or _chosen or os.environ.get(ENVIRONMENT_VARIABLE)
    return None if not chosen else epath.Path(chosen).expanduser()

  def __call__(self, task_id: str) -> str:
    path = self.path
    if path is None:
      raise errors.PromptError(
          f"task {task_id!r}: no rationales are given; set {ENVIRONMENT_VARIABLE} to a JSONL file of samples, or call"
          " next_jax.prompts.given_rationales.set_path, or use FromSamples(path)"
      )
    if not path.exists():
      raise errors.PromptError(f"{os.fspath(path)}: no such file; expected a JSONL file of samples with rationales")
    stat = path.stat()
    found = _read(os.fspath(path), stat.length, stat.mtime)
    if task_id not in found:
      raise errors.PromptError(
          f"{os.fspath(path)}: no sample with a rationale for task {task_id!r} (there are rationales for"
          f" {len(found):,} tasks); sample these tasks first, in a setting that asks for a rationale"
      )
    return found[task_id]

  def __repr__(self) -> str:
    return f"FromSamples({os.fspath(self._path)!r})" if self._path else "FromSamples()"


@functools.lru_cache(maxsize=4)
def _read(path: str, length: int, modified: float) -> Mapping[str, str]:
  del length, modified  # part of the cache key: a changed file is read again
  found: dict[str, str] = {}
  for sample in files.read_jsonl(path, schema.Sample):
    rationale = completion.without_blocks(sample.rationale or "")
    if rationale:
      found.setdefault(sample.task_id, rationale)
  return found
