"""The origins of the bugs of a corpus."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any, Protocol

from next_jax import errors
from next_jax.execution.benchmarks import problems as problems_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bug:
  """A program that may be wrong; the executor decides whether it is.

  Attributes:
    code: The whole program.
    kind: The kind of error, or the author; `bug_kind` of the repair task.
  """

  code: str
  kind: str


class Origin(Protocol):
  """One source of bugs of a corpus."""

  @property
  def name(self) -> str:
    """`bug_origin` of its repair tasks, such as "model" or "mutant"."""
    ...

  @property
  def per_problem(self) -> int:
    """Maximum number of tasks per problem from this origin."""
    ...

  @property
  def share(self) -> float:
    """Maximum share, from 0 to 1, of the tasks of a split from this origin."""
    ...

  def bugs(self, problems: Sequence[problems_lib.Problem], seed: int) -> Mapping[str, Iterator[Bug]]:
    """Task id -> its candidates in order of preference, lazily; equal seeds and files give equal candidates."""
    ...

  def sources(self, problems: Sequence[problems_lib.Problem]) -> list[dict[str, Any]]:
    """The files that it takes bugs from, with digests and counts, for the statistics."""
    ...


def check_quota(origin: Origin) -> None:
  """Raises CorpusError for an impossible `per_problem` or `share`."""
  name = type(origin).__name__
  if origin.per_problem < 1:
    raise errors.CorpusError(f"{name}.per_problem: found {origin.per_problem!r}, expected 1 or more")
  if not 0 < origin.share <= 1:
    raise errors.CorpusError(f"{name}.share: found {origin.share!r}, expected more than 0 and at most 1")
