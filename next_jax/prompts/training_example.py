"""A training example: the text a model sees and the text it should write."""

import dataclasses
from typing import ClassVar

from next_jax import schema


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example(schema.Record):
  """One example to tune on.

  Attributes:
    task_id: Task that the example is about.
    inputs: The prompt.
    targets: The completion, without end-of-sequence.
  """

  record_name: ClassVar[str] = "example"
  task_id: str
  inputs: str
  targets: str
