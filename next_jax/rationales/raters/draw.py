"""Draws what is rated: the same tasks for every model, one sample of each, in an order that favours none."""

from collections.abc import Sequence
import dataclasses
import os
import random

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.rationales.raters import key as key_lib

_MODEL_PARTS = 3  # <model>/evaluate/<name>


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
  """What one model wrote for the tasks.

  Attributes:
    model: the end of the directory's path, long enough to tell the models apart.
    samples: task id -> samples, by index.
  """

  model: str
  directory: epath.Path
  tasks: dict[str, schema.RepairTask]
  samples: dict[str, list[schema.Sample]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn:
  """One rationale to rate."""

  item: key_lib.Item
  task: schema.RepairTask
  sample: schema.Sample


def read(directories: Sequence[epath.PathLike]) -> list[Evaluation]:
  """Reads WORKDIR/<model>/evaluate/<name> of each model.

  Raises:
    RaterError: a directory is no evaluation, is given twice, or is of other tasks than the first.
    FileError: a file is malformed.
  """
  paths = [epath.Path(directory).resolve() for directory in directories]
  out = []
  for path, model in zip(paths, _models(paths)):
    for name in ("tasks.jsonl", "samples.jsonl"):
      if not (path / name).exists():
        raise errors.RationaleError(
            f"{os.fspath(path / name)}: no such file; expected the directory of a finished evaluation, such as"
            " runs/quickstart/iteration_03/evaluate/dev"
        )
    tasks = {task.task_id: task for task in files.read_jsonl(path / "tasks.jsonl", schema.RepairTask)}
    samples: dict[str, list[schema.Sample]] = {task_id: [] for task_id in tasks}
    for sample in files.read_jsonl(path / "samples.jsonl", schema.Sample):
      if sample.task_id not in samples:
        raise errors.RationaleError(f"{os.fspath(path / 'samples.jsonl')}: task {sample.task_id!r} is not in tasks.jsonl")
      samples[sample.task_id].append(sample)
    for found in samples.values():
      found.sort(key=lambda sample: sample.sample_index)
    out.append(Evaluation(model=model, directory=path, tasks=tasks, samples=samples))
  for other in out[1:]:
    _expect_same_tasks(out[0], other)
  return out


def draw(evaluations: Sequence[Evaluation], *, num_tasks: int, seed: int) -> list[Drawn]:
  """A sample of every model for each of `num_tasks` tasks; tasks, samples and ids follow from the seed.

  A sample is drawn from all that the model wrote, also from those that could not be parsed: what is rated is what the
  model gives.

  Raises:
    RaterError: there are fewer tasks, or a model wrote nothing for one of them.
  """
  task_ids = sorted(evaluations[0].tasks)
  if not 1 <= num_tasks <= len(task_ids):
    raise errors.RationaleError(
        f"--num_tasks: found {num_tasks}, expected 1 to {len(task_ids)}, the tasks of the evaluations"
    )
  chosen = random.Random(f"{seed}/tasks").sample(task_ids, num_tasks)
  numbers = random.Random(f"{seed}/items").sample(range(1 << 40), num_tasks * len(evaluations))  # all different
  drawn = []
  for task_id in chosen:
    for number, evaluation in enumerate(evaluations):
      samples = evaluation.samples[task_id]
      if not samples:
        raise errors.RationaleError(
            f"{os.fspath(evaluation.directory)}: task {task_id!r} has no sample; expected 1 or more"
        )
      sample = random.Random(f"{seed}/sample/{number}/{task_id}").choice(samples)
      item = key_lib.Item(
          item=f"{numbers[len(drawn)]:010x}", model=evaluation.model, task_id=task_id, sample_index=sample.sample_index
      )
      drawn.append(Drawn(item=item, task=evaluation.tasks[task_id], sample=sample))
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
    for of_task, shift in zip(tasks[start : start + num_models], shifts):
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


def _expect_same_tasks(first: Evaluation, other: Evaluation) -> None:
  for task_id in sorted(first.tasks.keys() | other.tasks.keys()):
    if first.tasks.get(task_id) != other.tasks.get(task_id):
      raise errors.RationaleError(
          f"{os.fspath(other.directory)}: task {task_id!r} is not as in {os.fspath(first.directory)}; expected"
          " evaluations on the same tasks"
      )
