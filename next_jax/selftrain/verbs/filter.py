"""The verb `filter`: from verified samples to the examples that a model is tuned on."""

from collections.abc import Mapping, Sequence

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import training_example
from next_jax.selftrain import filters as filters_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import task_set
from next_jax.selftrain import training_set
from next_jax.selftrain.verbs import verify
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib

KEPT = "kept.jsonl"


def filter(
    run: run_lib.Run, name: str, *, samples: Sequence[verify.VerifiedSamples],
    filters: Sequence[filters_lib.Filter], tasks: task_set.TaskSet, limit: int | None = None,
) -> training_set.TrainingSet:
  """Runs the stage `<name>/filter`: writes zero-shot prompt, rationale and fix of every sample that is kept.

  Traces in the prompts are abridged as they are when the model is asked.

  Args:
    samples: Of the base and of the iterations so far, in this order.
    filters: Applied one after the other; see `filters`.
    tasks: The hard tasks.
    limit: Keep at most this many samples, chosen by the seed. None keeps all.
  """
  prompt = tasks.form.prompt.with_shots(0)
  seed = run.derive_seed("filter", name)
  stage = run.stage(
      f"{name}/filter",
      settings={
          "filters": filters, "prompt": prompt, "max_prompt_length": run.sampling.max_prompt_length, "seed": seed,
          "limit": limit,
      },
      inputs={
          "hard": tasks.fingerprint,
          **{f"iteration_{iteration:02d}": one.fingerprint for iteration, one in enumerate(samples)},
      },
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    candidates = _candidates(samples, {task.task_id: task for task in tasks.tasks}, seed)
    kept = list(candidates)
    for apply in (filters_lib.Parsed(), *filters):
      kept = apply(kept)
    if limit is not None:
      kept = kept[:limit]
    places = {task.task_id: place for place, task in enumerate(tasks.tasks)}
    kept.sort(key=lambda c: (places[c.task.task_id], c.iteration, c.sample.sample_index))
    form = prompt.within(run.sampling.max_prompt_length, tasks.form.vocabulary)
    files.write_jsonl(directory / KEPT, [_example(candidate, form) for candidate in kept])
    solved = {candidate.task.task_id for candidate in kept}
    return stage_lib.Outcome(counts={"candidates": len(candidates), "kept": len(kept), "tasks": len(solved)})

  manifest = stage.run(work)
  counts = manifest.counts
  progress.say(
      f"[{stage.name}] kept {counts['kept']:,} of {counts['candidates']:,} samples,"
      f" for {counts['tasks']:,} of {len(tasks.tasks):,} tasks"
  )
  return training_set.TrainingSet(path=stage.directory / KEPT, count=counts["kept"], fingerprint=manifest.fingerprint)


def _candidates(
    samples: Sequence[verify.VerifiedSamples], tasks: Mapping[str, schema.RepairTask], seed: int
) -> list[filters_lib.Candidate]:
  """The newest iteration first; within one, in an order that the seed shuffles."""
  found = []
  for iteration, source in reversed(list(enumerate(samples))):
    pairs = zip(
        files.read_jsonl(source.samples, schema.Sample), files.read_jsonl(source.verdicts, schema.Verdict), strict=True
    )
    candidates = [
        filters_lib.Candidate(iteration=iteration, task=tasks[sample.task_id], sample=sample, verdict=verdict)
        for sample, verdict in pairs
        if sample.task_id in tasks
    ]
    candidates.sort(key=lambda c: seeds.rank(seed, c.iteration, c.task.task_id, c.sample.sample_index))
    found.extend(candidates)
  return found


def _example(candidate: filters_lib.Candidate, prompt: prompt_lib.Prompt) -> training_example.Example:
  fix = candidate.sample.fix
  assert fix is not None  # `Parsed` was applied
  return training_example.Example(
      task_id=candidate.task.task_id,
      inputs=prompt.render(candidate.task),
      targets=prompt.target(candidate.sample.rationale or "", fix),
  )
