"""The verb `sample`: completions of a model for tasks, taken apart into rationale and fix."""

from collections.abc import Iterator
import dataclasses
import time

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import seqio_tasks
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib


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
    All samples, and the samples per second of this call, in all processes together.
  """
  registration = seqio_tasks.registration(task)
  places = {repair_task.task_id: place for place, repair_task in enumerate(registration.read(split))}
  began, count = time.monotonic(), 0

  def chunks(skip: int, step: int) -> Iterator[list[schema.Sample]]:
    nonlocal count
    for chunk in engine.sample(
        task=task, split=split, checkpoint=checkpoint, num_samples=num_samples, sampling=sampling, seed=seed, skip=skip,
        step=step,
    ):
      yield [parsed(sample, registration.prompt) for sample in chunk]
      count += len(chunk)

  samples = stage_lib.sharded(
      path, schema.Sample, chunks, order=lambda sample: (places[sample.task_id], sample.sample_index)
  )
  return samples, sum(processes.current().gather(count)) / max(time.monotonic() - began, 1e-9)


def parsed(sample: schema.Sample, prompt: prompt_lib.Prompt) -> schema.Sample:
  """The sample with rationale and fix, or with the reason why there is none."""
  if sample.refusal is not None:  # the engine's, for instance a prompt that is too long
    return sample
  completion = prompt.parse(sample.completion)
  return dataclasses.replace(
      sample, rationale=completion.rationale, fix=completion.fix, refusal=completion.refusal
  )


def register_tasks(
    name: str, tasks_path: epath.PathLike, *, like: str, split: str, prompt: prompt_lib.Prompt, max_prompt_length: int
) -> str:
  """Registers the repair tasks of a file under `name`; everything but the prompt is as in the task `like`.

  Args:
    max_prompt_length: tokens; traces are abridged until the prompts have no more.
  """
  form = seqio_tasks.registration(like)
  return seqio_tasks.register_variant(
      name, like=like, read=lambda unused_split: files.read_jsonl(tasks_path, schema.RepairTask), splits=(split,),
      prompt=prompt.within(max_prompt_length, form.vocabulary),
  )


def prompt_counts(task: str, split: str) -> dict[str, int]:
  """How many prompts of a registered task its budget has "abridged", and how many are "too_long" all the same.

  Raises what rendering raises, with the name of the task, before an engine is asked.
  """
  registration = seqio_tasks.registration(task)
  programs = [registration.prompt.compose(repair_task).program for repair_task in registration.read(split)]
  counts = {
      "abridged": sum(program.is_abridged and program.fits for program in programs),
      "too_long": sum(not program.fits for program in programs),
  }
  if any(counts.values()):
    progress.say(
        f"[prompts] {counts['abridged']:,} of {len(programs):,} are abridged to"
        f" {registration.prompt.budget.max_tokens:,} tokens, {counts['too_long']:,} do not fit and are refused"
    )
  return counts
