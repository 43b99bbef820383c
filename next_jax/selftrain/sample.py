"""The verb `sample`: completions of a model for tasks, taken apart into rationale and fix."""

import dataclasses
import time
from collections.abc import Iterator

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.prompts import prompt as prompts
from next_jax.prompts import seqio_tasks
from next_jax.selftrain import stage as stage_lib


def sample(
    path: epath.Path,
    *,
    engine: engine_lib.Engine,
    task: str,
    split: str,
    checkpoint: epath.PathLike,
    num_samples: int,
    sampling: engine_lib.Sampling,
    seed: int,
) -> tuple[list[schema.Sample], float]:
  """Writes `path`, a file of Sample ordered as the tasks of the split are; goes on from its parts.

  The engine shows how far it is: it knows what a chunk costs.

  Returns:
    All samples, and the samples per second of this call.
  """
  registration = seqio_tasks.registration(task)
  places = {repair_task.task_id: place for place, repair_task in enumerate(registration.read(split))}
  began, count = time.monotonic(), 0

  def chunks(skip: int) -> Iterator[list[schema.Sample]]:
    nonlocal count
    for chunk in engine.sample(
        task=task, split=split, checkpoint=checkpoint, num_samples=num_samples, sampling=sampling, seed=seed, skip=skip
    ):
      yield [parsed(sample, registration.prompt) for sample in chunk]
      count += len(chunk)

  samples = stage_lib.sharded(
      path, schema.Sample, chunks, order=lambda sample: (places[sample.task_id], sample.sample_index)
  )
  return samples, count / max(time.monotonic() - began, 1e-9)


def parsed(sample: schema.Sample, prompt: prompts.Prompt) -> schema.Sample:
  """The sample with rationale and fix, or with the reason why there is none."""
  if sample.refusal is not None:  # the engine's, for instance a prompt that is too long
    return sample
  completion = prompt.parse(sample.completion)
  return dataclasses.replace(
      sample, rationale=completion.rationale, fix=completion.fix, refusal=completion.refusal
  )


def register_tasks(name: str, tasks_path: epath.PathLike, *, like: str, split: str, shots: int = 0) -> str:
  """Registers the repair tasks of a file under `name`, in the form of the task `like`.

  Args:
    shots: exemplars in the prompt; METHOD.md has them for the base model only.
  """
  form = seqio_tasks.registration(like)
  seqio_tasks.register_repair_task(
      name,
      read=lambda unused_split: files.read_jsonl(tasks_path, schema.RepairTask),
      splits=(split,),
      prompt=dataclasses.replace(form.prompt, shots=shots),
      vocabulary=form.vocabulary,
  )
  return name

