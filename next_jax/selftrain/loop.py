"""NExT's self-training (METHOD.md; Ni et al., ICML 2024, arXiv 2404.14662) as a walk over stages.

base: sample the training tasks, keep the hard ones (D_H). Each iteration: sample D_H, verify,
filter, tune, evaluate. Then the choice of the best model, and the controls.
"""

import dataclasses
import os
from typing import Any

from etils import epath

from next_jax import errors
from next_jax.corpora import corpus as corpus_lib
from next_jax.engines import engine as engine_lib
from next_jax.execution import executor as executor_lib
from next_jax.selftrain import build
from next_jax.selftrain import controls as controls_lib
from next_jax.selftrain import evaluate as evaluate_lib
from next_jax.selftrain import filters as filters_lib
from next_jax.selftrain import walk as walk_lib
from next_jax.stages import progress
from next_jax.stages import settings as settings_lib
from next_jax.stages import stage as stage_lib

START_FROM = ("base", "last")


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
    controls: models to compare with, made after the iterations; see controls.py.
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
  controls: tuple[controls_lib.Control, ...] = ()
  seed: int = 0

  def __post_init__(self):
    if self.start_from not in START_FROM:
      raise errors.SelfTrainingError(f"SelfTraining.start_from: found {self.start_from!r}, expected one of {', '.join(START_FROM)}")
    if self.iterations < 1 or self.num_samples < 1:
      raise errors.SelfTrainingError("SelfTraining.iterations and num_samples: expected 1 or more")
    if not self.evaluations or self.evaluations[0].when != "always":
      raise errors.SelfTrainingError('SelfTraining.evaluations: expected at least one, the first with when="always"')
    for names in ([e.name for e in self.evaluations], [c.name for c in self.controls]):
      if len(set(names)) != len(names):
        raise errors.SelfTrainingError(f"SelfTraining: two evaluations or controls have the same name: {', '.join(names)}")

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

  def _splits(self) -> list[tuple[str, str]]:
    """(task, split) of all that the run reads."""
    return [(self.task, self.train_split), *((e.task, e.split) for e in self.evaluations)]

  def run(self) -> None:
    """Runs all stages that are not finished."""
    # The workers start here, before anything touches an accelerator, and are no forks of this process.
    with self.executor as executor:
      progress.say(f"[executor] {executor.confinement()}")
      base = evaluate_lib.Model(
          name="base", checkpoint=self.base_checkpoint, fingerprint=settings_lib.digest(self.base_checkpoint),
          shots=self.base_shots,
      )
      workdir = epath.Path(self.workdir)
      digests = build.build(workdir, self.corpora, executor)
      for task, split in self._splits():
        build.check_built(task, split, digests)
      walk = walk_lib.Walk(
          workdir=workdir, base=base, executor=executor, digests=digests, task=self.task,
          train_split=self.train_split, engine=self.engine, num_samples=self.num_samples, sampling=self.sampling,
          tuning=self.tuning, start_from=self.start_from, evaluations=self.evaluations, seed=self.seed,
      )
      walk.find_hard_tasks(self.num_train_tasks, self.hard_threshold)
      walk.evaluate(base, ("always", "base", "base_and_last"))
      models = walk.chain("iteration", walk.sources, self.filters, [None] * self.iterations)
      walk.kept = [walk.num_kept(model) for model in models[1:]]
      for model in dict.fromkeys([models[-1], walk.choose(models)]):
        if model is not base:
          walk.evaluate(model, ("base_and_last", "last"))
      for control in self.controls:
        control.run(walk)

  def run_facts(self) -> dict[str, Any]:
    digests = {}
    for corpus in self.corpora:
      manifest = stage_lib.read_manifest(epath.Path(self.workdir) / "corpus" / corpus.name)
      digests[corpus.name] = dict(manifest.metrics["digests"]) if manifest else None
    confined = self.executor.confined
    return {
        "program": type(self).__name__, "seed": self.seed, "dataset_digests": digests,
        "confinement": confined.to_json() if confined else None,
    }
