"""The verb `finetune`: a training set into a checkpoint."""

from collections.abc import Mapping

from etils import epath
import seqio

from next_jax.engines import engine as engine_lib
from next_jax.prompts import seqio_tasks
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib


def finetune(
    workdir: epath.Path,
    name: str,
    *,
    engine: engine_lib.Engine,
    examples: epath.Path,
    num_examples: int,
    vocabulary: seqio.Vocabulary,
    checkpoint: epath.PathLike | None,
    tuning: engine_lib.Tuning,
    seed: int,
    inputs: Mapping[str, str],
) -> tuple[epath.Path, stage_lib.Manifest]:
  """Runs the stage `name`; returns the checkpoint and the manifest, which names it.

  Args:
    examples: JSONL file of `Example`.
    checkpoint: where to start; None is from scratch.
    inputs: fingerprints of the examples and of the checkpoint.
  """
  stage = stage_lib.Stage(
      name=name, workdir=workdir, settings={"engine": engine, "tuning": tuning, "seed": seed}, inputs=inputs
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    start = "scratch" if checkpoint is None else epath.Path(checkpoint).name
    progress.say(f"[{name}] {num_examples:,} examples, {tuning.num_epochs:g} epochs, from {start}")
    task = seqio_tasks.register_training_set(
        f"{name.replace('/', '_')}_examples", examples.parent, file=examples.name, vocabulary=vocabulary
    )
    tuned, metrics = engine.finetune(task=task, checkpoint=checkpoint, directory=directory, tuning=tuning, seed=seed)
    return stage_lib.Outcome(metrics={"checkpoint": tuned.name, **metrics}, counts={"examples": num_examples})

  manifest = stage.run(work, together=True)
  figures = ", ".join(f"{key} {value:g}" for key, value in manifest.metrics.items() if key != "checkpoint")
  progress.say(f"[{name}] {manifest.metrics['checkpoint']}: {figures}")
  return stage.directory / manifest.metrics["checkpoint"], manifest
