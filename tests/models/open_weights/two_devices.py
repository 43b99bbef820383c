"""Run by test_parity.py: greedy samples of every family, its heads and MLP split over two devices."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import imported_models
import random_models
import test_parity

from next_jax.engines import checkpoints
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.models import transformer
from next_jax.models.open_weights import importing


def main(directory: pathlib.Path) -> None:
  layout = sharding.Layout.over_all_devices(model_parallelism=2)
  found = {}
  for family in random_models.CONFIGS:
    made = directory / family
    model = imported_models.opened(family, made / "source", made / "imported")
    template = parameters.abstract(transformer.Transformer(model.network), layout)
    params = checkpoints.restore(model.directory / importing.CHECKPOINT, template)[1]
    found[family] = test_parity.greedy(model.network, params, model.tokens[0, 1:], layout)
  print(json.dumps(found))


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]))
