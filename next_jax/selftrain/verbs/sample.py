"""The verb `sample`: a model's completions for tasks, taken apart into rationale and fix."""

from collections.abc import Iterator
import dataclasses
import time

from etils import epath

from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.engines import stops
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import seqio_tasks
from next_jax.selftrain import model as model_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import task_set
from next_jax.stages import parts
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib

SAMPLES = "samples.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
  """What the stage has left.

  Attributes:
    path: JSONL file of `Sample`, in the order of the tasks.
    tasks: The tasks that were sampled.
    fingerprint: Fingerprint of the stage.
  """

  path: epath.Path
  tasks: task_set.TaskSet
  fingerprint: str


def sample(
    run: run_lib.Run, name: str, *, model: model_lib.Model, tasks: task_set.TaskSet, num_samples: int
) -> Samples:
  """Runs the stage `<name>/sample`: draws `num_samples` completions for each task."""
  prompt = tasks.form.prompt.with_shots(model.shots)
  seed = run.derive_seed("sample", name)
  stage = run.stage(
      f"{name}/sample",
      settings={
          "task": tasks.form.name, "split": tasks.split, "num_samples": num_samples, "sampling": run.sampling,
          "prompt": prompt, "engine": run.engine, "seed": seed,
      },
      inputs={"checkpoint": model.fingerprint, "tasks": tasks.fingerprint},
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    progress.say(f"[{stage.name}] {num_samples} samples a task, from {model.name}")
    samples, outcome = draw(
        run, directory / SAMPLES, name=f"{name}_tasks", tasks=tasks, prompt=prompt, engine=run.engine,
        checkpoint=model.checkpoint, num_samples=num_samples, seed=seed,
    )
    refused = sum(one.refusal is not None for one in samples)
    return dataclasses.replace(outcome, counts={"samples": len(samples), "refused": refused, **outcome.counts})

  manifest = stage.run(work, together=True)
  return Samples(path=stage.directory / SAMPLES, tasks=tasks, fingerprint=manifest.fingerprint)


def draw(
    run: run_lib.Run, path: epath.Path, *, name: str, tasks: task_set.TaskSet, prompt: prompt_lib.Prompt,
    engine: engine_lib.Engine, checkpoint: epath.PathLike, num_samples: int, seed: int,
) -> tuple[list[schema.Sample], stage_lib.Outcome]:
  """Writes `path`, a file of `Sample` in the order of the tasks; resumes from its parts.

  The engine shows the progress, because it knows what a chunk costs.

  Args:
    name: Name of the SeqIO task that the engine reads meanwhile: that of `tasks` with `prompt`, abridged to
      `run.sampling.max_prompt_length` tokens.

  Returns:
    All samples; and the number of prompts that were "abridged" or are "too_long", with the samples per second of all
    processes together.
  """
  form = dataclasses.replace(
      tasks.form, name=name, splits=(tasks.split,), read=lambda unused_split: tasks.tasks,
      prompt=prompt.within(run.sampling.max_prompt_length, tasks.form.vocabulary),
  )
  own = run.sampling.stop
  sampling = dataclasses.replace(
      run.sampling, stop=form.prompt.end if own is None else stops.First(rules=(own, form.prompt.end))
  )
  prompt_counts = _count_prompts(form, tasks)
  places = {task.task_id: place for place, task in enumerate(tasks.tasks)}
  began, count = time.monotonic(), 0

  def chunks(skip: int, step: int) -> Iterator[list[schema.Sample]]:
    nonlocal count
    for chunk in engine.sample(
        task=name, split=tasks.split, checkpoint=checkpoint, num_samples=num_samples, sampling=sampling, seed=seed,
        skip=skip, step=step,
    ):
      yield [parse(one, form.prompt) for one in chunk]
      count += len(chunk)

  with seqio_tasks.temporary(seqio_tasks.register(form)):
    samples = parts.write(path, schema.Sample, chunks, order=lambda one: (places[one.task_id], one.sample_index))
  rate = sum(processes.current().gather(count)) / max(time.monotonic() - began, 1e-9)
  return samples, stage_lib.Outcome(counts=prompt_counts, timing={"samples_per_second": rate})


def parse(sample: schema.Sample, prompt: prompt_lib.Prompt) -> schema.Sample:
  """The sample with rationale and fix, or with the reason why it has none."""
  if sample.refusal is not None:  # the engine's, for instance a prompt that is too long
    return sample
  completion = prompt.parse(sample.completion)
  return dataclasses.replace(sample, rationale=completion.rationale, fix=completion.fix, refusal=completion.refusal)


def _count_prompts(form: seqio_tasks.Registration, tasks: task_set.TaskSet) -> dict[str, int]:
  """How many prompts their token budget has "abridged", and how many are "too_long" even so.

  Raises what rendering raises, before an engine is started.
  """
  programs = [form.prompt.compose(task).program for task in tasks.tasks]
  counts = {
      "abridged": sum(program.is_abridged and program.fits for program in programs),
      "too_long": sum(not program.fits for program in programs),
  }
  if form.prompt.budget is not None and any(counts.values()):
    progress.say(
        f"[prompts] {counts['abridged']:,} of {len(programs):,} are abridged to"
        f" {form.prompt.budget.max_tokens:,} tokens, {counts['too_long']:,} do not fit and are refused"
    )
  return counts
