"""Rounds of proving whose results are kept, so that a killed build continues where it was."""

from collections.abc import Callable, Iterator, Sequence
import itertools
import os

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import proving


class Rounds:
  """Results in the order of the claims, a part of a file for each round.

  What a round claims must follow from the settings and from the results of the rounds before it; then a build that is
  started again asks for the same rounds, is given the results that it had, and goes on.

  Args:
    directory: of the parts; see `remove`.
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
    """Of one round: those that were kept or, when there are no more, those of `prove`, which are kept then.

    Raises:
      CorpusError: the results that were kept are not of these claims.
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
    """Deletes the parts; when the corpus is whole."""
    if self._directory.exists():
      self._directory.rmtree()


def in_rounds(items: Sequence[schema.RepairTask], size: int) -> Iterator[Sequence[schema.RepairTask]]:
  """Claims that are all known beforehand, in rounds of `size`."""
  for begin in range(0, len(items), size):
    yield items[begin : begin + size]
