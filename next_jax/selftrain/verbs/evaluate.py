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
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import seqio_tasks
from next_jax.rationales import consistency
from next_jax.rationales import localisation
from next_jax.selftrain import model as model_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import task_set
from next_jax.selftrain.verbs import build
from next_jax.selftrain.verbs import sample as sample_lib
from next_jax.selftrain.verbs import verify
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib

WHEN = ("always", "base", "base_and_last", "last")
TASKS = "tasks.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
  """What a model is measured on.

  Attributes:
    name: Directory name under `evaluate/`.
    task: SeqIO task, such as "minirepair_trace"; it determines what the prompts show.
    split: Split of that task.
    num_tasks: Number of tasks, chosen by the seed of the run. None takes all.
    num_samples: Number of samples a task.
    ks: The k of pass@k. Those above `num_samples` are left out, and `num_samples` itself is added.
    when: "always" (base, every iteration, controls), "base", "base_and_last" or "last". The last two also measure the
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
      raise errors.SelfTrainingError(
          f"evaluation {self.name!r}: when={self.when!r}, expected one of {', '.join(WHEN)}"
      )
    if self.num_samples < 1 or (self.num_tasks is not None and self.num_tasks < 1):
      raise errors.SelfTrainingError(f"evaluation {self.name!r}: num_samples and num_tasks must be 1 or more")

  @property
  def all_ks(self) -> list[int]:
    return sorted({k for k in (*self.ks, self.num_samples) if k <= self.num_samples})

  def prepare(self, run: run_lib.Run) -> None:
    """Makes what the evaluation needs besides the models of the run."""

  def settings(self) -> dict[str, Any]:
    """Settings of the stage, besides those that all evaluations have."""
    return {}

  def inputs(self, run: run_lib.Run, model: model_lib.Model) -> dict[str, str]:
    """Fingerprints of what the stage reads, besides the tasks."""
    del run
    return {"checkpoint": model.fingerprint}

  def respondent(
      self, run: run_lib.Run, model: model_lib.Model, directory: epath.Path, tasks: Sequence[schema.RepairTask],
      prompt: prompt_lib.Prompt, seed: int,
  ) -> "Respondent":
    """Who is asked, and how: here the model itself, with the task's prompt."""
    del directory, tasks, seed
    return Respondent(checkpoint=model.checkpoint, prompt=prompt, engine=run.engine, input=prompt.shows)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Respondent:
  """Who is asked in an evaluation, and how.

  Attributes:
    checkpoint, engine: The model that answers.
    prompt: How a task is written.
    input: What the prompts give, in words.
    counts: Further counts for the manifest and the metrics.
    groups: Groups that pass@k is broken down by, besides `evaluation.groups.GROUPS`.
  """

  checkpoint: epath.PathLike
  engine: engine_lib.Engine
  prompt: prompt_lib.Prompt
  input: str
  counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
  groups: Mapping[str, groups_lib.Grouping] = dataclasses.field(default_factory=dict)


def evaluate(run: run_lib.Run, model: model_lib.Model, evaluation: Evaluation) -> dict[str, Any]:
  """Runs the stage `<model>/evaluate/<name>`: samples, verifies and measures. Returns what `metrics.json` holds.

  All models meet the same tasks with the same random keys, so that their difference is theirs.
  """
  form = seqio_tasks.registration(evaluation.task)
  prompt = form.prompt.with_shots(model.shots)
  tasks, digest = build.read(evaluation.task, evaluation.split, run.digests)
  seed = run.derive_seed("evaluate", evaluation.name)
  evaluation.prepare(run)
  stage = run.stage(
      f"{model.name}/evaluate/{evaluation.name}",
      settings={
          "task": evaluation.task, "split": evaluation.split, "num_tasks": evaluation.num_tasks,
          "num_samples": evaluation.num_samples, "ks": evaluation.all_ks, "sampling": run.sampling, "prompt": prompt,
          "engine": run.engine, "executor": run.executor, "seed": seed, **evaluation.settings(),
      },
      inputs={"tasks": digest, **evaluation.inputs(run, model)},
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    # Seeded by the corpus: with and without trace the same tasks are asked.
    chosen = task_set.subset(
        tasks, evaluation.num_tasks, run.derive_seed("subset", form.corpus, evaluation.split)
    )
    progress.say(f"[{stage.name}] {len(chosen):,} tasks x {evaluation.num_samples} samples")
    group = processes.current()
    group.broadcast(lambda: files.write_jsonl(directory / TASKS, chosen))
    respondent = evaluation.respondent(run, model, directory, chosen, prompt, seed)
    samples, sampled = sample_lib.draw(
        run, directory / sample_lib.SAMPLES, name=f"{model.name}_{evaluation.name}_tasks",
        tasks=task_set.TaskSet(form=form, split=evaluation.split, path=directory / TASKS, fingerprint=digest),
        prompt=respondent.prompt, engine=respondent.engine, checkpoint=respondent.checkpoint,
        num_samples=evaluation.num_samples, seed=seed,
    )
    verdicts, verdicts_per_second = verify.judge(
        directory / verify.VERDICTS, executor=run.executor, tasks=chosen, samples=samples
    )
    metrics = {
        "name": evaluation.name, "model": model.name, "task": evaluation.task, "corpus": form.corpus,
        "split": evaluation.split, "input": respondent.input, "seed": run.seed, "sampling_seed": seed,
        **respondent.counts,
        **measure(chosen, samples, verdicts, ks=evaluation.all_ks, seed=seed, groups=respondent.groups),
    }
    group.broadcast(lambda: files.write_json(directory / "metrics.json", metrics))
    return stage_lib.Outcome(
        metrics=metrics,
        counts={"tasks": len(chosen), "samples": len(samples), **sampled.counts, **respondent.counts},
        timing={**sampled.timing, "verdicts_per_second": verdicts_per_second},
    )

  metrics = dict(stage.run(work, together=True).metrics)
  progress.say(f"[{stage.name}] {summary(metrics)}")
  return metrics


def measure(
    tasks: Sequence[schema.RepairTask], samples: Sequence[schema.Sample], verdicts: Sequence[schema.Verdict], *,
    ks: Sequence[int], seed: int, groups: Mapping[str, groups_lib.Grouping],
) -> dict[str, Any]:
  """All measures of a model on the tasks: pass@k, consistency and localisation of its rationales.

  Args:
    samples, verdicts: In the same order.
    ks: The k of pass@k.
    seed: Seed of the bootstrap.
    groups: Groups that pass@k is broken down by, besides `evaluation.groups.GROUPS`.
  """
  return {
      **repair.fix_rate(tasks, samples, verdicts, ks=ks, seed=seed, groups={**groups_lib.GROUPS, **groups}),
      "consistency": consistency.consistency(tasks, samples, seed=seed),
      "localisation": localisation.localisation(tasks, samples, seed=seed),
  }


def summary(metrics: Mapping[str, Any]) -> str:
  """"pass@1 0.127 [0.113, 0.141], pass@8 ...; 300 tasks x 8 samples, seed 5"."""
  rates = ", ".join(
      f"pass@{k} {rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}]" for k, rate in metrics["pass_at"].items()
  )
  return f"{rates}; {metrics['num_tasks']:,} tasks x {metrics['num_samples']} samples, seed {metrics['seed']}"
