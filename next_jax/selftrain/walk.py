"""One walk over the stages of self-training: what they share, and what each makes of what was there before."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any, TYPE_CHECKING

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.prompts import prompt as prompts
from next_jax.prompts import seqio_tasks
from next_jax.selftrain import build
from next_jax.selftrain import evaluate as evaluate_lib
from next_jax.selftrain import filter as filter_lib
from next_jax.selftrain import filters as filters_lib
from next_jax.selftrain import finetune as finetune_lib
from next_jax.selftrain import processes
from next_jax.selftrain import progress
from next_jax.selftrain import sample as sample_lib
from next_jax.selftrain import seeds
from next_jax.selftrain import settings as settings_lib
from next_jax.selftrain import stage as stage_lib
from next_jax.selftrain import verify as verify_lib

if TYPE_CHECKING:
  from next_jax.selftrain import loop as loop_lib


class WalkError(errors.UserError):
  """There is nothing to go on with; the message says what to set otherwise."""


class Walk:
  """The loop's stages in their order; controls go on with what it has made.

  Attributes:
    workdir: the work directory.
    seed: of the run.
    base: P0.
    sources: the samples of D_H from the base, of iteration 1, of iteration 2, ...
    kept: how many samples each iteration was tuned on; known when all are done.
  """

  def __init__(self, loop: "loop_lib.SelfTraining", executor: executor_lib.Executor):
    self._loop = loop
    self._executor = executor
    self._digests: dict[str, dict[str, str]] = {}
    self._metrics: dict[str, dict[str, Any]] = {}  # model -> metrics of the first evaluation
    self.workdir = epath.Path(loop.workdir)
    self.seed = loop.seed
    self.base = evaluate_lib.Model(
        name="base", checkpoint=loop.base_checkpoint, fingerprint=settings_lib.digest(loop.base_checkpoint),
        shots=loop.base_shots,
    )
    self.sources: list[filter_lib.Source] = []
    self.kept: list[int] = []

  def run(self) -> None:
    loop = self._loop
    self._digests = build.build(self.workdir, loop.corpora, self._executor)
    # What the base model solved of D_H while D_H was found is as good as what it solves when asked again.
    self.sources = [self._hard_tasks()]
    self.evaluate(self.base, ("always", "base", "base_and_last"))
    models = self.chain("iteration", self.sources, loop.filters, [None] * loop.iterations)
    self.kept = [self._num_kept(model.name) for model in models[1:]]
    best = self._choose(models)
    for model in dict.fromkeys([models[-1], best]):
      if model is not self.base:
        self.evaluate(model, ("base_and_last", "last"))
    for control in loop.controls:
      control.run(self)

  @property
  def form(self) -> prompts.Prompt:
    """Of what a tuned model is shown and learns from: zero-shot, traces abridged as they are when it is asked."""
    registration = seqio_tasks.registration(self._loop.task)
    return registration.prompt.with_shots(0).within(self._loop.sampling.max_prompt_length, registration.vocabulary)

  @functools.cached_property
  def hard(self) -> list[schema.RepairTask]:
    """The tasks of D_H."""
    return files.read_jsonl(self.workdir / "base/hard/tasks.jsonl", schema.RepairTask)

  @property
  def hard_fingerprint(self) -> str:
    return stage_lib.read_manifest(self.workdir / "base/hard").fingerprint

  def _hard_tasks(self) -> filter_lib.Source:
    """Samples the training tasks from the base model, and writes D_H to base/hard/tasks.jsonl; returns the samples."""
    loop = self._loop
    tasks, digest = build.read(loop.task, loop.train_split, self._digests)
    tasks = evaluate_lib.subset(tasks, loop.num_train_tasks, seeds.derive(loop.seed, "train"))
    chosen = stage_lib.Stage(
        name="base/tasks", workdir=self.workdir, settings={"num_tasks": loop.num_train_tasks, "seed": loop.seed},
        inputs={"tasks": digest},
    ).run(lambda directory: _write_tasks(directory, tasks))
    source = self._sample_and_verify("base", self.base, self.workdir / "base/tasks", chosen.fingerprint, 0)
    stage = stage_lib.Stage(
        name="base/hard", workdir=self.workdir, settings={"hard_threshold": loop.hard_threshold},
        inputs={"verify": source.fingerprint},
    )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      rates = pass_rates(files.read_jsonl(source.verdicts, schema.Verdict))
      return _write_tasks(directory, [task for task in tasks if rates.get(task.task_id, 1.0) <= loop.hard_threshold])

    manifest = stage.run(work)
    count = manifest.counts["tasks"]
    progress.say(f"[base/hard] {count:,} of {len(tasks):,} tasks have pass@1 <= {loop.hard_threshold:g}")
    if not count:
      raise WalkError(
          f"{os.fspath(stage.directory)}: no task is hard: the base model solves each more often than"
          f" hard_threshold={loop.hard_threshold:g}; raise SelfTraining.hard_threshold or give harder tasks"
      )
    return source

  def _sample_and_verify(
      self, name: str, model: evaluate_lib.Model, tasks_directory: epath.Path, tasks_fingerprint: str, iteration: int
  ) -> filter_lib.Source:
    loop, split = self._loop, self._loop.train_split
    tasks_path = tasks_directory / "tasks.jsonl"
    form = seqio_tasks.registration(loop.task).prompt.with_shots(model.shots)
    seed = seeds.derive(loop.seed, "sample", name)
    sampling = stage_lib.Stage(
        name=f"{name}/sample",
        workdir=self.workdir,
        settings={
            "task": loop.task, "split": split, "num_samples": loop.num_samples, "sampling": loop.sampling,
            "prompt": form, "engine": loop.engine, "seed": seed,
        },
        inputs={"checkpoint": model.fingerprint, "tasks": tasks_fingerprint},
    )

    def sample(directory: epath.Path) -> stage_lib.Outcome:
      progress.say(f"[{name}/sample] {loop.num_samples} samples a task, from {model.name}")
      task = sample_lib.register_tasks(
          f"{name}_tasks", tasks_path, like=loop.task, split=split, prompt=form,
          max_prompt_length=loop.sampling.max_prompt_length,
      )
      prompt_counts = sample_lib.prompt_counts(task, split)
      samples, rate = sample_lib.sample(
          directory / "samples.jsonl", engine=loop.engine, task=task, split=split, checkpoint=model.checkpoint,
          num_samples=loop.num_samples, sampling=loop.sampling, seed=seed,
      )
      counts = {"samples": len(samples), "refused": sum(s.refusal is not None for s in samples), **prompt_counts}
      return stage_lib.Outcome(counts=counts, timing={"samples_per_second": rate})

    sampled = sampling.run(sample, together=True)
    verifying = stage_lib.Stage(
        name=f"{name}/verify", workdir=self.workdir, settings={"executor": loop.executor},
        inputs={"samples": sampled.fingerprint},
    )

    def verify(directory: epath.Path) -> stage_lib.Outcome:
      verdicts, rate = verify_lib.verify(
          directory / "verdicts.jsonl", executor=self._executor, tasks=files.read_jsonl(tasks_path, schema.RepairTask),
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
      start = self.base if self._loop.start_from == "base" else models[-1]
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
    loop = self._loop
    registration = seqio_tasks.registration(loop.task)
    kept = filter_lib.keep(
        self.workdir, f"{name}/filter", sources=sources, filters=filters, tasks=self.hard,
        prompt=registration.prompt.with_shots(0), vocabulary=registration.vocabulary,
        max_prompt_length=loop.sampling.max_prompt_length, seed=seeds.derive(loop.seed, "filter", name), limit=limit,
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
    loop = self._loop
    checkpoint, manifest = finetune_lib.finetune(
        self.workdir, f"{name}/finetune", engine=loop.engine, examples=examples, num_examples=num_examples,
        vocabulary=seqio_tasks.registration(loop.task).vocabulary, checkpoint=start.checkpoint, tuning=loop.tuning,
        seed=seeds.derive(loop.seed, "finetune", name),
        inputs={"examples": fingerprint, "checkpoint": start.fingerprint},
    )
    return evaluate_lib.Model(name=name, checkpoint=checkpoint, fingerprint=manifest.fingerprint)

  def evaluate(self, model: evaluate_lib.Model, when: tuple[str, ...]) -> None:
    """Runs the evaluations that are for such a model."""
    for place, evaluation in enumerate(self._loop.evaluations):
      if evaluation.when in when:
        metrics = evaluate_lib.evaluate(
            self.workdir, model, evaluation, engine=self._loop.engine, executor=self._executor,
            sampling=self._loop.sampling, digests=self._digests, seed=self._loop.seed,
        )
        if place == 0:
          self._metrics[model.name] = metrics

  def _num_kept(self, name: str) -> int:
    return stage_lib.read_manifest(self.workdir / name / "filter").counts["kept"]

  def _choose(self, models: list[evaluate_lib.Model]) -> evaluate_lib.Model:
    """The model with the highest pass@1 on the first evaluation, the earlier of equals; writes best.json."""
    evaluation = self._loop.evaluations[0]
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
