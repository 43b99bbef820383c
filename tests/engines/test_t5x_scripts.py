"""T5X's own scripts work on what we ship; skipped where T5X is not installed."""

import json
import math
import os
import pathlib
import subprocess
import sys

import pytest

from next_jax import files
from next_jax import schema
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair
from next_jax.engines import engine
from next_jax.engines.native import native
from next_jax.models import base_models
from next_jax.models import transformer
from next_jax.prompts import training_example

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpus_dir(tmp_path_factory):
  """A directory with a few tasks of MiniRepair, from which SeqIO's tasks read."""
  path = tmp_path_factory.mktemp("corpora")
  minirepair.MiniRepair(num_train=2, num_dev=4, num_unseen=1).build(path / "minirepair")
  data_dir.set_data_dir(path)
  yield path
  data_dir.set_data_dir(None)


@pytest.fixture
def run_script(corpus_dir):
  """`run_script("infer", *files, NAME=value, ...)` runs `python -m t5x.infer` with our files and these macros."""
  try:
    import next_jax.engines.t5x  # noqa: F401
  except ImportError as error:
    pytest.skip(str(error))

  def run(script, *files, **macros):
    config = "finetune.gin" if script == "train" else f"{script}.gin"
    arguments = [sys.executable, "-m", f"t5x.{script}", "--gin_search_paths=."]
    arguments += [f"--gin_file=gin_configs/t5x/{name}" for name in (config, *files)]
    arguments += [f"--gin.{name}={value!r}" for name, value in macros.items()]
    environment = {**os.environ, data_dir.ENVIRONMENT_VARIABLE: str(corpus_dir), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

  return run


@pytest.mark.slow
def test_infer_gives_the_native_engines_greedy_completions(run_script, tmp_path):
  checkpoint = base_models.minirepair_1m()
  run_script("infer", CHECKPOINT_PATH=os.path.abspath(checkpoint), INFER_OUTPUT_DIR=str(tmp_path))
  (written,) = tmp_path.glob("*-00000-of-00001")
  rows = [json.loads(line) for line in written.read_text().splitlines()]
  import tasks.minirepair  # noqa: F401  (registers the task)

  ours = native.NativeEngine(network=transformer.TransformerConfig(vocab_size=1280), compilation_cache=None)
  sampling = engine.Sampling(temperature=0, max_prompt_length=512, max_completion_length=160)
  chunks = ours.sample(
      task="minirepair_trace", split="dev", checkpoint=checkpoint, num_samples=1, sampling=sampling, seed=0
  )
  samples = sorted((sample for chunk in chunks for sample in chunk), key=lambda sample: sample.completion)
  rows.sort(key=lambda row: row["prediction"])
  assert [row["prediction"].strip() for row in rows] == [sample.completion.strip() for sample in samples]
  for row, sample in zip(rows, samples, strict=True):
    assert row["aux"]["scores"] == pytest.approx(sample.log_probability, abs=1e-3)


@pytest.fixture
def training_set(corpus_dir, tmp_path):
  """A directory as the stage `filter` leaves it, with two examples."""
  tasks = files.read_jsonl(corpus_dir / "minirepair" / "train.jsonl", schema.RepairTask)
  targets = " is what it should not be"
  examples = [training_example.Example(task_id=task.task_id, inputs=task.buggy_code, targets=targets) for task in tasks]
  files.write_jsonl(tmp_path / "kept.jsonl", examples)
  return str(tmp_path)


def evaluations(directory):
  """What SeqIO's evaluator has written of our metrics, in order."""
  path = directory / "inference_eval" / "minirepair_trace-metrics.jsonl"
  return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_train_tunes_from_the_base_and_eval_judges_what_came_of_it(run_script, training_set, tmp_path):
  run_script(
      "train", INITIAL_CHECKPOINT_PATH=os.path.abspath(base_models.minirepair_1m()), TRAINING_SET=training_set,
      MODEL_DIR=str(tmp_path / "model"), TRAIN_STEPS=2, EVAL_PERIOD=2, **{"utils.SaveCheckpointConfig.period": 2},
  )
  (trained,) = evaluations(tmp_path / "model")
  assert trained["step"] == 2
  run_script("eval", CHECKPOINT_PATH=str(tmp_path / "model" / "checkpoint_2"), EVAL_OUTPUT_DIR=str(tmp_path / "eval"))
  (judged,) = evaluations(tmp_path / "eval")
  assert judged["pass_at_1"] == trained["pass_at_1"]


@pytest.mark.slow
def test_an_encoder_decoder_is_tuned_evaluated_and_asked_on_our_tasks(run_script, training_set, tmp_path):
  model = tmp_path / "model"
  run_script(
      "train", "t5_1_1_tiny.gin", TRAINING_SET=training_set, MODEL_DIR=str(model), TRAIN_STEPS=2, EVAL_PERIOD=1,
      **{"utils.SaveCheckpointConfig.period": 1},
  )
  trained = evaluations(model)
  assert [metrics["step"] for metrics in trained] == [1, 2]  # Both are kept, for the choice on dev.
  assert all((model / f"checkpoint_{step}" / "state").is_dir() for step in (1, 2))
  for part in ("train", "inference_eval/minirepair_trace"):
    assert list((model / part).glob("events.out.tfevents.*"))
  last = str(model / "checkpoint_2")
  run_script("infer", "t5_1_1_tiny.gin", CHECKPOINT_PATH=last, INFER_OUTPUT_DIR=str(tmp_path / "infer"))
  (written,) = (tmp_path / "infer").glob("*-00000-of-00001")
  rows = [json.loads(line) for line in written.read_text().splitlines()]
  assert len(rows) == 4
  assert all(math.isfinite(row["aux"]["scores"]) and row["aux"]["scores"] < 0 for row in rows)
  run_script("eval", "t5_1_1_tiny.gin", CHECKPOINT_PATH=last, EVAL_OUTPUT_DIR=str(tmp_path / "eval"))
  (judged,) = evaluations(tmp_path / "eval")
  assert {name: judged[name] for name in ("pass_at_1", "refused")} == {
      name: trained[1][name] for name in ("pass_at_1", "refused")
  }
