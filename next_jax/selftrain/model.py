"""A checkpoint that the run samples from, tunes or measures."""

import dataclasses

from etils import epath


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
  """A checkpoint with a name in the work directory.

  Attributes:
    name: Directory below the work directory: "base", "iteration_01", "control_unfiltered_01".
    checkpoint: The directory `checkpoint_N`.
    fingerprint: Hash of how the checkpoint was made.
    shots: Number of exemplars in its prompts, in place of the task's own number; None keeps that. A tuned model is
      prompted zero-shot, as docs/method.md has it.
  """

  name: str
  checkpoint: epath.PathLike
  fingerprint: str
  shots: int | None = 0
