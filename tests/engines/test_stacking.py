"""Scanned layers train, sample and restore as layers one by one do, and each from the checkpoints of the other."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from next_jax.engines import checkpoints
from next_jax.engines import engine
from next_jax.engines import optimizers
from next_jax.engines import parameters
from next_jax.engines import stacking
from next_jax.models import transformer

GREEDY = engine.Sampling(temperature=0, max_prompt_length=40, max_completion_length=40)


@pytest.fixture(scope="module")
def scanning(make_engine, network):
  return make_engine(network=dataclasses.replace(network, scan_layers=True), keep_optimizer_state=True)


@pytest.fixture(scope="module")
def plain(make_engine):
  return make_engine(keep_optimizer_state=True)


@pytest.fixture(scope="module")
def brief(tuning):
  return dataclasses.replace(tuning, num_epochs=4, save_every=2, keep_checkpoints=10)


@pytest.fixture(scope="module")
def trained(scanning, plain, task, brief, tmp_path_factory):
  """Last checkpoints of the same training, of layers scanned and one by one."""
  return [
      one.finetune(task=task, checkpoint=None, directory=tmp_path_factory.mktemp("trained"), tuning=brief, seed=0)[0]
      for one in (scanning, plain)
  ]


def restored(one, checkpoint):
  """Parameters and moments of a checkpoint, as the network of an engine has them."""
  params = parameters.abstract(transformer.Transformer(one.network), one.layout)
  return checkpoints.restore(checkpoint, params, one._trainer._functions(optax.adamw, None).opt_state)[1:]


def assert_close(found, expected, tolerance):
  for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, atol=tolerance, rtol=0, err_msg=jax.tree_util.keystr(path))


def test_a_scanned_network_trains_to_the_same_parameters_and_moments(trained, scanning, plain):
  of_scanning, of_plain = trained
  assert "layers" in restored(scanning, of_scanning)[0]
  for one in (scanning, plain):
    assert_close(restored(one, of_scanning), restored(one, of_plain), 1e-5)


def test_what_was_restored_into_a_stack_comes_out_of_it_unchanged(trained, scanning, plain, tmp_path):
  _, of_plain = trained
  params, state = restored(scanning, of_plain)
  saved = checkpoints.save(tmp_path, 1, params, state, {})
  assert_close(restored(plain, saved), restored(plain, of_plain), 0)
  layer = restored(plain, of_plain)[0]["layers_1"]["mlp"]["down"]["kernel"]
  np.testing.assert_array_equal(params["layers"]["mlp"]["down"]["kernel"][1], layer)


def test_a_scanned_network_samples_and_scores_what_the_other_does(scanning, tiny_engine, task, memorised, pairs):
  found = [
      sample
      for chunk in scanning.sample(
          task=task, split="dev", checkpoint=memorised[0], num_samples=1, sampling=GREEDY, seed=0
      )
      for sample in chunk
  ]
  assert {sample.completion for sample in found} == {target for _, target in pairs}
  scores = [list(one.score(task=task, split="dev", checkpoint=memorised[0])) for one in (scanning, tiny_engine)]
  assert scores[0] == scores[1]


def test_a_training_begun_one_by_one_is_ended_scanned(trained, scanning, plain, task, brief, tmp_path):
  _, whole = trained
  half = whole.with_name("checkpoint_2")
  checkpoints.save(tmp_path, 2, *restored(plain, half), checkpoints.metrics(half))
  ended, _ = scanning.finetune(task=task, checkpoint=None, directory=tmp_path, tuning=brief, seed=0)
  assert ended.name == whole.name
  assert_close(restored(plain, ended), restored(plain, whole), 1e-5)


def test_a_checkpoint_of_more_layers_is_refused_in_both_forms(trained, network, make_engine):
  for checkpoint in trained:
    for scan_layers in (True, False):
      fewer = make_engine(network=dataclasses.replace(network, num_layers=1, scan_layers=scan_layers))
      template = parameters.abstract(transformer.Transformer(fewer.network), fewer.layout)
      with pytest.raises(engine.CheckpointError, match="not a checkpoint of this network"):
        checkpoints.restore(checkpoint, template)


def test_muon_takes_each_layer_of_a_stack_as_a_matrix_of_its_own(network):
  params = parameters.boxed_shapes(transformer.Transformer(network))
  keys = iter(jax.random.split(jax.random.key(0), 100))
  params = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), transformer.nn.unbox(params))
  optimizer = optimizers.muon(0.1)

  @jax.jit
  def updates(gradients):
    return optimizer.update(gradients, optimizer.init(gradients), gradients)[0]

  expected = stacking.stack(updates(params))
  assert_close(updates(stacking.stack(params)), {name: expected[name] for name in sorted(expected)}, 1e-5)
