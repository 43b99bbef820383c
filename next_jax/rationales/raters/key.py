"""The key of a study: which model, task and sample each opaque id of its pages stands for."""

import dataclasses
import os
from typing import ClassVar

from etils import epath

from next_jax import files
from next_jax import schema

FILE_NAME = "key.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item(schema.Record):
  """What one screen of a page asks about.

  Attributes:
    item: Opaque id, the only field that a page shows.
    model: Evaluation, such as "iteration_03/evaluate/dev".
  """

  record_name: ClassVar[str] = "rated item"
  item: str
  model: str
  task_id: str
  sample_index: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Key(schema.Record):
  """Kept from the raters until their answers are in.

  Attributes:
    study: Digest of all rated samples; pages and answers carry it.
    built: Time at which the pages were made, ISO 8601, UTC.
    seed: Seed that draws tasks, samples, ids and orders.
    num_raters: Number of pages.
    models: Evaluations in the order of the command line.
  """

  record_name: ClassVar[str] = "rater key"
  study: str
  built: str
  seed: int
  num_raters: int
  models: tuple[str, ...]
  items: tuple[Item, ...]


def read(path: epath.PathLike) -> Key:
  """Raises FileError, with the file and the JSON key at fault."""
  try:
    return Key.from_json(files.read_json(path))
  except schema.RecordError as error:
    raise files.FileError(
        f"{os.fspath(path)}: {error}; expected the {FILE_NAME} that `next-jax rate make` wrote"
    ) from None
