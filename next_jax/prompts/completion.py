"""A completion, taken apart into rationale and fix.

Rule: the fix is the first closed code block after the last `### Fix` heading; without such a heading,
the last closed code block. The rationale is what stands before the heading, or before the block.
"""

import dataclasses
import re

from next_jax.prompts import sections

# A block opens and closes on lines of their own; models indent them and name the language or not.
_BLOCK = re.compile(r"^[ \t]*```[ \t]*(?:python3?|py)?[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^[ \t]*" + re.escape(sections.FIX.strip()) + r"[ \t]*:?[ \t]*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Completion:
  """Parts of a completion; `fix` is None exactly when `refusal` says why."""

  rationale: str | None = None
  fix: str | None = None
  refusal: str | None = None


def parse(completion: str) -> Completion:
  """Takes any text and never raises."""
  completion = completion.replace("\r\n", "\n")
  heading = None
  for heading in _HEADING.finditer(completion):
    pass
  if heading is not None:
    rationale = completion[: heading.start()]
    block = _BLOCK.search(completion, heading.end())
  else:
    block = None
    for block in _BLOCK.finditer(completion):
      pass
    rationale = completion[: block.start()] if block else completion
  rationale = rationale.strip()
  if block is None:
    opened = "```" in completion[heading.end() if heading else 0 :]
    return Completion(rationale=rationale, refusal="the code block is not closed" if opened else "there is no code block")
  fix = block.group(1).strip("\n")
  if not fix.strip():
    return Completion(rationale=rationale, refusal="the code block is empty")
  return Completion(rationale=rationale, fix=fix)
