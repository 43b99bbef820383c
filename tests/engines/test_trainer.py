"""A training can be killed, split and sharded without changing what comes out."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from etils import epath
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import engine
from next_jax.engines import optimizers
from next_jax.engines import parameters as parameters_lib
from next_jax.engines import sharding
from next_jax.models import transformer


@pytest.fixture(scope="module")
def short(tuning):
  return dataclasses.replace(tuning, num_epochs=10, save_every=4)


def parameters(checkpoint, network):
  template = parameters_lib.abstract(transformer.Transformer(network), sharding.Layout.over_all_devices())
  return checkpoints.restore(checkpoint, template)[1]


def assert_same(left, right, network, **tolerance):
  for (path, a), b in zip(
      jax.tree_util.tree_leaves_with_path(parameters(left, network)), jax.tree.leaves(parameters(right, network))
  ):
    compare = np.testing.assert_allclose if tolerance else np.testing.assert_array_equal
    compare(a, b, err_msg=jax.tree_util.keystr(path), **tolerance)


class DyingOptimizer:
  """An optimiser that dies, as a killed process would, at its `die_at`-th step."""

  def __init__(self, optimizer, die_at=None):
    self.optimizer = optimizer
    self.die_at = die_at
    self.steps = 0

  def __call__(self, learning_rate):
    inner = self.optimizer(learning_rate)

    def count(zero):
      self.steps += 1
      if self.steps == self.die_at:
        raise RuntimeError("killed")
      return np.asarray(zero)

    def update(gradients, state, params=None):
      zero = jnp.sum(gradients["final_norm"]["scale"]) * 0
      zero = jax.pure_callback(count, jax.ShapeDtypeStruct((), jnp.float32), zero)
      return inner.update(jax.tree.map(lambda leaf: leaf + zero, gradients), state, params)

    return optax.GradientTransformation(inner.init, update)


@pytest.mark.parametrize("optimizer", [pytest.param(optimizers.muon, marks=pytest.mark.slow), optax.adafactor])
def test_a_killed_training_goes_on_to_the_same_bits(optimizer, tiny_engine, task, short, network, tmp_path):
  def finetune(name, die_at=None):
    dying = DyingOptimizer(optimizer, die_at)
    final, metrics = tiny_engine.finetune(
        task=task, checkpoint=None, directory=tmp_path / name, seed=3,
        tuning=dataclasses.replace(short, learning_rate=1e-2, optimizer=dying),
    )
    return final, metrics, dying.steps

  whole, metrics, steps = finetune("whole")
  with pytest.raises(Exception, match="killed"):
    finetune("killed", die_at=11)
  assert checkpoints.steps(tmp_path / "killed") == [8]  # And not 4: the newest is enough to go on from.
  (tmp_path / "killed" / "checkpoint_12.partial").mkdir()  # As a kill in the midst of saving leaves it.
  resumed, resumed_metrics, resumed_steps = finetune("killed")
  assert resumed_steps == steps - 8
  assert resumed_metrics == metrics
  assert_same(resumed, whole, network)
  assert [path.name for path in epath.Path(tmp_path / "killed").iterdir()] == [whole.name]


def test_a_finished_training_is_not_done_again(tiny_engine, task, tuning, memorised):
  checkpoint, metrics = memorised
  before = {path: path.stat().st_mtime_ns for path in pathlib.Path(checkpoint).rglob("*")}
  again = tiny_engine.finetune(
      task=task, checkpoint=None, directory=checkpoint.parent, tuning=tuning, seed=0
  )
  assert again == (checkpoint, metrics)
  assert {path: path.stat().st_mtime_ns for path in pathlib.Path(checkpoint).rglob("*")} == before


def test_a_directory_with_a_longer_training_is_refused(tiny_engine, task, tuning, memorised):
  with pytest.raises(engine.CheckpointError, match="found step .* in a training of 2 steps"):
    tiny_engine.finetune(
        task=task, checkpoint=None, directory=memorised[0].parent, seed=0,
        tuning=dataclasses.replace(tuning, num_epochs=1),
    )


def test_accumulated_micro_batches_take_the_step_of_the_whole_batch(make_engine, task, short, network, tmp_path):
  adam = dataclasses.replace(short, optimizer=optax.sgd, learning_rate=0.1, num_epochs=4, batch_size=4)
  finals = []
  for name, at_once, accumulation in (("whole", 10_000, 1), ("asked", 10_000, 2), ("limited", 64, 1)):
    final, _ = make_engine(tokens_at_once=at_once).finetune(
        task=task, checkpoint=None, directory=tmp_path / name, seed=0,
        tuning=dataclasses.replace(adam, accumulation=accumulation),
    )
    finals.append(final)
  assert_same(finals[1], finals[0], network, atol=1e-5)
  assert_same(finals[2], finals[0], network, atol=1e-5)


def test_tuning_starts_from_the_checkpoint(tiny_engine, task, short, memorised, network, tmp_path):
  still = dataclasses.replace(short, learning_rate=0.0, num_epochs=1)
  final, _ = tiny_engine.finetune(task=task, checkpoint=memorised[0], directory=tmp_path, tuning=still, seed=0)
  assert final.name == "checkpoint_2"
  assert_same(final, memorised[0], network)


def test_seeds_make_different_networks(tiny_engine, task, short, network, tmp_path):
  brief = dataclasses.replace(short, num_epochs=1)
  one, two = (
      tiny_engine.finetune(task=task, checkpoint=None, directory=tmp_path / str(seed), tuning=brief, seed=seed)[0]
      for seed in (1, 2)
  )
  with pytest.raises(AssertionError):
    assert_same(one, two, network)


def test_a_loss_that_is_not_finite_ends_the_training(tiny_engine, task, short, tmp_path):
  wild = dataclasses.replace(short, optimizer=optax.sgd, learning_rate=1e30, warmup_fraction=0.0)
  with pytest.raises(errors.EngineError, match="the loss is"):
    tiny_engine.finetune(task=task, checkpoint=None, directory=tmp_path, tuning=wild, seed=0)


def test_settings_that_cannot_be_used_are_named(tiny_engine, make_engine, task, short, tmp_path):
  arguments = {"task": task, "checkpoint": None, "directory": tmp_path, "seed": 0}
  with pytest.raises(errors.EngineError, match="accumulation: found 3, expected a divisor of batch_size=2"):
    tiny_engine.finetune(tuning=dataclasses.replace(short, accumulation=3), **arguments)
  with pytest.raises(errors.EngineError, match="num_epochs: found 0"):
    tiny_engine.finetune(tuning=dataclasses.replace(short, num_epochs=0), **arguments)
  with pytest.raises(errors.EngineError, match="share_prompts and NativeEngine.bidirectional_prompts: found both"):
    make_engine(bidirectional_prompts=True).finetune(tuning=dataclasses.replace(short, share_prompts=True), **arguments)


@pytest.mark.slow
def test_four_devices_share_the_parameters_and_train_the_same(tiny_engine, task, tuning, memorised, network, tmp_path):
  script = pathlib.Path(__file__).with_name("four_devices.py")
  environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
  environment.pop("JAX_NUM_CPU_DEVICES", None)  # which commands of other tests may have set
  process = subprocess.run(
      [sys.executable, str(script), str(memorised[0]), str(tmp_path)],
      env=environment, capture_output=True, text=True, check=False,
  )
  assert process.returncode == 0, process.stderr[-3000:]
  found = json.loads(process.stdout.splitlines()[-1])
  assert found["mesh"] == {"data": 2, "model": 2}
  heads, head_dim = network.num_heads, network.head_dim
  assert found["shards"]["query"] == [network.embed_dim, heads // 2, head_dim]
  assert found["shards"]["down"] == [network.mlp_dim // 2, network.embed_dim]
  assert found["shards"]["momentum"] == found["shards"]["down"]
  # 259 tokens do not divide over 2 devices: kept whole.
  assert found["shards"]["embedding"] == [network.vocab_size, network.embed_dim]
  brief = dataclasses.replace(tuning, num_epochs=5)
  _, metrics = tiny_engine.finetune(task=task, checkpoint=None, directory=tmp_path / "one", tuning=brief, seed=0)
  assert found["loss"] == pytest.approx(metrics["loss"], rel=1e-3)
  sampled = {
      f"{sample.task_id}": sample.completion
      for chunk in tiny_engine.sample(
          task=task, split="dev", checkpoint=memorised[0], num_samples=1, seed=0,
          sampling=engine.Sampling(temperature=0, max_completion_length=40),
      )
      for sample in chunk
  }
  assert found["completions"] == sampled


def test_shared_prompts_give_the_step_that_each_example_with_its_own_gives(
    tiny_engine, same_prompts, short, network, tmp_path
):
  one_step = dataclasses.replace(
      short, num_epochs=1, batch_size=8, sequence_length=160, optimizer=lambda learning_rate: optax.sgd(0.1)
  )
  alone, alone_metrics = tiny_engine.finetune(
      task=same_prompts, checkpoint=None, directory=tmp_path / "alone", seed=0, tuning=one_step
  )
  shared, shared_metrics = tiny_engine.finetune(
      task=same_prompts, checkpoint=None, directory=tmp_path / "shared", seed=0,
      tuning=dataclasses.replace(one_step, share_prompts=True),
  )
  assert alone_metrics["steps"] == shared_metrics["steps"] == 1
  assert shared_metrics["loss"] == pytest.approx(alone_metrics["loss"], rel=1e-5)
  assert shared_metrics["tokens"] < 0.6 * alone_metrics["tokens"]
  assert_same(alone, shared, network, atol=1e-6)
