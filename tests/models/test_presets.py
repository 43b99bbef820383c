"""The presets of gin_configs/models have the sizes that their headers say, and take a step of training."""

import math
import pathlib
import re

import gin
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from next_jax.engines import optimizers
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines.native import native
from next_jax.engines.native import trainer
from next_jax.models import transformer

CONFIGS = pathlib.Path(__file__).parents[2] / "gin_configs"
PRESETS = CONFIGS / "models"
SIZES = {"minirepair_1m": 1_115_264, "open_135m": 134_515_008, "open_1b": 1_235_814_400}


@pytest.fixture
def read():
  """`read(name)`: the network of a file in gin_configs/models."""

  def network(name):
    gin.parse_config_file(str(PRESETS / f"{name}.gin"))
    return gin.get_configurable(transformer.TransformerConfig)()

  gin.clear_config()
  yield network
  gin.clear_config()


@pytest.fixture(params=sorted(SIZES))
def preset(request, read):
  """(name, network)."""
  return request.param, read(request.param)


def test_every_preset_is_tested():
  assert {path.stem for path in PRESETS.glob("*.gin")} == set(SIZES)


def test_a_preset_has_the_size_that_its_header_says(preset):
  name, network = preset
  shapes = parameters.boxed_shapes(transformer.Transformer(network))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == SIZES[name]
  header = (PRESETS / f"{name}.gin").read_text().splitlines()[0]
  number, scale = re.search(r"(one|[\d.]+) (million|billion) parameters", header).groups()
  said = (1.0 if number == "one" else float(number)) * {"million": 1e6, "billion": 1e9}[scale]
  assert said == pytest.approx(SIZES[name], rel=0.15 if number == "one" else 1e-3)


def test_a_preset_takes_a_step_of_training(preset):
  """Traced by its shapes; nothing is computed."""
  _, network = preset
  layout = sharding.Layout.over_all_devices()
  params = parameters.abstract(transformer.Transformer(network), layout)
  batch = {
      name: jax.ShapeDtypeStruct((1, 8, 1024), jnp.int32)
      for name in (
          "decoder_input_tokens", "decoder_target_tokens", "decoder_segment_ids", "decoder_positions",
          "decoder_causal_attention", "decoder_loss_weights",
      )
  }
  functions = trainer.Trainer(network=network, layout=layout)._functions(optimizers.muon, None)
  with layout.active():
    new_params, new_state, loss, _ = jax.eval_shape(
        functions.step, params, functions.opt_state, None, np.float32(0), np.int32(0), np.float32(0.1), np.uint32(0),
        batch,
    )
  assert jax.tree.map(jnp.shape, new_params) == jax.tree.map(jnp.shape, params)
  moments = sum(leaf.size for leaf in jax.tree.leaves(new_state))
  assert SIZES["minirepair_1m"] <= moments < 2.1 * sum(leaf.size for leaf in jax.tree.leaves(params))
  assert loss.shape == ()


@pytest.mark.parametrize("name, mesh", [("open_135m", (8, 1)), ("open_1b", (4, 2))])
def test_fully_sharded_each_of_eight_devices_has_an_eighth(read, name, mesh):
  """Nine query heads and three key heads divide over no two devices: the smaller one is split over data alone."""
  network = read(name)
  gin.parse_config_file(str(CONFIGS / "engines/fsdp.gin"))
  rules = gin.get_configurable(native.NativeEngine)(network=network, compilation_cache=None).axis_rules
  layout = sharding.Layout(
      mesh=jax.sharding.AbstractMesh(mesh, ("data", "model")), rules=tuple(map(tuple, rules))
  )
  params = jax.tree.leaves(parameters.abstract(transformer.Transformer(network), layout))
  on_device = sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) for leaf in params)
  assert on_device == pytest.approx(SIZES[name] / 8, rel=1e-3)  # Norms are whole along "model".
