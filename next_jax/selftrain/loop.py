"""NExT's self-training (METHOD.md; Ni et al., ICML 2024, arXiv 2404.14662) as a walk over stages.

base: sample the training tasks, keep the hard ones (D_H). Each iteration: sample D_H, verify,
filter, tune, evaluate. Then the controls, and the choice of the best model.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import corpus as corpus_lib
from next_jax.engines import engine as engine_lib
from next_jax.execution import executor as executor_lib
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

START_FROM = ("base", "last")


class LoopError(errors.UserError):
  """A setting of the loop that cannot work; the message names it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Control:
  """A model tuned once, from the base, on other samples than iteration 1: what does the loop owe to its filters?

  Attributes:
    name: its directory is `control_<name>`.
    filters: in place of the loop's, on the samples that iteration 1 filtered.
    same_size: keep only as many samples as iteration 1 kept.
  """

  name: str = "unfiltered"
  filters: tuple[filters_lib.Filter, ...] = (filters_lib.UniqueFix(), filters_lib.AtMost())
  same_size: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelfTraining:
  """The whole run; every field can be bound in gin.

  Attributes:
    workdir: everything the run writes is below it; given again, the run goes on from there.
    corpora: built first; the tasks below read them.
    task: SeqIO task whose split `train_split` is trained on.
    num_train_tasks: how many of them, chosen by `seed`; None takes all.
    base_checkpoint: P0.
    base_shots: exemplars in the base model's prompts; None leaves those of the tasks. A tuned model is prompted
      zero-shot, as METHOD.md has it.
    num_samples: of each task, when sampling for D_H and in each iteration.
    hard_threshold: D_H are the tasks whose estimated pass@1 is at most this; 1.0 keeps all tasks.
    filters: applied one after the other to the samples of D_H from the base and all iterations so far.
    start_from: "base" tunes P0 again in each iteration, "last" tunes the last model on.
    evaluations: the first is also what the best model is chosen by.
    controls: run after the iterations.
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
  evaluations: tuple[evaluate_lib.Evaluation, ...]
  controls: tuple[Control, ...] = ()
  seed: int = 0

  def __post_init__(self):
    if self.start_from not in START_FROM:
      raise LoopError(f"SelfTraining.start_from: found {self.start_from!r}, expected one of {', '.join(START_FROM)}")
    if self.iterations < 1 or self.num_samples < 1:
      raise LoopError("SelfTraining.iterations and num_samples: expected 1 or more")
    if not self.evaluations or self.evaluations[0].when != "always":
      raise LoopError('SelfTraining.evaluations: expected at least one, the first with when="always"')
    for names in ([e.name for e in self.evaluations], [c.name for c in self.controls]):
      if len(set(names)) != len(names):
        raise LoopError(f"SelfTraining: two evaluations or controls have the same name: {', '.join(names)}")

  def prepare(self) -> None:
    """Checks names and paths, and writes nothing; raises UserError."""
    if not epath.Path(self.base_checkpoint).is_dir():
      raise engine_lib.CheckpointError(
          f"{os.fspath(self.base_checkpoint)}: no such checkpoint; expected a directory checkpoint_N, for example one"
          " that next-jax run --gin_file=gin_configs/runs/pretrain_minirepair.gin has written"
      )
    corpora = [corpus.name for corpus in self.corpora]
    for task, split in [(self.task, self.train_split), *((e.task, e.split) for e in self.evaluations)]:
      build.check(task, split, corpora)

  def run(self) -> None:
    """Runs all stages that are not finished."""
    # The workers start here, before anything touches an accelerator, and are no forks of this process.
    with self.executor as executor:
      progress.say(f"[executor] {executor.confinement()}")
      _Run(self, executor).run()

  def run_facts(self) -> dict[str, Any]:
    digests = {}
    for corpus in self.corpora:
      manifest = stage_lib.read_manifest(epath.Path(self.workdir) / "corpus" / corpus.name)
      digests[corpus.name] = dict(manifest.metrics["digests"]) if manifest else None
    return {"program": type(self).__name__, "seed": self.seed, "dataset_digests": digests}


class _Run:
  """One walk over the stages: what they share, and what each has made."""

  def __init__(self, loop: SelfTraining, executor: executor_lib.Executor):
    self._loop = loop
    self._executor = executor
    self._workdir = epath.Path(loop.workdir)
    self._digests: dict[str, dict[str, str]] = {}
    self._metrics: dict[str, dict[str, Any]] = {}  # model -> metrics of the first evaluation

  def run(self) -> None:
    loop = self._loop
    self._digests = build.build(self._workdir, loop.corpora, self._executor)
    base = evaluate_lib.Model(
        name="base", checkpoint=loop.base_checkpoint, fingerprint=settings_lib.digest(loop.base_checkpoint),
        shots=loop.base_shots,
    )
    hard, base_source = self._hard_tasks(base)
    self._evaluate(base, ("always", "base", "base_and_last"))
    # What the base model solved of D_H while D_H was found is as good as what it solves when asked again.
    models, sources = [base], [base_source]
    for number in range(1, loop.iterations + 1):
      model = self._iteration(number, base, models[-1], hard, sources)
      if model is None:
        progress.say(f"[iteration_{number:02d}] no sample is left to tune on: the loop ends here")
        break
      models.append(model)
      self._evaluate(model, ("always",))
    best = self._choose(models)
    for model in dict.fromkeys([models[-1], best]):
      if model is not base:
        self._evaluate(model, ("base_and_last", "last"))
    for control in loop.controls:
      self._control(control, base, hard, sources[:2])

  def _hard_tasks(self, base: evaluate_lib.Model) -> tuple[stage_lib.Manifest, filter_lib.Source]:
    """Samples the training tasks from the base model, and writes D_H to base/hard/tasks.jsonl; D_H and the samples."""
    loop = self._loop
    tasks, digest = build.read(loop.task, loop.train_split, self._digests)
    tasks = evaluate_lib.subset(tasks, loop.num_train_tasks, seeds.derive(loop.seed, "train"))
    chosen = stage_lib.Stage(
        name="base/tasks", workdir=self._workdir, settings={"num_tasks": loop.num_train_tasks, "seed": loop.seed},
        inputs={"tasks": digest},
    ).run(lambda directory: _write_tasks(directory, tasks))
    source = self._sample_and_verify("base", base, self._workdir / "base/tasks", chosen.fingerprint, 0)
    stage = stage_lib.Stage(
        name="base/hard", workdir=self._workdir, settings={"hard_threshold": loop.hard_threshold},
        inputs={"verify": source.fingerprint},
    )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      rates = pass_rates(files.read_jsonl(source.verdicts, schema.Verdict))
      return _write_tasks(directory, [task for task in tasks if rates.get(task.task_id, 1.0) <= loop.hard_threshold])

    manifest = stage.run(work)
    count = manifest.counts["tasks"]
    progress.say(f"[base/hard] {count:,} of {len(tasks):,} tasks have pass@1 <= {loop.hard_threshold:g}")
    if not count:
      raise LoopError(
          f"{os.fspath(stage.directory)}: no task is hard: the base model solves each more often than"
          f" hard_threshold={loop.hard_threshold:g}; raise SelfTraining.hard_threshold or give harder tasks"
      )
    return manifest, source

  def _sample_and_verify(
      self, name: str, model: evaluate_lib.Model, tasks_directory: epath.Path, tasks_fingerprint: str, iteration: int
  ) -> filter_lib.Source:
    loop, split = self._loop, self._loop.train_split
    tasks_path = tasks_directory / "tasks.jsonl"
    form = seqio_tasks.registration(loop.task).prompt.with_shots(model.shots)
    seed = seeds.derive(loop.seed, "sample", name)
    sampling = stage_lib.Stage(
        name=f"{name}/sample",
        workdir=self._workdir,
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
        name=f"{name}/verify", workdir=self._workdir, settings={"executor": loop.executor},
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

  def _iteration(
      self, number: int, base: evaluate_lib.Model, last: evaluate_lib.Model, hard: stage_lib.Manifest,
      sources: list[filter_lib.Source],
  ) -> evaluate_lib.Model | None:
    """Sample, verify, filter, tune; appends to `sources`. None when nothing was kept."""
    name = f"iteration_{number:02d}"
    sources.append(self._sample_and_verify(name, last, self._workdir / "base/hard", hard.fingerprint, number))
    start = base if self._loop.start_from == "base" else last
    return self._tune(name, start, hard, sources, self._loop.filters, None)

  def _control(
      self, control: Control, base: evaluate_lib.Model, hard: stage_lib.Manifest, sources: list[filter_lib.Source]
  ) -> None:
    """Tunes the base on what `control.filters` keep of the samples that iteration 1 was tuned on."""
    limit = None
    if control.same_size:
      limit = stage_lib.read_manifest(self._workdir / "iteration_01/filter").counts["kept"]
    if limit == 0:
      return
    model = self._tune(f"control_{control.name}", base, hard, sources, control.filters, limit)
    if model is not None:
      self._evaluate(model, ("always",))

  def _tune(
      self, name: str, start: evaluate_lib.Model, hard: stage_lib.Manifest, sources: list[filter_lib.Source],
      filters: tuple[filters_lib.Filter, ...], limit: int | None,
  ) -> evaluate_lib.Model | None:
    loop = self._loop
    form = seqio_tasks.registration(loop.task)
    kept = filter_lib.keep(
        self._workdir, f"{name}/filter", sources=sources, filters=filters,
        tasks=files.read_jsonl(self._workdir / "base/hard/tasks.jsonl", schema.RepairTask),
        prompt=form.prompt.with_shots(0), vocabulary=form.vocabulary,
        max_prompt_length=loop.sampling.max_prompt_length, seed=seeds.derive(loop.seed, "filter", name), limit=limit,
        inputs={"hard": hard.fingerprint},
    )
    if not kept.counts["kept"]:
      return None
    checkpoint, manifest = finetune_lib.finetune(
        self._workdir, f"{name}/finetune", engine=loop.engine,
        examples=self._workdir / name / "filter" / filter_lib.KEPT, num_examples=kept.counts["kept"],
        vocabulary=form.vocabulary, checkpoint=start.checkpoint, tuning=loop.tuning,
        seed=seeds.derive(loop.seed, "finetune", name),
        inputs={"examples": kept.fingerprint, "checkpoint": start.fingerprint},
    )
    return evaluate_lib.Model(name=name, checkpoint=checkpoint, fingerprint=manifest.fingerprint)

  def _evaluate(self, model: evaluate_lib.Model, when: tuple[str, ...]) -> None:
    for place, evaluation in enumerate(self._loop.evaluations):
      if evaluation.when in when:
        metrics = evaluate_lib.evaluate(
            self._workdir, model, evaluation, engine=self._loop.engine, executor=self._executor,
            sampling=self._loop.sampling, digests=self._digests, seed=self._loop.seed,
        )
        if place == 0:
          self._metrics[model.name] = metrics

  def _choose(self, models: list[evaluate_lib.Model]) -> evaluate_lib.Model:
    """The model with the highest pass@1 on the first evaluation, the earlier of equals; writes best.json."""
    evaluation = self._loop.evaluations[0]
    rates = {model.name: self._metrics[model.name]["pass_at"]["1"] for model in models}
    best = max(models, key=lambda model: rates[model.name]["value"])
    chosen = {
        "model": best.name,
        "checkpoint": _relative(best.checkpoint, self._workdir),
        "evaluation": evaluation.name,
        "pass_at_1": rates,
        "why": f"highest pass@1 on evaluation {evaluation.name!r} ({evaluation.task}, split {evaluation.split!r})",
    }
    processes.current().from_first(lambda: files.write_json(self._workdir / "best.json", chosen))
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
