"""The verb `evaluate`: the fix rate of one checkpoint on a set of tasks."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.evaluation import groups as groups_lib
from next_jax.evaluation import repair
from next_jax.execution import executor as executor_lib
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import seqio_tasks
from next_jax.rationales import consistency
from next_jax.rationales import localisation
from next_jax.selftrain import build
from next_jax.selftrain import sample as sample_lib
from next_jax.selftrain import verify as verify_lib
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib

WHEN = ("always", "base", "base_and_last", "last")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
  """What a model is measured on.

  Attributes:
    name: of its directory, `evaluate/<name>`.
    task: SeqIO task, such as "minirepair_trace"; it says what the prompts hold.
    split: of that task.
    num_tasks: how many tasks of the split, chosen by the seed of the run; None takes all.
    num_samples: of each task.
    ks: of pass@k; those above `num_samples` are left out, and `num_samples` itself is added.
    when: "always" (base, every iteration, controls), "base", "base_and_last" or "last"; the last two also measure the
      best iteration if it is not the last.
  """

  name: str
  task: str
  split: str = "dev"
  num_tasks: int | None = None
  num_samples: int = 8
  ks: tuple[int, ...] = (1, 5, 10, 25)
  when: str = "always"

  def __post_init__(self):
    if self.when not in WHEN:
      raise errors.SelfTrainingError(f"evaluation {self.name!r}: when={self.when!r}, expected one of {', '.join(WHEN)}")
    if self.num_samples < 1 or (self.num_tasks is not None and self.num_tasks < 1):
      raise errors.SelfTrainingError(f"evaluation {self.name!r}: num_samples and num_tasks must be 1 or more")

  @property
  def all_ks(self) -> list[int]:
    return sorted({k for k in (*self.ks, self.num_samples) if k <= self.num_samples})

  def prepare(self, context: "Context") -> None:
    """Makes what is needed besides the models of the run."""

  def settings(self) -> dict[str, Any]:
    """What a stage keeps of it, besides what all evaluations have."""
    return {}

  def inputs(self, workdir: epath.Path, model: "Model") -> dict[str, str]:
    """Fingerprints of what it reads, besides the tasks."""
    return {"checkpoint": model.fingerprint}

  def answering(
      self, workdir: epath.Path, model: "Model", directory: epath.Path, tasks: Sequence[schema.RepairTask],
      prompt: prompt_lib.Prompt, seed: int,
  ) -> "Answering":
    """Who answers in which form: here the model itself, in the task's form."""
    del workdir, directory, tasks, seed
    return Answering(checkpoint=model.checkpoint, prompt=prompt)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
  """The run that an evaluation is part of.

  Attributes:
    digests: corpus -> split -> digest of its file.
  """

  workdir: epath.Path
  engine: engine_lib.Engine
  sampling: engine_lib.Sampling
  digests: Mapping[str, Mapping[str, str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answering:
  """What is asked of whom in an evaluation.

  Attributes:
    engine: that runs the checkpoint; None is the run's.
    input: what is given, in words; None is what the prompt shows.
    counts: for the stage's manifest and the metrics.
    groups: what pass@k is broken down by besides `evaluation.groups.GROUPS`.
  """

  checkpoint: epath.PathLike
  prompt: prompt_lib.Prompt
  engine: engine_lib.Engine | None = None
  input: str | None = None
  counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
  groups: Mapping[str, groups_lib.Grouping] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
  """A checkpoint to be measured.

  Attributes:
    name: of its directory below the work directory: "base", "iteration_01", "control_unfiltered".
    fingerprint: of how the checkpoint was made.
    shots: exemplars in its prompts, in place of those that the evaluation's task has; None leaves them.
  """

  name: str
  checkpoint: epath.PathLike
  fingerprint: str
  shots: int | None = 0


def evaluate(
    workdir: epath.Path,
    model: Model,
    evaluation: Evaluation,
    *,
    engine: engine_lib.Engine,
    executor: executor_lib.Executor,
    sampling: engine_lib.Sampling,
    digests: Mapping[str, Mapping[str, str]],
    seed: int,
) -> dict[str, Any]:
  """Samples, verifies and measures; returns what `metrics.json` holds.

  All models meet the same tasks with the same random keys, so that their difference is theirs.
  """
  tasks, digest = build.read(evaluation.task, evaluation.split, digests)
  form = seqio_tasks.registration(evaluation.task)
  prompt = form.prompt.with_shots(model.shots)
  sampling_seed = seeds.derive(seed, "evaluate", evaluation.name)
  evaluation.prepare(Context(workdir=workdir, engine=engine, sampling=sampling, digests=digests))
  stage = stage_lib.Stage(
      name=f"{model.name}/evaluate/{evaluation.name}",
      workdir=workdir,
      settings={
          "task": evaluation.task, "split": evaluation.split, "num_tasks": evaluation.num_tasks,
          "num_samples": evaluation.num_samples, "ks": evaluation.all_ks, "sampling": sampling, "prompt": prompt,
          "engine": engine, "executor": executor, "seed": sampling_seed, **evaluation.settings(),
      },
      inputs={"tasks": digest, **evaluation.inputs(workdir, model)},
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    # Seeded by the corpus: with and without trace the same tasks are asked.
    corpus = build.corpus_of(evaluation.task)
    chosen = subset(tasks, evaluation.num_tasks, seeds.derive(seed, "subset", corpus, evaluation.split))
    progress.say(f"[{stage.name}] {len(chosen):,} tasks x {evaluation.num_samples} samples")
    group = processes.current()
    group.from_first(lambda: files.write_jsonl(directory / "tasks.jsonl", chosen))
    answering = evaluation.answering(workdir, model, directory, chosen, prompt, sampling_seed)
    task = sample_lib.register_tasks(
        f"{model.name}_{evaluation.name}_tasks", directory / "tasks.jsonl", like=evaluation.task,
        split=evaluation.split, prompt=answering.prompt, max_prompt_length=sampling.max_prompt_length,
    )
    prompt_counts = sample_lib.prompt_counts(task, evaluation.split)
    samples, samples_per_second = sample_lib.sample(
        directory / "samples.jsonl", engine=answering.engine or engine, task=task, split=evaluation.split,
        checkpoint=answering.checkpoint, num_samples=evaluation.num_samples, sampling=sampling, seed=sampling_seed,
    )
    verdicts, verdicts_per_second = verify_lib.verify(
        directory / "verdicts.jsonl", executor=executor, tasks=chosen, samples=samples
    )
    metrics = {
        "name": evaluation.name, "model": model.name, "task": evaluation.task,
        "corpus": corpus, "split": evaluation.split,
        "input": answering.input or prompt.shows, "seed": seed, "sampling_seed": sampling_seed,
        **answering.counts,
        **repair.fix_rate(
            chosen, samples, verdicts, ks=evaluation.all_ks, seed=sampling_seed,
            groups={**groups_lib.GROUPS, **answering.groups},
        ),
        "consistency": consistency.consistency(chosen, samples, seed=sampling_seed),
        "localisation": localisation.localisation(chosen, samples, seed=sampling_seed),
    }
    group.from_first(lambda: files.write_json(directory / "metrics.json", metrics))
    return stage_lib.Outcome(
        metrics=metrics, counts={"tasks": len(chosen), "samples": len(samples), **prompt_counts, **answering.counts},
        timing={"samples_per_second": samples_per_second, "verdicts_per_second": verdicts_per_second},
    )

  metrics = dict(stage.run(work, together=True).metrics)
  progress.say(f"[{stage.name}] {summary(metrics)}")
  return metrics


def subset(tasks: list[schema.RepairTask], num_tasks: int | None, seed: int) -> list[schema.RepairTask]:
  """`num_tasks` of the tasks in their order; which ones depends on the seed and the task ids only."""
  if num_tasks is None or num_tasks >= len(tasks):
    return tasks
  chosen = {task.task_id for task in sorted(tasks, key=lambda task: seeds.rank(seed, task.task_id))[:num_tasks]}
  return [task for task in tasks if task.task_id in chosen]


def summary(metrics: Mapping[str, Any]) -> str:
  """"pass@1 0.127 [0.113, 0.141], pass@8 ...; 300 tasks x 8 samples, seed 5"."""
  rates = ", ".join(
      f"pass@{k} {rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}]" for k, rate in metrics["pass_at"].items()
  )
  return f"{rates}; {metrics['num_tasks']:,} tasks x {metrics['num_samples']} samples, seed {metrics['seed']}"
