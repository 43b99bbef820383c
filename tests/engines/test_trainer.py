"""A training can be killed, split and sharded without changing what comes out."""

import dataclasses
import functools
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

from next_jax.engines import engine
from next_jax.engines.native import checkpoints
from next_jax.engines.native import optimizers
from next_jax.engines.native import sharding
from next_jax.engines.native import trainer
from next_jax.models import transformer


@pytest.fixture(scope="module")
def short(tuning):
  return dataclasses.replace(tuning, num_epochs=10, save_every=4)


def parameters(checkpoint, network):
  template = trainer.abstract_parameters(transformer.Transformer(network), sharding.Layout.over_all_devices())
  return checkpoints.restore(checkpoint, template)[1]


def assert_same(left, right, network, **tolerance):
  for (path, a), b in zip(
      jax.tree_util.tree_leaves_with_path(parameters(left, network)), jax.tree.leaves(parameters(right, network))
  ):
    compare = np.testing.assert_allclose if tolerance else np.testing.assert_array_equal
    compare(a, b, err_msg=jax.tree_util.keystr(path), **tolerance)


class DyingOptimizer:
  """Adam with momentum that dies, as a killed process would, at its `die_at`-th step."""

  def __init__(self, die_at=None):
    self.die_at = die_at
    self.steps = 0

  def __call__(self, learning_rate):
    inner = optax.adam(learning_rate)

    def count(zero):
      self.steps += 1
      if self.steps == self.die_at:
        raise RuntimeError("killed")
      return np.asarray(zero)

    def update(gradients, state, params=None):
      zero = jax.pure_callback(count, jax.ShapeDtypeStruct((), jnp.float32), jnp.sum(gradients["final_norm"]["scale"]) * 0)
      return inner.update(jax.tree.map(lambda leaf: leaf + zero, gradients), state, params)

    return optax.GradientTransformation(inner.init, update)


def test_a_killed_training_goes_on_to_the_same_bits(tiny_engine, task, short, network, tmp_path):
  adam = dataclasses.replace(short, learning_rate=1e-2)
  arguments = {"task": task, "checkpoint": None, "seed": 3}
  whole, metrics = tiny_engine.finetune(
      directory=tmp_path / "whole", tuning=dataclasses.replace(adam, optimizer=DyingOptimizer()), **arguments
  )
  killed = dataclasses.replace(adam, optimizer=DyingOptimizer(die_at=11))
  with pytest.raises(Exception, match="killed"):
    tiny_engine.finetune(directory=tmp_path / "killed", tuning=killed, **arguments)
  assert checkpoints.steps(tmp_path / "killed") == [4, 8]
  (tmp_path / "killed" / "checkpoint_12.partial").mkdir()  # As a kill in the midst of saving leaves it.
  again = DyingOptimizer()
  resumed, resumed_metrics = tiny_engine.finetune(
      directory=tmp_path / "killed", tuning=dataclasses.replace(adam, optimizer=again), **arguments
  )
  assert again.steps == metrics["steps"] - 8
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
  with pytest.raises(engine.CheckpointError, match="found step .* in a training of 3 steps"):
    tiny_engine.finetune(
        task=task, checkpoint=None, directory=memorised[0].parent, seed=0,
        tuning=dataclasses.replace(tuning, num_epochs=1),
    )  # fmt: skip


def test_accumulated_micro_batches_take_the_step_of_the_whole_batch(make_engine, task, short, network, tmp_path):
  adam = dataclasses.replace(short, optimizer=optax.sgd, learning_rate=0.1, num_epochs=4, batch_size=4)
  finals = []
  for name, at_once, accumulation in (("whole", 10_000, 1), ("asked", 10_000, 2), ("limited", 64, 1)):
    final, _ = make_engine(tokens_at_once=at_once).finetune(
        task=task, checkpoint=None, directory=tmp_path / name, seed=0,
        tuning=dataclasses.replace(adam, accumulation=accumulation),
    )  # fmt: skip
    finals.append(final)
  assert_same(finals[1], finals[0], network, atol=1e-5)
  assert_same(finals[2], finals[0], network, atol=1e-5)


def test_tuning_starts_from_the_checkpoint_with_a_fresh_optimiser(tiny_engine, task, short, memorised, network, tmp_path):
  still = dataclasses.replace(short, learning_rate=0.0, num_epochs=1)
  final, _ = tiny_engine.finetune(task=task, checkpoint=memorised[0], directory=tmp_path, tuning=still, seed=0)
  assert final.name == "checkpoint_3"
  assert_same(final, memorised[0], network)


def test_seeds_make_different_networks(tiny_engine, task, short, network, tmp_path):
  brief = dataclasses.replace(short, num_epochs=1)
  one, two = (
      tiny_engine.finetune(task=task, checkpoint=None, directory=tmp_path / str(seed), tuning=brief, seed=seed)[0]
      for seed in (1, 2)
  )
  with pytest.raises(AssertionError):
    assert_same(one, two, network)


@pytest.mark.parametrize("optimizer", [optax.adamw, optax.adafactor, functools.partial(optax.sgd, momentum=0.9)])
def test_any_optax_optimiser_can_be_saved_and_resumed(optimizer, tiny_engine, task, short, network, tmp_path):
  settings = dataclasses.replace(short, optimizer=optimizer, learning_rate=1e-2, num_epochs=3, save_every=2)
  arguments = {"task": task, "checkpoint": None, "seed": 0}
  whole, _ = tiny_engine.finetune(directory=tmp_path / "whole", tuning=settings, **arguments)
  # The state that a run killed after step 4 leaves: the same run without what came later.
  kept = dataclasses.replace(tiny_engine, keep_optimizer_state=True)
  _, params, opt_state = _state_after(kept, task, settings, network, tmp_path / "kept")
  checkpoints.save(tmp_path / "resumed", 4, params, opt_state, {"tokens": 0, "loss_average": 0.0})
  assert checkpoints.steps(tmp_path / "resumed") == [4]
  resumed, _ = tiny_engine.finetune(directory=tmp_path / "resumed", tuning=settings, **arguments)
  assert resumed.name == whole.name
  assert jax.tree.structure(parameters(resumed, network)) == jax.tree.structure(parameters(whole, network))


def _state_after(an_engine, task, settings, network, directory):
  final, _ = an_engine.finetune(task=task, checkpoint=None, directory=directory, tuning=settings, seed=0)
  params = trainer.abstract_parameters(transformer.Transformer(network), an_engine.layout)
  schedule = optimizers.schedule(peak=1.0, num_steps=9, warmup_fraction=0.05, decay_fraction=0.5)
  state = jax.eval_shape(settings.optimizer(learning_rate=schedule).init, params)
  replicated = an_engine.layout.replicated()
  state = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated), state)
  return checkpoints.restore(final, params, state)


def test_a_loss_that_is_not_finite_ends_the_training(tiny_engine, task, short, tmp_path):
  wild = dataclasses.replace(short, optimizer=optax.sgd, learning_rate=1e30, warmup_fraction=0.0)
  with pytest.raises(trainer.TrainingError, match="the loss is"):
    tiny_engine.finetune(task=task, checkpoint=None, directory=tmp_path, tuning=wild, seed=0)


def test_settings_that_cannot_be_used_are_named(tiny_engine, task, short, tmp_path):
  arguments = {"task": task, "checkpoint": None, "directory": tmp_path, "seed": 0}
  with pytest.raises(trainer.TrainingError, match="accumulation: found 3, expected a divisor of batch_size=2"):
    tiny_engine.finetune(tuning=dataclasses.replace(short, accumulation=3), **arguments)
  with pytest.raises(trainer.TrainingError, match="num_epochs: found 0"):
    tiny_engine.finetune(tuning=dataclasses.replace(short, num_epochs=0), **arguments)


def test_four_devices_share_the_parameters_and_train_the_same(tiny_engine, task, tuning, memorised, network, tmp_path):
  script = pathlib.Path(__file__).with_name("four_devices.py")
  environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
  process = subprocess.run(
      [sys.executable, str(script), str(memorised[0]), str(tmp_path)],
      env=environment, capture_output=True, text=True, check=False,
  )  # fmt: skip
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
  }  # fmt: skip
  assert found["completions"] == sampled
