"""One walk over the stages of self-training: what they share, and what each makes of what was there before."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import os
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.execution import executor as executor_lib
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import seqio_tasks
from next_jax.selftrain import build
from next_jax.selftrain import evaluate as evaluate_lib
from next_jax.selftrain import filter as filter_lib
from next_jax.selftrain import filters as filters_lib
from next_jax.selftrain import finetune as finetune_lib
from next_jax.selftrain import sample as sample_lib
from next_jax.selftrain import verify as verify_lib
from next_jax.stages import processes
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib


@dataclasses.dataclass(kw_only=True)
class Walk:
  """The loop's stages, and what they have made so far: the loop goes through them in its order, controls go on.

  Attributes:
    workdir: the work directory.
    base: P0.
    executor: its workers have started.
    digests: corpus -> split -> digest of its file.
    task, train_split, engine, num_samples, sampling, tuning, start_from, evaluations, seed: of `loop.SelfTraining`.
    sources: the samples of D_H from the base, of iteration 1, of iteration 2, ...
    kept: how many samples each iteration was tuned on; known when all are done.
  """

  workdir: epath.Path
  base: evaluate_lib.Model
  executor: executor_lib.Executor
  digests: Mapping[str, Mapping[str, str]]
  task: str
  train_split: str
  engine: engine_lib.Engine
  num_samples: int
  sampling: engine_lib.Sampling
  tuning: engine_lib.Tuning
  start_from: str
  evaluations: Sequence[evaluate_lib.Evaluation]
  seed: int
  sources: list[filter_lib.Source] = dataclasses.field(default_factory=list)
  kept: list[int] = dataclasses.field(default_factory=list)

  def __post_init__(self):
    self._metrics: dict[str, dict[str, Any]] = {}  # model -> metrics of the first evaluation

  @property
  def prompt(self) -> prompt_lib.Prompt:
    """Of the task, zero-shot."""
    return seqio_tasks.registration(self.task).prompt.with_shots(0)

  @property
  def form(self) -> prompt_lib.Prompt:
    """Of what a tuned model is shown and learns from: `prompt` with traces abridged as they are when it is asked."""
    return self.prompt.within(self.sampling.max_prompt_length, seqio_tasks.registration(self.task).vocabulary)

  @functools.cached_property
  def hard(self) -> list[schema.RepairTask]:
    """The tasks of D_H."""
    return files.read_jsonl(self.workdir / "base/hard/tasks.jsonl", schema.RepairTask)

  @property
  def hard_fingerprint(self) -> str:
    return stage_lib.read_manifest(self.workdir / "base/hard").fingerprint

  def find_hard_tasks(self, num_train_tasks: int | None, threshold: float) -> None:
    """Samples the training tasks from the base model, and writes D_H to base/hard/tasks.jsonl.

    The samples are the first of `sources`: what the base model solved of D_H while D_H was found is as good as what it
    solves when asked again.
    """
    tasks, digest = build.read(self.task, self.train_split, self.digests)
    tasks = evaluate_lib.subset(tasks, num_train_tasks, seeds.derive(self.seed, "train"))
    chosen = stage_lib.Stage(
        name="base/tasks", workdir=self.workdir, settings={"num_tasks": num_train_tasks, "seed": self.seed},
        inputs={"tasks": digest},
    ).run(lambda directory: _write_tasks(directory, tasks))
    source = self._sample_and_verify("base", self.base, self.workdir / "base/tasks", chosen.fingerprint, 0)
    stage = stage_lib.Stage(
        name="base/hard", workdir=self.workdir, settings={"hard_threshold": threshold},
        inputs={"verify": source.fingerprint},
    )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      rates = pass_rates(files.read_jsonl(source.verdicts, schema.Verdict))
      return _write_tasks(directory, [task for task in tasks if rates.get(task.task_id, 1.0) <= threshold])

    manifest = stage.run(work)
    count = manifest.counts["tasks"]
    progress.say(f"[base/hard] {count:,} of {len(tasks):,} tasks have pass@1 <= {threshold:g}")
    if not count:
      raise errors.SelfTrainingError(
          f"{os.fspath(stage.directory)}: no task is hard: the base model solves each more often than"
          f" hard_threshold={threshold:g}; raise SelfTraining.hard_threshold or give harder tasks"
      )
    self.sources = [source]

  def _sample_and_verify(
      self, name: str, model: evaluate_lib.Model, tasks_directory: epath.Path, tasks_fingerprint: str, iteration: int
  ) -> filter_lib.Source:
    tasks_path = tasks_directory / "tasks.jsonl"
    form = seqio_tasks.registration(self.task).prompt.with_shots(model.shots)
    seed = seeds.derive(self.seed, "sample", name)
    sampling = stage_lib.Stage(
        name=f"{name}/sample",
        workdir=self.workdir,
        settings={
            "task": self.task, "split": self.train_split, "num_samples": self.num_samples, "sampling": self.sampling,
            "prompt": form, "engine": self.engine, "seed": seed,
        },
        inputs={"checkpoint": model.fingerprint, "tasks": tasks_fingerprint},
    )

    def sample(directory: epath.Path) -> stage_lib.Outcome:
      progress.say(f"[{name}/sample] {self.num_samples} samples a task, from {model.name}")
      task = sample_lib.register_tasks(
          f"{name}_tasks", tasks_path, like=self.task, split=self.train_split, prompt=form,
          max_prompt_length=self.sampling.max_prompt_length,
      )
      prompt_counts = sample_lib.prompt_counts(task, self.train_split)
      samples, rate = sample_lib.sample(
          directory / "samples.jsonl", engine=self.engine, task=task, split=self.train_split,
          checkpoint=model.checkpoint, num_samples=self.num_samples, sampling=self.sampling, seed=seed,
      )
      counts = {"samples": len(samples), "refused": sum(s.refusal is not None for s in samples), **prompt_counts}
      return stage_lib.Outcome(counts=counts, timing={"samples_per_second": rate})

    sampled = sampling.run(sample, together=True)
    verifying = stage_lib.Stage(
        name=f"{name}/verify", workdir=self.workdir, settings={"executor": self.executor},
        inputs={"samples": sampled.fingerprint},
    )

    def verify(directory: epath.Path) -> stage_lib.Outcome:
      verdicts, rate = verify_lib.verify(
          directory / "verdicts.jsonl", executor=self.executor, tasks=files.read_jsonl(tasks_path, schema.RepairTask),
          samples=files.read_jsonl(sampling.directory / "samples.jsonl", schema.Sample),
      )
      counts = {"verdicts": len(verdicts), "passed": sum(v.passed for v in verdicts)}
      return stage_lib.Outcome(counts=counts, timing={"verdicts_per_second": rate})

    verified = verifying.run(verify, together=True)
    counts = verified.counts
    progress.say(f"[{name}/verify] {counts['passed']:,} of {counts['verdicts']:,} samples pass all tests")
    return filter_lib.Source(
        iteration=iteration, samples=sampling.directory / "samples.jsonl",
        verdicts=verifying.directory / "verdicts.jsonl", fingerprint=verified.fingerprint,
    )

  def chain(
      self, prefix: str, sources: list[filter_lib.Source], filters: Sequence[filters_lib.Filter],
      limits: Sequence[int | None],
  ) -> list[evaluate_lib.Model]:
    """Iterations of sample, verify, filter, tune and evaluate, until nothing is kept: `prefix_01`, `prefix_02`, ...

    Args:
      sources: of the base and of the first iterations, as far as their samples are there already; the others are
        sampled from the models, and appended.
      limits: of each iteration, how many samples to keep of what the filters let through; None keeps all.

    Returns:
      The base and the models that were made.
    """
    models = [self.base]
    for number, limit in enumerate(limits, 1):
      name = f"{prefix}_{number:02d}"
      if len(sources) == number:
        sources.append(
            self._sample_and_verify(name, models[-1], self.workdir / "base/hard", self.hard_fingerprint, number)
        )
      start = self.base if self.start_from == "base" else models[-1]
      model = self._tune(name, start, sources[: number + 1], filters, limit)
      if model is None:
        progress.say(f"[{name}] no sample is left to tune on: the loop ends here")
        break
      models.append(model)
      self.evaluate(model, ("always",))
    return models

  def _tune(
      self, name: str, start: evaluate_lib.Model, sources: Sequence[filter_lib.Source],
      filters: Sequence[filters_lib.Filter], limit: int | None,
  ) -> evaluate_lib.Model | None:
    """Filters, and tunes `start` on what is kept; None when nothing is."""
    registration = seqio_tasks.registration(self.task)
    kept = filter_lib.keep(
        self.workdir, f"{name}/filter", sources=sources, filters=filters, tasks=self.hard,
        prompt=self.prompt, vocabulary=registration.vocabulary,
        max_prompt_length=self.sampling.max_prompt_length, seed=seeds.derive(self.seed, "filter", name), limit=limit,
        inputs={"hard": self.hard_fingerprint},
    )
    if not kept.counts["kept"]:
      return None
    examples = self.workdir / name / "filter" / filter_lib.KEPT
    return self.finetune(name, start, examples, kept.counts["kept"], kept.fingerprint)

  def finetune(
      self, name: str, start: evaluate_lib.Model, examples: epath.Path, num_examples: int, fingerprint: str
  ) -> evaluate_lib.Model:
    """Tunes `start` on a file of examples, which has a fingerprint, by the loop's settings."""
    checkpoint, manifest = finetune_lib.finetune(
        self.workdir, f"{name}/finetune", engine=self.engine, examples=examples, num_examples=num_examples,
        vocabulary=seqio_tasks.registration(self.task).vocabulary, checkpoint=start.checkpoint, tuning=self.tuning,
        seed=seeds.derive(self.seed, "finetune", name),
        inputs={"examples": fingerprint, "checkpoint": start.fingerprint},
    )
    return evaluate_lib.Model(name=name, checkpoint=checkpoint, fingerprint=manifest.fingerprint)

  def evaluate(self, model: evaluate_lib.Model, when: tuple[str, ...]) -> None:
    """Runs the evaluations that are for such a model."""
    for place, evaluation in enumerate(self.evaluations):
      if evaluation.when in when:
        metrics = evaluate_lib.evaluate(
            self.workdir, model, evaluation, engine=self.engine, executor=self.executor, sampling=self.sampling,
            digests=self.digests, seed=self.seed,
        )
        if place == 0:
          self._metrics[model.name] = metrics

  def num_kept(self, model: evaluate_lib.Model) -> int:
    """How many samples a model of a chain was tuned on."""
    return stage_lib.read_manifest(self.workdir / model.name / "filter").counts["kept"]

  def choose(self, models: list[evaluate_lib.Model]) -> evaluate_lib.Model:
    """The model with the highest pass@1 on the first evaluation, the earlier of equals; writes best.json."""
    evaluation = self.evaluations[0]
    rates = {model.name: self._metrics[model.name]["pass_at"]["1"] for model in models}
    best = max(models, key=lambda model: rates[model.name]["value"])
    chosen = {
        "model": best.name,
        "checkpoint": _relative(best.checkpoint, self.workdir),
        "evaluation": evaluation.name,
        "pass_at_1": rates,
        "why": f"highest pass@1 on evaluation {evaluation.name!r} ({evaluation.task}, split {evaluation.split!r})",
    }
    processes.current().from_first(lambda: files.write_json(self.workdir / "best.json", chosen))
    progress.say(f"[best] {best.name}: pass@1 {rates[best.name]['value']:.3f} on {evaluation.name}")
    return best


def pass_rates(verdicts: list[schema.Verdict]) -> Mapping[str, float]:
  """Task -> estimated pass@1; a verdict that is a failure of ours is no evidence and left out."""
  judged: dict[str, list[bool]] = {}
  for verdict in verdicts:
    if verdict.status != "infrastructure":
      judged.setdefault(verdict.task_id, []).append(verdict.passed)
  return {task_id: sum(results) / len(results) for task_id, results in judged.items()}


def _write_tasks(directory: epath.Path, tasks: list[schema.RepairTask]) -> stage_lib.Outcome:
  files.write_jsonl(directory / "tasks.jsonl", tasks)
  return stage_lib.Outcome(counts={"tasks": len(tasks)})


def _relative(checkpoint: epath.PathLike, workdir: epath.Path) -> str:
  path = epath.Path(checkpoint)
  return os.fspath(path.relative_to(workdir) if path.is_relative_to(workdir) else path)
