"""What a rater is asked about each rationale, and the numbers that the answers stand for."""

from collections.abc import Mapping
import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
  """One question.

  Attributes:
    name: Key in a rater's file.
    scores: Answer in that file -> the number that is averaged. The answers are ordered; agreement uses no more
      of the numbers than their order.
  """

  name: str
  text: str
  scores: Mapping[str | int, float]


_SHARES: dict[str | int, float] = {"yes": 1.0, "partly": 0.5, "no": 0.0}

# docs/method.md, human raters: does the rationale explain the bug, does it suggest a right fix, overall quality.
QUESTIONS = (
    Question(name="bug_explained", text="Does the rationale explain the bug?", scores=_SHARES),
    Question(name="fix_suggested", text="Does the rationale suggest a right fix?", scores=_SHARES),
    Question(name="overall", text="How good is the rationale overall?", scores={n: float(n) for n in range(1, 6)}),
)
