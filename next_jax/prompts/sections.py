"""The headings of prompts and completions, in one place because the parser must know what the prompt says."""

import re

TASK = "### Task\n"
TESTS = "### Tests\n"
PROGRAM = "### Program\n"
RATIONALE = "### Rationale\n"
FIX = "### Fix\n"
FENCE_OPEN = "```python\n"
FENCE_CLOSE = "\n```"

_FENCES = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)


def fenced(code: str) -> str:
  """The code in a Python block whose fence is longer than any fence in the code."""
  fence = "`" * max(3, 1 + max((len(run) for run in _FENCES.findall(code)), default=0))
  return fence + FENCE_OPEN.lstrip("`") + code.strip("\n") + FENCE_CLOSE.rstrip("`") + fence
