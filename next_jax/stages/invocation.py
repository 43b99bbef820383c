"""How a run was started: facts that its stages need but that change no result."""

from collections.abc import Sequence
import dataclasses
import os

from etils import epath

from next_jax import errors
from next_jax.stages import settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Invocation:
  """What only the command line knows.

  Raises StageError if a work directory does not exist.

  Attributes:
    reuse: Work directories of other runs. A stage that one of them has finished is reused; the first one wins.
    bound_arguments: Gives the arguments that gin passes to a configured function, such as an optimizer.
  """

  reuse: Sequence[epath.Path] = ()
  bound_arguments: settings.BoundArguments = settings.no_arguments

  def __post_init__(self):
    for path in self.reuse:
      if not path.is_dir():
        raise errors.StageError(f"{os.fspath(path)}: no such directory; expected the work directory of another run")
