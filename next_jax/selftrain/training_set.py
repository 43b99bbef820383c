"""The examples that a model is tuned on, in a file whose origin is known."""

import dataclasses

from etils import epath


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSet:
  """What `finetune` takes.

  Attributes:
    path: JSONL file of `Example`.
    count: Number of examples in it.
    fingerprint: Fingerprint of the stage that wrote it.
  """

  path: epath.Path
  count: int
  fingerprint: str
