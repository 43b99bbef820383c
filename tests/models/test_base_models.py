"""The base model that comes with the package is small and fits its configuration and vocabulary."""

import pathlib

from next_jax.engines import checkpoints
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.models import base_models
from next_jax.models import transformer
from next_jax.models import vocabularies


def test_all_that_is_shipped_is_under_10_megabytes():
  shipped = pathlib.Path(base_models.minirepair_1m()).parents[1]
  assert sum(path.stat().st_size for path in shipped.rglob("*") if path.is_file()) < 10e6


def test_the_shipped_checkpoint_is_of_the_network_with_a_row_for_each_token():
  network = transformer.TransformerConfig(vocab_size=1280)  # gin_configs/models/minirepair_1m.gin
  template = parameters.abstract(transformer.Transformer(network), sharding.Layout.over_all_devices())
  step, _, _ = checkpoints.restore(base_models.minirepair_1m(), template)
  assert base_models.minirepair_1m().name == f"checkpoint_{step}"
  assert vocabularies.minirepair_vocabulary().vocab_size <= network.vocab_size
