"""Muon takes orthogonal steps with matrices of layers; the schedule rises, stays and falls."""

from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from next_jax.engines import optimizers
from next_jax.models import transformer


@pytest.fixture(scope="module")
def params():
  config = transformer.TransformerConfig(
      vocab_size=20, embed_dim=16, num_layers=1, num_heads=4, num_kv_heads=2, head_dim=8, mlp_dim=24
  )
  model = transformer.Transformer(config)
  return nn.unbox(model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32), enable_dropout=False))["params"]


def test_every_kernel_inside_a_layer_is_a_matrix_from_what_it_sums_over(params):
  dimensions = traverse_util.flatten_dict(optimizers.matrix_dimensions(params), sep="/")
  assert {name: value for name, value in dimensions.items() if value is not None} == {
      "layers_0/attention/query/kernel": ((0,), (1, 2)),
      "layers_0/attention/key/kernel": ((0,), (1, 2)),
      "layers_0/attention/value/kernel": ((0,), (1, 2)),
      "layers_0/attention/out/kernel": ((0, 1), (2,)),
      "layers_0/mlp/gate/kernel": ((0,), (1,)),
      "layers_0/mlp/up/kernel": ((0,), (1,)),
      "layers_0/mlp/down/kernel": ((0,), (1,)),
  }


def test_a_step_of_muon_is_orthogonal_and_one_of_adam_has_equal_sizes(params):
  optimizer = optimizers.muon(0.1, adam_learning_rate_ratio=0.5)
  keys = iter(jax.random.split(jax.random.key(1), 100))
  gradients = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), params)
  updates, _ = jax.jit(optimizer.update)(gradients, optimizer.init(params), params)
  out = np.asarray(updates["layers_0"]["attention"]["out"]["kernel"]).reshape(32, 16)
  singular = np.linalg.svd(out, compute_uv=False)
  assert 0.05 < singular.min() and singular.max() < 0.13  # Newton-Schulz stops near 1.
  embedding = np.abs(np.asarray(updates["token_embedder"]["embedding"]))
  np.testing.assert_allclose(embedding, embedding[0, 0], rtol=1e-2)  # Whatever the gradients' sizes.
  assert 0.05 <= embedding[0, 0] < 0.08  # More than 0.05 by Nesterov's look ahead.


def test_muon_takes_schedules_and_numbers(params):
  gradients = jax.tree.map(jnp.ones_like, params)

  def first_step(learning_rate):
    optimizer = optimizers.muon(learning_rate, max_gradient_norm=None)
    return jax.jit(optimizer.update)(gradients, optimizer.init(params), params)[0]

  constant, scheduled = first_step(0.3), first_step(optax.constant_schedule(0.3))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), constant, scheduled)


def test_the_learning_rate_rises_stays_and_falls_to_nearly_zero():
  schedule = optimizers.schedule(peak=2.0, num_steps=100, warmup_fraction=0.1, decay_fraction=0.5)
  rates = np.array([float(schedule(step)) for step in range(100)])
  np.testing.assert_allclose(rates[:10], 2.0 * np.arange(1, 11) / 10, rtol=1e-6)
  np.testing.assert_allclose(rates[10:50], 2.0)
  np.testing.assert_allclose(rates[50:], 2.0 * np.arange(50, 0, -1) / 50, rtol=1e-6)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_a_training_of_a_step_or_two_still_learns(num_steps):
  schedule = optimizers.schedule(peak=1.0, num_steps=num_steps, warmup_fraction=0.05, decay_fraction=0.5)
  assert all(float(schedule(step)) > 0 for step in range(num_steps))
