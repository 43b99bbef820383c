"""A small run of the loop with scripted engines."""

import dataclasses

import optax
import pytest

from next_jax.corpora.minirepair import minirepair
from next_jax.engines import engine as engine_lib
from next_jax.engines import scripted
from next_jax.execution import executor
from next_jax.execution import limits
from next_jax.selftrain import controls
from next_jax.selftrain import loop
from next_jax.selftrain.verbs import evaluate
import tasks.minirepair  # noqa: F401  (registers the SeqIO tasks)


@pytest.fixture(scope="session")
def small_loop():
  return make_small_loop


def make_small_loop(workdir, engine=scripted.Apprentice(), skill=0.2, **fields):
  """A loop over a few real tasks; `skill` is the base's, `fields` replace settings of the loop."""
  base = engine.initialize(workdir.parent / f"{workdir.name}_base", skill)
  settings = loop.SelfTraining(
      workdir=workdir,
      corpora=(minirepair.MiniRepair(num_train=24, num_dev=10, num_unseen=6),),
      task="minirepair_trace",
      engine=engine,
      executor=executor.Executor(num_workers=2, limits=limits.Limits(cpu_seconds=1.0)),
      base_checkpoint=base,
      iterations=2,
      num_samples=6,
      tuning=engine_lib.Tuning(optimizer=optax.adamw, learning_rate=0.1),
      evaluations=(
          evaluate.Evaluation(name="dev", task="minirepair_trace", num_samples=4),
          evaluate.Evaluation(
              name="unseen", task="minirepair_trace", split="unseen", num_samples=2, when="base_and_last"
          ),
          evaluate.Evaluation(name="dev_notrace", task="minirepair_notrace", num_tasks=5, num_samples=2, when="last"),
      ),
      controls=(controls.OtherFilters(),),
  )
  return dataclasses.replace(settings, **fields)

