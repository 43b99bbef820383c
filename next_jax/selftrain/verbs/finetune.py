"""The verb `finetune`: a training set into a checkpoint."""

from etils import epath
import seqio

from next_jax.engines import engine as engine_lib
from next_jax.prompts import seqio_tasks
from next_jax.selftrain import model as model_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import training_set
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib


def finetune(
    run: run_lib.Run, name: str, *, start: model_lib.Model | None, examples: training_set.TrainingSet,
    tuning: engine_lib.Tuning, vocabulary: seqio.Vocabulary, seed: int, engine: engine_lib.Engine | None = None,
) -> model_lib.Model:
  """Runs the stage `<name>/finetune`, and returns the model `name`.

  Args:
    start: Where the training starts. None trains from scratch.
    vocabulary: Vocabulary of the examples.
    engine: Trains in place of the run's engine, for a model with another network.
  """
  engine = engine or run.engine
  stage = run.stage(
      f"{name}/finetune",
      settings={"engine": engine, "tuning": tuning, "seed": seed},
      inputs={"examples": examples.fingerprint, **({} if start is None else {"checkpoint": start.fingerprint})},
  )

  def work(directory: epath.Path) -> stage_lib.Outcome:
    origin = "scratch" if start is None else epath.Path(start.checkpoint).name
    progress.say(f"[{stage.name}] {examples.count:,} examples, {tuning.num_epochs:g} epochs, from {origin}")
    task = seqio_tasks.register_training_set(
        f"{stage.name.replace('/', '_')}_examples", examples.path.parent, file=examples.path.name,
        vocabulary=vocabulary,
    )
    with seqio_tasks.temporary(task):
      checkpoint, metrics = engine.finetune(
          task=task, checkpoint=None if start is None else start.checkpoint, directory=directory, tuning=tuning,
          seed=seed,
      )
    return stage_lib.Outcome(metrics={"checkpoint": checkpoint.name, **metrics}, counts={"examples": examples.count})

  manifest = stage.run(work, together=True)
  figures = ", ".join(f"{key} {value:g}" for key, value in manifest.metrics.items() if key != "checkpoint")
  progress.say(f"[{stage.name}] {manifest.metrics['checkpoint']}: {figures}")
  return model_lib.Model(
      name=name, checkpoint=stage.directory / manifest.metrics["checkpoint"], fingerprint=manifest.fingerprint
  )
