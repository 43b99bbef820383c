"""NExT's self-training (docs/method.md; Ni et al., ICML 2024, arXiv 2404.14662), step by step.

1. Sample the training tasks from the base model P0, and keep the hard ones, D_H.
2. In each iteration: sample D_H, verify the samples, filter them, fine-tune on what is kept, evaluate.
3. Choose the best model on the development split.
4. Make the controls: models tuned otherwise, to compare with.

Each verb is a module of `verbs/` and owns its stages in the work directory; `run` below is the algorithm.
"""

from collections.abc import Callable, Sequence
import dataclasses
import os
from typing import Any, Protocol

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import pass_at_k
from next_jax import schema
from next_jax.corpora import corpus as corpus_lib
from next_jax.engines import engine as engine_lib
from next_jax.execution import executor as executor_lib
from next_jax.prompts import seqio_tasks
from next_jax.selftrain import filters as filters_lib
from next_jax.selftrain import model as model_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import task_set
from next_jax.selftrain.verbs import build
from next_jax.selftrain.verbs import evaluate
from next_jax.selftrain.verbs import filter as filter_lib
from next_jax.selftrain.verbs import finetune
from next_jax.selftrain.verbs import sample
from next_jax.selftrain.verbs import verify
from next_jax.stages import invocation as invocation_lib
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib

START_FROM = ("base", "last")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Iterations:
  """The results of the iterations.

  Attributes:
    hard: Tasks of D_H.
    samples: Verified samples of D_H: from the base, then from the model before each iteration.
    models: P0, then the model of each iteration.
    num_kept: Number of examples that each iteration was tuned on.
    metrics: Metrics of the first evaluation, one for each model.
  """

  hard: task_set.TaskSet
  samples: tuple[verify.VerifiedSamples, ...]
  models: tuple[model_lib.Model, ...]
  num_kept: tuple[int, ...]
  metrics: tuple[dict[str, Any], ...]

  @property
  def base(self) -> model_lib.Model:
    return self.models[0]


class Control(Protocol):
  """Models to compare with, in `control_<name>...` of the work directory; see controls.py."""

  name: str

  def run(self, loop: "SelfTraining", run: run_lib.Run, made: Iterations) -> None:
    """Makes and evaluates the models, given what the iterations have `made`."""
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfTraining:
  """The whole algorithm; every field can be bound in gin.

  Attributes:
    workdir: Everything the run writes is below it. A run that is started again resumes there.
    corpora: Corpora to build first; the tasks below read them.
    task: SeqIO task that is trained on.
    train_split: Split of that task.
    num_train_tasks: Number of training tasks, chosen by `seed`. None takes all.
    engine: Samples and fine-tunes.
    executor: Runs the programs.
    base_checkpoint: The base model P0.
    base_shots: Number of exemplars in the base model's prompts. None keeps that of the task. A tuned model is prompted
      zero-shot, as docs/method.md has it.
    iterations: Number of iterations.
    num_samples: Number of samples a task, for D_H and in each iteration.
    sampling: How completions are drawn.
    tuning: How models are fine-tuned.
    hard_threshold: D_H has the tasks whose estimated pass@1 is at most this. 1.0 keeps all tasks.
    filters: Applied one after the other to the samples of D_H from the base and all iterations so far.
    start_from: "base" tunes P0 again in each iteration, "last" tunes the last model further.
    evaluations: What each model is measured on. The first one also chooses the best model.
    controls: Models to compare with, made after the iterations; see controls.py.
    seed: Every other seed of the run is derived from it.
  """

  workdir: epath.PathLike
  corpora: tuple[corpus_lib.Corpus, ...]
  task: str
  train_split: str = "train"
  num_train_tasks: int | None = None
  engine: engine_lib.Engine
  executor: executor_lib.Executor
  base_checkpoint: epath.PathLike
  base_shots: int | None = None
  iterations: int = 3
  num_samples: int = 8
  sampling: engine_lib.Sampling = engine_lib.Sampling()
  tuning: engine_lib.Tuning
  hard_threshold: float = 0.1
  filters: tuple[filters_lib.Filter, ...] = (
      filters_lib.PassesTests(), filters_lib.UniqueFix(), filters_lib.AtMost(per_task=3)
  )
  start_from: str = "base"
  evaluations: tuple[evaluate.Evaluation, ...]
  controls: tuple[Control, ...] = ()
  seed: int = 0

  def __post_init__(self):
    if self.start_from not in START_FROM:
      raise errors.SelfTrainingError(
          f"SelfTraining.start_from: found {self.start_from!r}, expected one of {', '.join(START_FROM)}"
      )
    if self.iterations < 1 or self.num_samples < 1:
      raise errors.SelfTrainingError("SelfTraining.iterations and num_samples: expected 1 or more")
    if not self.evaluations or self.evaluations[0].when != "always":
      raise errors.SelfTrainingError(
          'SelfTraining.evaluations: expected at least one, the first with when="always"'
      )
    for names in ([e.name for e in self.evaluations], [c.name for c in self.controls]):
      if len(set(names)) != len(names):
        raise errors.SelfTrainingError(
            f"SelfTraining: two evaluations or controls have the same name: {', '.join(names)}"
        )

  def prepare(self) -> None:
    """Checks names and paths, and writes nothing; raises UserError."""
    if not epath.Path(self.base_checkpoint).is_dir():
      raise engine_lib.CheckpointError(
          f"{os.fspath(self.base_checkpoint)}: no such checkpoint; expected a directory checkpoint_N, for example one"
          " that next-jax run --gin_file=gin_configs/runs/pretrain_minirepair.gin has written"
      )
    corpora = [corpus.name for corpus in self.corpora]
    for task, split in self._splits():
      build.check(task, split, corpora)

  def run(self, invocation: invocation_lib.Invocation = invocation_lib.Invocation()) -> None:
    """Runs all stages that are not finished."""
    # The workers start here, before anything touches an accelerator, and are no forks of this process.
    with self.executor as executor:
      progress.say(f"[executor] {executor.confinement()}")
      run = self._begin(executor, invocation)
      base = model_lib.Model(
          name="base", checkpoint=self.base_checkpoint, fingerprint=files.digest(self.base_checkpoint),
          shots=self.base_shots,
      )

      # 1. Sample the training tasks from the base model, and keep the hard ones, D_H.
      tasks = self._training_tasks(run)
      base_samples = self._sample_and_verify(run, "base", base, tasks)
      hard = self._hard_tasks(run, tasks, base_samples)
      base_metrics = self.evaluate(run, base, ("always", "base", "base_and_last"))[0]

      # 2. Iterate. What the base solved of D_H is as good as what it would solve when asked again.
      started = Iterations(hard=hard, samples=(base_samples,), models=(base,), num_kept=(), metrics=(base_metrics,))
      made = self.iterate(run, "iteration", started, filters=self.filters, limits=[None] * self.iterations)

      # 3. Choose the best model.
      best = self._choose(run, made)
      for model in dict.fromkeys((made.models[-1], best)):
        if model is not base:
          self.evaluate(run, model, ("base_and_last", "last"))

      # 4. Make the controls.
      for control in self.controls:
        control.run(self, run, made)

  def iterate(
      self, run: run_lib.Run, prefix: str, started: Iterations, *, filters: Sequence[filters_lib.Filter],
      limits: Sequence[int | None],
  ) -> Iterations:
    """The iterations `<prefix>_01`, `<prefix>_02`, ...: sample, verify, filter, fine-tune, evaluate.

    Ends early when the filters keep nothing.

    Args:
      started: The base, D_H, and the samples that there are already; those of later iterations are sampled.
      limits: For each iteration, how many of the kept samples to tune on. None takes all.
    """
    hard, base = started.hard, started.base
    samples, models, metrics = list(started.samples), [base], [started.metrics[0]]
    num_kept: list[int] = []
    for number, limit in enumerate(limits, 1):
      name = f"{prefix}_{number:02d}"
      if len(samples) == number:
        samples.append(self._sample_and_verify(run, name, models[-1], hard))
      kept = filter_lib.filter(
          run, name, samples=samples[: number + 1], filters=filters, tasks=hard, limit=limit
      )
      if not kept.count:
        progress.say(f"[{name}] no sample is left to tune on: the loop ends here")
        break
      model = finetune.finetune(
          run, name, start=base if self.start_from == "base" else models[-1], examples=kept, tuning=self.tuning,
          vocabulary=hard.form.vocabulary, seed=run.derive_seed("finetune", name),
      )
      models.append(model)
      num_kept.append(kept.count)
      metrics.append(self.evaluate(run, model, ("always",))[0])
    return Iterations(
        hard=hard, samples=tuple(samples), models=tuple(models), num_kept=tuple(num_kept), metrics=tuple(metrics)
    )

  def evaluate(self, run: run_lib.Run, model: model_lib.Model, when: Sequence[str]) -> list[dict[str, Any]]:
    """Runs the evaluations that are for such a model; returns the metrics of each."""
    return [evaluate.evaluate(run, model, one) for one in self.evaluations if one.when in when]

  def _begin(self, executor: executor_lib.Executor, invocation: invocation_lib.Invocation) -> run_lib.Run:
    """Builds the corpora."""
    workdir = epath.Path(self.workdir)
    digests = build.build(workdir, self.corpora, executor, invocation)
    for task, split in self._splits():
      build.check_built(task, split, digests)
    return run_lib.Run(
        workdir=workdir, engine=self.engine, executor=executor, sampling=self.sampling, digests=digests,
        seed=self.seed, invocation=invocation,
    )

  def _splits(self) -> list[tuple[str, str]]:
    """Pairs (task, split) that the run reads."""
    return [(self.task, self.train_split), *((e.task, e.split) for e in self.evaluations)]

  def _training_tasks(self, run: run_lib.Run) -> task_set.TaskSet:
    """Runs the stage `base/tasks`: the training tasks of this run."""
    tasks, digest = build.read(self.task, self.train_split, run.digests)
    chosen = task_set.subset(tasks, self.num_train_tasks, run.derive_seed("train"))
    stage = run.stage(
        "base/tasks", settings={"num_tasks": self.num_train_tasks, "seed": self.seed}, inputs={"tasks": digest}
    )
    return self._write_tasks(stage, lambda: chosen)

  def _sample_and_verify(
      self, run: run_lib.Run, name: str, model: model_lib.Model, tasks: task_set.TaskSet
  ) -> verify.VerifiedSamples:
    samples = sample.sample(run, name, model=model, tasks=tasks, num_samples=self.num_samples)
    return verify.verify(run, name, samples)

  def _hard_tasks(
      self, run: run_lib.Run, tasks: task_set.TaskSet, samples: verify.VerifiedSamples
  ) -> task_set.TaskSet:
    """Runs the stage `base/hard`: D_H, the tasks whose estimated pass@1 is at most `hard_threshold`."""
    stage = run.stage(
        "base/hard", settings={"hard_threshold": self.hard_threshold}, inputs={"verify": samples.fingerprint}
    )

    def choose() -> list[schema.RepairTask]:
      results = pass_at_k.results_by_task(files.read_jsonl(samples.verdicts, schema.Verdict))
      rates = pass_at_k.of_tasks(results, 1)
      return [task for task in tasks.tasks if rates.get(task.task_id, 1.0) <= self.hard_threshold]

    hard = self._write_tasks(stage, choose)
    progress.say(
        f"[base/hard] {len(hard.tasks):,} of {len(tasks.tasks):,} tasks have pass@1 <= {self.hard_threshold:g}"
    )
    if not hard.tasks:
      raise errors.SelfTrainingError(
          f"{os.fspath(stage.directory)}: no task is hard: the base model solves each more often than"
          f" hard_threshold={self.hard_threshold:g}; raise SelfTraining.hard_threshold or give harder tasks"
      )
    return hard

  def _write_tasks(self, stage: stage_lib.Stage, choose: Callable[[], list[schema.RepairTask]]) -> task_set.TaskSet:
    """Runs a stage that writes the tasks of `choose`."""

    def work(directory: epath.Path) -> stage_lib.Outcome:
      tasks = choose()
      files.write_jsonl(directory / evaluate.TASKS, tasks)
      return stage_lib.Outcome(counts={"tasks": len(tasks)})

    manifest = stage.run(work)
    return task_set.TaskSet(
        form=seqio_tasks.registration(self.task), split=self.train_split, path=stage.directory / evaluate.TASKS,
        fingerprint=manifest.fingerprint,
    )

  def _choose(self, run: run_lib.Run, made: Iterations) -> model_lib.Model:
    """The model with the highest pass@1 on the first evaluation, the earlier of equals; writes best.json."""
    evaluation = self.evaluations[0]
    rates = {
        model.name: metrics["pass_at"]["1"] for model, metrics in zip(made.models, made.metrics, strict=True)
    }
    best = max(made.models, key=lambda model: rates[model.name]["value"])
    checkpoint = epath.Path(best.checkpoint)
    is_ours = checkpoint.is_relative_to(run.workdir)
    chosen = {
        "model": best.name,
        "checkpoint": os.fspath(checkpoint.relative_to(run.workdir) if is_ours else checkpoint),
        "evaluation": evaluation.name,
        "pass_at_1": rates,
        "why": f"highest pass@1 on evaluation {evaluation.name!r} ({evaluation.task}, split {evaluation.split!r})",
    }
    processes.current().broadcast(lambda: files.write_json(run.workdir / "best.json", chosen))
    progress.say(f"[best] {best.name}: pass@1 {rates[best.name]['value']:.3f} on {evaluation.name}")
    return best

  def run_facts(self) -> dict[str, Any]:
    """Seed, digests of the corpora and confinement, for run.json."""
    digests = {}
    for corpus in self.corpora:
      manifest = stage_lib.read_manifest(epath.Path(self.workdir) / "corpus" / corpus.name)
      digests[corpus.name] = dict(manifest.metrics["digests"]) if manifest else None
    confined = self.executor.confined
    return {
        "program": type(self).__name__, "seed": self.seed, "dataset_digests": digests,
        "confinement": confined.to_json() if confined else None,
    }
