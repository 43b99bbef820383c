"""Engines without a network: their answers are known, so they test the loop around them.

`Oracle` answers with the reference and `Parrot` with the buggy program. `Apprentice` answers with
either; the more tasks it is tuned on, the more often with the reference. A loop that does not measure
1.0 for the first and 0.0 for the second is wrong for every network.
"""

import abc
from collections.abc import Iterator
import dataclasses
import hashlib

from etils import epath
import seqio

from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.prompts import seqio_tasks

CHUNK_SIZE = 8  # tasks


class _Scripted(abc.ABC):
  """Base of the scripted engines. A checkpoint is a directory with the file skill.json: a number from 0 to 1."""

  @abc.abstractmethod
  def _fix(self, task: schema.RepairTask, skill: float, draw: float) -> str:
    """The fix for a task; `draw` is a random number, uniform in [0, 1)."""

  def initialize(self, directory: epath.PathLike, skill: float = 0.0) -> epath.Path:
    """Writes `directory/checkpoint_0`, from which a loop can start."""
    return _save(epath.Path(directory), 0, skill)

  def finetune(
      self, *, task: str, checkpoint: epath.PathLike | None, directory: epath.PathLike, tuning: engine_lib.Tuning,
      seed: int,
  ) -> tuple[epath.Path, dict[str, float]]:
    del seed
    records = seqio.TaskRegistry.get(task).get_dataset(
        {"inputs": tuning.sequence_length, "targets": tuning.sequence_length}, split="train", shuffle=False
    )
    examples, task_ids, tokens = 0, set(), 0
    for record in records.as_numpy_iterator():
      examples += 1
      task_ids.add(record["task_id"])
      tokens += len(record["inputs"]) + len(record["targets"])
    before = 0.0 if checkpoint is None else _skill(checkpoint)
    skill = round(before + (1.0 - before) * len(task_ids) / (len(task_ids) + 20.0), 6)
    metrics = {"steps": examples, "tokens": tokens, "examples": examples, "examples_too_long": 0, "loss": 1.0 - skill}
    return _save(epath.Path(directory), examples, skill), metrics

  def sample(
      self, *, task: str, split: str, checkpoint: epath.PathLike, num_samples: int, sampling: engine_lib.Sampling,
      seed: int, skip: int = 0, step: int = 1,
  ) -> Iterator[list[schema.Sample]]:
    del sampling
    registration = seqio_tasks.registration(task)
    skill = _skill(checkpoint)
    tasks = list(registration.read(split))
    for start in range(skip * CHUNK_SIZE, len(tasks), step * CHUNK_SIZE):
      chunk = []
      for repair_task in tasks[start : start + CHUNK_SIZE]:
        for index in range(num_samples):
          fix = self._fix(repair_task, skill, _draw(seed, repair_task.task_id, index))
          completion = registration.prompt.target(f"The program fails {repair_task.public_tests[0]}", fix)
          chunk.append(schema.Sample(
              task_id=repair_task.task_id, sample_index=index, completion=completion, log_probability=0.0,
              token_count=len(completion.split()), seed=seed,
          ))
      yield chunk

  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[engine_lib.Score]:
    del checkpoint
    for repair_task in seqio_tasks.registration(task).read(split):
      yield engine_lib.Score(task_id=repair_task.task_id, log_probability=0.0, token_count=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Oracle(_Scripted):
  """Always answers with the reference."""

  def _fix(self, task: schema.RepairTask, skill: float, draw: float) -> str:
    return task.reference_code


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parrot(_Scripted):
  """Always answers with the buggy program it was given."""

  def _fix(self, task: schema.RepairTask, skill: float, draw: float) -> str:
    return task.buggy_code


@dataclasses.dataclass(frozen=True, kw_only=True)
class Apprentice(_Scripted):
  """Solves a share of the samples. The share is its skill, which grows with the number of tasks it is tuned on."""

  def _fix(self, task: schema.RepairTask, skill: float, draw: float) -> str:
    return task.reference_code if draw < skill else task.buggy_code


def _draw(seed: int, task_id: str, index: int) -> float:
  digest = hashlib.sha256(f"{seed}/{task_id}/{index}".encode()).digest()
  return int.from_bytes(digest[:4], "big") / 2**32


def _save(directory: epath.Path, step: int, skill: float) -> epath.Path:
  checkpoint = directory / f"checkpoint_{step}"
  files.write_json(checkpoint / "skill.json", skill)
  return checkpoint


def _skill(checkpoint: epath.PathLike) -> float:
  path = epath.Path(checkpoint) / "skill.json"
  if not path.exists():
    raise engine_lib.CheckpointError(f"{path}: no such file; expected a checkpoint of a scripted engine")
  return files.read_json(path)
