"""A training example: the text a model sees and the text it should write."""

import dataclasses
from typing import ClassVar

from next_jax import schema


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example(schema.Record):
  record_name: ClassVar[str] = "example"
  task_id: str
  inputs: str
  targets: str
