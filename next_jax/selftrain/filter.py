"""The verb `filter`: from samples and verdicts to the examples that a model is tuned on."""

from collections.abc import Mapping, Sequence
import dataclasses

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.prompts import example as example_lib
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import token_budget
from next_jax.selftrain import filters as filters_lib
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib

KEPT = "kept.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
  """The samples of one iteration, their verdicts, and the fingerprint of the stage that judged them."""

  iteration: int
  samples: epath.Path
  verdicts: epath.Path
  fingerprint: str


def keep(
    workdir: epath.Path,
    name: str,
    *,
    sources: Sequence[Source],
    filters: Sequence[filters_lib.Filter],
    tasks: Sequence[schema.RepairTask],
    prompt: prompt_lib.Prompt,
    vocabulary: token_budget.Vocabulary,
    max_prompt_length: int,
    seed: int,
    limit: int | None = None,
    inputs: Mapping[str, str],
) -> stage_lib.Manifest:
  """Runs the stage `name`, which writes `kept.jsonl`: zero-shot prompt, rationale and fix of what is kept.

  Args:
    sources: of all iterations whose samples may be used.
    prompt: the form of the examples; traces in it are abridged to `max_prompt_length` tokens of `vocabulary`, as they
      are when the model is asked.
    limit: keep only so many, chosen by the seed.
    inputs: further fingerprints, of the tasks for instance.

  Returns:
    The manifest, whose counts are "candidates", "kept" and "tasks" (with something kept).
  """
  stage = stage_lib.Stage(
      name=name,
      workdir=workdir,
      settings={
          "filters": filters, "prompt": prompt, "max_prompt_length": max_prompt_length, "seed": seed, "limit": limit,
      },
      inputs={**inputs, **{f"iteration_{source.iteration:02d}": source.fingerprint for source in sources}},
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    candidates = _candidates(sources, {task.task_id: task for task in tasks}, seed)
    counts = {"candidates": len(candidates)}
    kept = list(candidates)
    for apply in (filters_lib.Parsed(), *filters):
      kept = apply(kept)
    if limit is not None:
      kept = kept[:limit]
    places = {task.task_id: place for place, task in enumerate(tasks)}
    kept.sort(key=lambda c: (places[c.task.task_id], c.iteration, c.sample.sample_index))
    form = prompt.within(max_prompt_length, vocabulary)
    files.write_jsonl(directory / KEPT, [_example(candidate, form) for candidate in kept])
    counts.update(kept=len(kept), tasks=len({candidate.task.task_id for candidate in kept}))
    return stage_lib.Outcome(counts=counts)

  manifest = stage.run(work)
  progress.say(
      f"[{name}] kept {manifest.counts['kept']:,} of {manifest.counts['candidates']:,} samples,"
      f" for {manifest.counts['tasks']:,} of {len(tasks):,} tasks"
  )
  return manifest


def _candidates(
    sources: Sequence[Source], tasks: Mapping[str, schema.RepairTask], seed: int
) -> list[filters_lib.Candidate]:
  """The newest iteration first; within one, an order that the seed shuffles."""
  found = []
  for source in sorted(sources, key=lambda source: -source.iteration):
    samples = files.read_jsonl(source.samples, schema.Sample)
    verdicts = files.read_jsonl(source.verdicts, schema.Verdict)
    candidates = [
        filters_lib.Candidate(iteration=source.iteration, task=tasks[s.task_id], sample=s, verdict=v)
        for s, v in zip(samples, verdicts, strict=True)
        if s.task_id in tasks
    ]
    candidates.sort(key=lambda c: seeds.rank(seed, c.iteration, c.task.task_id, c.sample.sample_index))
    found.extend(candidates)
  return found


def _example(candidate: filters_lib.Candidate, prompt: prompt_lib.Prompt) -> example_lib.Example:
  return example_lib.Example(
      task_id=candidate.task.task_id,
      inputs=prompt.render(candidate.task),
      targets=prompt.target(candidate.sample.rationale or "", candidate.sample.fix),
  )
