"""Draws the samples to rate: the same tasks for every model, one sample each, in an order that favours no model."""

from collections.abc import Sequence
import dataclasses
import os
import random

from etils import epath

from next_jax import errors
from next_jax import schema
from next_jax.evaluation import results as results_lib
from next_jax.rationales.raters import key as key_lib

_MODEL_PARTS = 3  # <model>/evaluate/<name>


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatedModel:
  """What one model wrote for the tasks.

  Attributes:
    model: The end of the directory's path, long enough to tell the models apart.
    results: Its evaluation.
  """

  model: str
  results: results_lib.Results


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn:
  """One rationale to rate."""

  item: key_lib.Item
  task: schema.RepairTask
  sample: schema.Sample


def read(directories: Sequence[epath.PathLike]) -> list[RatedModel]:
  """Reads WORKDIR/<model>/evaluate/<name> of each model.

  Raises:
    EvaluationError: A directory is not that of an evaluation.
    RationaleError: A directory is given twice, or has other tasks than the first.
    FileError: A file is malformed.
  """
  paths = [epath.Path(directory).resolve() for directory in directories]
  out = [
      RatedModel(model=model, results=results_lib.read(path))
      for path, model in zip(paths, _models(paths), strict=True)
  ]
  for other in out[1:]:
    _expect_same_tasks(out[0], other)
  return out


def draw(evaluations: Sequence[RatedModel], *, num_tasks: int, seed: int) -> list[Drawn]:
  """A sample of every model for each of `num_tasks` tasks; tasks, samples and ids follow from the seed.

  Samples that could not be parsed are drawn too: the ratings describe all answers of the model.

  Raises:
    RationaleError: There are fewer tasks, or a model wrote nothing for one of them.
  """
  task_ids = sorted(evaluations[0].results.tasks)
  if not 1 <= num_tasks <= len(task_ids):
    raise errors.RationaleError(
        f"--num_tasks: found {num_tasks}, expected 1 to {len(task_ids)}, the tasks of the evaluations"
    )
  chosen = random.Random(f"{seed}/tasks").sample(task_ids, num_tasks)
  numbers = random.Random(f"{seed}/items").sample(range(1 << 40), num_tasks * len(evaluations))  # all different
  drawn: list[Drawn] = []
  for task_id in chosen:
    for number, evaluation in enumerate(evaluations):
      samples = evaluation.results.samples[task_id]
      if not samples:
        raise errors.RationaleError(
            f"{os.fspath(evaluation.results.directory)}: task {task_id!r} has no sample; expected 1 or more"
        )
      sample = random.Random(f"{seed}/sample/{number}/{task_id}").choice(samples)
      item = key_lib.Item(
          item=f"{numbers[len(drawn)]:010x}", model=evaluation.model, task_id=task_id, sample_index=sample.sample_index
      )
      drawn.append(Drawn(item=item, task=evaluation.results.tasks[task_id], sample=sample))
  return drawn


def order(drawn: Sequence[Drawn], *, seed: int, rater: int) -> list[Drawn]:
  """The order of one rater: tasks shuffled, the rationales of a task one after the other.

  Over the tasks every model comes first, second, ... equally often, up to one: each run of as many tasks as there are
  models is a Latin square. A rater who has understood a task can set its rationales against each other; what the order
  does to the judgement falls on all models alike.
  """
  rng = random.Random(f"{seed}/order/{rater}")
  by_task: dict[str, list[Drawn]] = {}
  for one in drawn:
    by_task.setdefault(one.item.task_id, []).append(one)
  tasks = list(by_task.values())
  rng.shuffle(tasks)
  num_models = len(tasks[0])
  ordered = []
  for start in range(0, len(tasks), num_models):
    permutation = rng.sample(range(num_models), num_models)
    shifts = rng.sample(range(num_models), num_models)
    for of_task, shift in zip(tasks[start : start + num_models], shifts, strict=False):
      ordered += [of_task[permutation[(position + shift) % num_models]] for position in range(num_models)]
  return ordered


def _models(paths: Sequence[epath.Path]) -> list[str]:
  for number, path in enumerate(paths):
    if path in paths[:number]:
      raise errors.RationaleError(f"{os.fspath(path)}: given twice; expected a different model each time")
  parts = _MODEL_PARTS
  while len({path.parts[-parts:] for path in paths}) < len(paths):
    parts += 1
  return ["/".join(path.parts[-parts:]) for path in paths]


def _expect_same_tasks(first: RatedModel, other: RatedModel) -> None:
  for task_id in sorted(first.results.tasks.keys() | other.results.tasks.keys()):
    if first.results.tasks.get(task_id) != other.results.tasks.get(task_id):
      raise errors.RationaleError(
          f"{os.fspath(other.results.directory)}: task {task_id!r} is not as in"
          f" {os.fspath(first.results.directory)}; expected evaluations on the same tasks"
      )
