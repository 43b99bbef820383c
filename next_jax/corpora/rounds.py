"""Rounds of proving. Their results are kept, so that a killed build resumes."""

from collections.abc import Callable, Iterator, Sequence
import itertools
import os

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import proving


class Rounds:
  """Results in the order of the claims, in one part of a file per round.

  The claims of a round must depend only on the settings and on the results of earlier rounds. A restarted build then
  asks for the same rounds, gets the kept results, and resumes.

  Args:
    directory: Directory of the parts; see `remove`.
  """

  def __init__(self, directory: epath.PathLike):
    self._directory = epath.Path(directory)
    self._shards = files.Shards(self._directory)
    self._kept = self._shards.read(proving.ProofResult)

  def results(
      self,
      claims: Sequence[schema.RepairTask],
      prove: Callable[[Sequence[schema.RepairTask]], list[proving.ProofResult]],
  ) -> list[proving.ProofResult]:
    """The results of one round: the kept ones or, if there are no more, those of `prove`, which are then kept.

    Raises:
      CorpusError: The kept results belong to other claims.
    """
    kept = list(itertools.islice(self._kept, len(claims)))
    if not kept:
      results = prove(claims)
      self._shards.append(results)
      return results
    if [result.task_id for result in kept] != [claim.task_id for claim in claims]:
      raise errors.CorpusError(
          f"{os.fspath(self._directory)}: holds results of a build with other settings or files; delete it, or build"
          " into another directory"
      )
    return kept

  def remove(self) -> None:
    """Deletes the parts; call it when the corpus is complete."""
    if self._directory.exists():
      self._directory.rmtree()


def in_rounds(items: Sequence[schema.RepairTask], size: int) -> Iterator[Sequence[schema.RepairTask]]:
  """Splits claims into rounds of `size`."""
  for begin in range(0, len(items), size):
    yield items[begin : begin + size]
