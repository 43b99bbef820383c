"""Status: what becomes of a claim.

A claim is contradicted by a fact of the trace, the source or the tests that excludes it. Absence from the trace
contradicts only where the trace is known to be complete.
"""

from collections.abc import Iterable

from next_jax.rationales.claims import literals

SUPPORTED, CONTRADICTED, UNVERIFIABLE = STATUSES = ("supported", "contradicted", "unverifiable")

Check = tuple[str, str]  # a status, and the reason for people


def of(answer: bool | None) -> str:
  """The status of a claim that is true, false or undecided (None)."""
  return {True: SUPPORTED, False: CONTRADICTED, None: UNVERIFIABLE}[answer]


def any_same(value: literals.Literal, candidates: Iterable[literals.Literal]) -> bool | None:
  """Whether one of the candidates is the value; None where what was left out of one decides."""
  answer: bool | None = False
  for literal in candidates:
    same = literals.same(value, literal)
    if same:
      return True
    if same is None:
      answer = None
  return answer
