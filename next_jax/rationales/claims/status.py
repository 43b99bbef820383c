"""Status: what becomes of a claim.

A contradiction needs something in the trace, the source or the tests that cannot be if the claim is true. What merely
is not seen contradicts only where the trace would have it.
"""

from collections.abc import Iterable

from next_jax.rationales.claims import literals

SUPPORTED, CONTRADICTED, UNVERIFIABLE = STATUSES = ("supported", "contradicted", "unverifiable")

Check = tuple[str, str]  # a status, and why, for people


def of(answer: bool | None) -> str:
  """The status of a claim that is true, false, or neither as far as can be told (None)."""
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
