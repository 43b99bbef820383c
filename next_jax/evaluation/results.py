"""The one reader of an evaluation's directory, WORKDIR/<model>/evaluate/<name>."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import os
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import pass_at_k
from next_jax import schema


@dataclasses.dataclass(frozen=True)
class Results:
  """The files of an evaluation, each read once, when it is first needed.

  All properties raise EvaluationError for a missing file or a record of an unknown task, FileError for a damaged file.
  """

  directory: epath.Path

  @property
  def name(self) -> str:
    """The end of the path, such as "iteration_03/evaluate/dev"."""
    return "/".join(self.directory.resolve().parts[-3:])

  @property
  def model(self) -> str:
    return self.directory.parent.parent.name

  @functools.cached_property
  def metrics(self) -> dict[str, Any]:
    """metrics.json."""
    return files.read_json(self._existing("metrics.json"))

  @functools.cached_property
  def tasks(self) -> Mapping[str, schema.RepairTask]:
    """Task id -> task, in the order of the evaluation."""
    return {task.task_id: task for task in files.read_jsonl(self._existing("tasks.jsonl"), schema.RepairTask)}

  @functools.cached_property
  def samples(self) -> Mapping[str, Sequence[schema.Sample]]:
    """Task id -> samples, by index."""
    found: dict[str, list[schema.Sample]] = {task_id: [] for task_id in self.tasks}
    for sample in files.read_jsonl(self._existing("samples.jsonl"), schema.Sample):
      self._check(sample.task_id, "samples.jsonl")
      found[sample.task_id].append(sample)
    return {task_id: sorted(ones, key=lambda one: one.sample_index) for task_id, ones in found.items()}

  @functools.cached_property
  def verdicts(self) -> Mapping[tuple[str, int], schema.Verdict]:
    """(Task id, sample index) -> verdict."""
    found = {}
    for verdict in files.read_jsonl(self._existing("verdicts.jsonl"), schema.Verdict):
      self._check(verdict.task_id, "verdicts.jsonl")
      found[verdict.task_id, verdict.sample_index] = verdict
    return found

  @functools.cached_property
  def passed(self) -> Mapping[str, Sequence[bool]]:
    """Task id -> whether each sample passed; see `pass_at_k.results_by_task`. Tasks without a sample have none."""
    tasks, found = self.tasks, pass_at_k.results_by_task(self.verdicts.values())
    return {task_id: found.get(task_id, []) for task_id in tasks}

  @property
  def num_samples(self) -> int:
    """The largest number of samples of a task."""
    return max(map(len, self.passed.values()), default=0)

  def pass_at(self, k: int) -> dict[str, float]:
    """Task id -> pass@k, for tasks with `k` samples or more."""
    return pass_at_k.of_tasks(self.passed, k)

  def _existing(self, name: str) -> epath.Path:
    path = self.directory / name
    if not path.exists():
      raise errors.EvaluationError(
          f"{os.fspath(path)}: no such file; expected the directory of a finished evaluation, such as"
          " runs/quickstart/iteration_03/evaluate/dev"
      )
    return path

  def _check(self, task_id: str, name: str) -> None:
    if task_id not in self.tasks:
      raise errors.EvaluationError(
          f"{os.fspath(self.directory / name)}: task {task_id!r} is not in {os.fspath(self.directory / 'tasks.jsonl')}"
      )


def read(directory: epath.PathLike) -> Results:
  """The results in `directory`; see `Results` for what reading them raises."""
  return Results(epath.Path(directory))
