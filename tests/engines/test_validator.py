"""Checkpoints measured by what a real task's metric does: its completions run on the tests."""

import dataclasses
import math

import optax
import pytest

from next_jax import files
from next_jax import schema
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair
from next_jax.engines import engine
from next_jax.engines.native import native
from next_jax.models import base_models
from next_jax.models import transformer
from next_jax.models import vocabularies
from next_jax.prompts import metrics as metrics_lib
from next_jax.prompts import seqio_tasks
from next_jax.prompts import training_example
from next_jax.selftrain.verbs import sample as sample_lib

NUM_DEV = 3


@pytest.fixture
def corpus_dir(tmp_path):
  minirepair.MiniRepair(num_train=2, num_dev=NUM_DEV, num_unseen=1).build(tmp_path / "minirepair")
  data_dir.set_data_dir(tmp_path)
  yield tmp_path / "minirepair"
  data_dir.set_data_dir(None)


def test_pass_at_1_of_a_validation_is_that_of_the_greedy_completions(corpus_dir, tmp_path):
  import tasks.minirepair  # noqa: F401  (registers the tasks)

  examples = [
      training_example.Example(task_id=task.task_id, inputs=task.buggy_code, targets=task.reference_code)
      for task in files.read_jsonl(corpus_dir / "train.jsonl", schema.RepairTask)
  ]
  files.write_jsonl(tmp_path / "kept.jsonl", examples)
  training_set = seqio_tasks.register_training_set(
      "validated_training_set", tmp_path, vocabulary=vocabularies.minirepair_vocabulary()
  )
  one = native.NativeEngine(
      network=transformer.TransformerConfig(vocab_size=1280), write_summaries=False,
      compilation_cache=str(tmp_path / "compiled"),
  )
  greedy = engine.Sampling(temperature=0, max_prompt_length=512, max_completion_length=160)
  tuning = engine.Tuning(
      optimizer=optax.adamw, learning_rate=1e-5, num_epochs=1,
      validation=engine.Validation(task="minirepair_trace", num_examples=NUM_DEV - 1, sampling=greedy),
  )
  checkpoint, found = one.finetune(
      task=training_set, checkpoint=base_models.minirepair_1m(), directory=tmp_path / "tuned", tuning=tuning, seed=0
  )
  registration = seqio_tasks.registration("minirepair_trace")
  chunks = one.sample(
      task="minirepair_trace", split="dev", checkpoint=checkpoint, num_samples=1, sampling=greedy, seed=0
  )
  fixes = {
      sample.task_id: dataclasses.asdict(sample_lib.parse(sample, registration.prompt))
      for chunk in chunks
      for sample in chunk
  }
  dev = registration.read("dev")[: NUM_DEV - 1]
  expected = metrics_lib.PassAt1()([metrics_lib.problem(task) for task in dev], [fixes[task.task_id] for task in dev])
  assert {name: found[f"validation_{name}"] for name in expected} == expected
  assert math.isfinite(found["loss"])
