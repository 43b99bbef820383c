"""Imported models of every family, and what `transformers` computes for them."""

import dataclasses
import functools
import pathlib
from typing import Any

from etils import epath
import numpy as np
import random_models

from next_jax.engines import checkpoints
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import streaming
from next_jax.models import transformer
from next_jax.models.open_weights import families
from next_jax.models.open_weights import importing
from next_jax.models.open_weights import tensors

REFERENCES = np.load(pathlib.Path(__file__).parent / "references.npz")
COLUMNS = slice(0, None, 5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
  """An imported model, and the tokens of its reference."""

  family: str
  source: pathlib.Path
  directory: epath.Path
  network: transformer.TransformerConfig

  @property
  def tokens(self) -> np.ndarray:
    """`[1, length]` as the network reads them: what stands at position 0 is the network's own business."""
    return np.array([[0, *random_models.prompt(self.family)]], np.int32)

  @property
  def logits(self) -> np.ndarray:
    """`[length, columns]` of the reference."""
    return REFERENCES[f"{self.family}/logits"]

  @property
  def greedy(self) -> list[int]:
    return REFERENCES[f"{self.family}/greedy"].tolist()

  def params(self, network: transformer.TransformerConfig | None = None) -> Any:
    layout = sharding.Layout.over_all_devices()
    template = parameters.abstract(transformer.Transformer(network or self.network), layout)
    return checkpoints.restore(self.directory / importing.CHECKPOINT, template)[1]


def opened(family: str, source: pathlib.Path, directory: epath.PathLike) -> Model:
  """A model that was imported before."""
  network = dataclasses.replace(
      families.network_of(random_models.config(family)), start_id=random_models.START
  )
  return Model(family=family, source=source, directory=epath.Path(directory), network=network)


@functools.cache
def make(family: str, directory: pathlib.Path) -> Model:
  network = families.network_of(random_models.config(family))
  shapes = {tensor.name: tensor.shape for tensor in tensors.of_network(network)}
  source = random_models.write(family, shapes, directory / family / "source")
  imported = importing.import_model(str(source), directory / family / "imported", save=streaming.save)
  return Model(family=family, source=source, directory=imported.directory, network=imported.network)
