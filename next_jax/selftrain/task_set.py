"""Repair tasks of a run, in a file whose origin is known."""

import dataclasses
import functools

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.prompts import seqio_tasks
from next_jax.stages import seeds


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskSet:
  """Tasks of one split of a SeqIO task.

  Attributes:
    form: The SeqIO task: prompt, vocabulary and corpus.
    split: The split that the tasks are from.
    path: JSONL file of `RepairTask`.
    fingerprint: Fingerprint of the file.
  """

  form: seqio_tasks.Registration
  split: str
  path: epath.Path
  fingerprint: str

  @functools.cached_property
  def tasks(self) -> list[schema.RepairTask]:
    return files.read_jsonl(self.path, schema.RepairTask)


def subset(tasks: list[schema.RepairTask], num_tasks: int | None, seed: int) -> list[schema.RepairTask]:
  """`num_tasks` of the tasks, in their order; None takes all. The choice depends on the seed and the task ids only."""
  if num_tasks is None or num_tasks >= len(tasks):
    return tasks
  chosen = {task.task_id for task in sorted(tasks, key=lambda task: seeds.rank(seed, task.task_id))[:num_tasks]}
  return [task for task in tasks if task.task_id in chosen]
