"""The presets of gin_configs/models have the sizes that their headers say, and take a step of training."""

import pathlib
import re

import gin
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from next_jax.engines.native import optimizers
from next_jax.engines.native import sharding
from next_jax.engines.native import trainer
from next_jax.models import transformer

PRESETS = pathlib.Path(__file__).parents[2] / "gin_configs/models"
SIZES = {"minirepair_1m": 1_115_264, "open_135m": 134_515_008, "open_1b": 1_235_814_400}


@pytest.fixture(params=sorted(SIZES))
def preset(request):
  """(name, network) of a file in gin_configs/models."""
  gin.clear_config()
  gin.parse_config_file(str(PRESETS / f"{request.param}.gin"))
  yield request.param, gin.get_configurable(transformer.TransformerConfig)()
  gin.clear_config()


def test_every_preset_is_tested():
  assert {path.stem for path in PRESETS.glob("*.gin")} == set(SIZES)


def test_a_preset_has_the_size_that_its_header_says(preset):
  name, network = preset
  shapes = trainer.boxed_shapes(transformer.Transformer(network))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == SIZES[name]
  header = (PRESETS / f"{name}.gin").read_text().splitlines()[0]
  number, scale = re.search(r"(one|[\d.]+) (million|billion) parameters", header).groups()
  said = (1.0 if number == "one" else float(number)) * {"million": 1e6, "billion": 1e9}[scale]
  assert said == pytest.approx(SIZES[name], rel=0.15 if number == "one" else 1e-3)


def test_a_preset_takes_a_step_of_training(preset):
  """Traced by its shapes; nothing is computed."""
  _, network = preset
  layout = sharding.Layout.over_all_devices()
  params = trainer.abstract_parameters(transformer.Transformer(network), layout)
  batch = {
      name: jax.ShapeDtypeStruct((1, 8, 1024), jnp.int32)
      for name in (
          "decoder_input_tokens", "decoder_target_tokens", "decoder_segment_ids", "decoder_positions",
          "decoder_causal_attention", "decoder_loss_weights",
      )
  }  # fmt: skip
  functions = trainer.Trainer(network=network, layout=layout)._functions(optimizers.muon)
  with layout.active():
    new_params, new_state, loss, _ = jax.eval_shape(
        functions.step, params, functions.opt_state, np.float32(0), np.int32(0), np.float32(0.1), np.uint32(0), batch
    )
  assert jax.tree.map(jnp.shape, new_params) == jax.tree.map(jnp.shape, params)
  moments = sum(leaf.size for leaf in jax.tree.leaves(new_state))
  assert SIZES["minirepair_1m"] <= moments < 2.1 * sum(leaf.size for leaf in jax.tree.leaves(params))
  assert loss.shape == ()
