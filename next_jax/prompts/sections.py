"""The headings of prompts and completions; one place, because the parser must know what the prompt says."""

TASK = "### Task\n"
TESTS = "### Tests\n"
PROGRAM = "### Program\n"
RATIONALE = "### Rationale\n"
FIX = "### Fix\n"
FENCE_OPEN = "```python\n"
FENCE_CLOSE = "\n```"


def fenced(code: str) -> str:
  return FENCE_OPEN + code.strip("\n") + FENCE_CLOSE
