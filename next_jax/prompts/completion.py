"""Parses a completion into rationale and fix.

The fix is the first closed Python block after the last `### Fix` heading or, without such a heading, the last closed
Python block. Blocks that define no function or class (a call, an output) are skipped if another block defines one. The
rationale is the text before the heading, or before the block.

What a line means:

* Thinking is ignored. It ends at the first `</think>` if the completion begins with `<think>`, else at a line that is
  only `</think>`, for templates that open it in the prompt.
* A fence is three or more ` or ~ at the beginning of a line, indented or not. A block ends at a fence of the same kind
  that is at least as long, is indented by less than four more than the opening one (a deeper fence is in a docstring)
  and names no language. A fence that names a language opens a new block, and the block before it was never closed.
* A block is Python if its fence names Python or no language.
* A heading is `### Fix` at any depth, bold, with a colon or as "fixed program", outside of blocks; inside a program it
  is a comment.
"""

from collections.abc import Sequence
import dataclasses
import re

from next_jax.prompts import sections

# The patterns run on every line that a model writes, so none of them may take quadratic time.
_LINE_BREAK = re.compile(r"\r\n?")  # Python's line breaks
_THINKING_ENDS = re.compile(r"^[ \t]*</think>[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"([ \t]*)(`{3,}+|~{3,}+)([^`]*)")
_LANGUAGE = re.compile(r"[{.]*([\w+#-]*)")  # "python title=fix.py", "python:fix.py", "{.python}"
_HEADING = re.compile(
    r"(?:#{1,6}[ \t]*\**|\*\*)[ \t]*(?:the[ \t]+)?fix(?:ed[ \t]+(?:program|code|function))?[ \t:*]*", re.IGNORECASE
)
_LONGEST_HEADING = 80  # characters
_LANGUAGES = ("", "python", "python3", "py", "py3")
_DEFINES = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]", re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Completion:
  """The parts of a completion; `refusal` gives the reason exactly when `fix` is None."""

  rationale: str | None = None
  fix: str | None = None
  refusal: str | None = None


@dataclasses.dataclass(kw_only=True)
class _Block:
  """A code block: lines `first` (its fence) to `last` (the closing fence; None when there is none)."""

  first: int
  last: int | None = None
  indent: int
  fence: str
  language: str

  def is_fence_of(self, indent: int, fence: str) -> bool:
    return fence[0] == self.fence[0] and len(fence) >= len(self.fence) and indent < self.indent + 4


def parse(completion: str) -> Completion:
  """The parts of any text, in time linear in its length; never raises."""
  text = _LINE_BREAK.sub("\n", completion)
  answer = _without_thinking(text)
  if answer is None:
    return Completion(rationale="", refusal="the thinking does not end: there is no </think>")
  lines = answer.split("\n")
  blocks, heading = _scan(lines)
  start = 0 if heading is None else heading + 1
  after = [block for block in blocks if block.first >= start]
  closed = [block for block in after if block.last is not None and block.language in _LANGUAGES]
  candidates = [block for block in closed if _DEFINES.search(_code(lines, block))] or closed
  if not candidates:
    before = lines if heading is None else lines[:heading]
    return Completion(rationale=_rationale(before), refusal=_why(after, heading))
  block = candidates[0 if heading is not None else -1]
  rationale = _rationale(lines[: block.first if heading is None else heading])
  fix = _code(lines, block)
  if not fix.strip():
    return Completion(rationale=rationale, refusal="the code block is empty")
  return Completion(rationale=rationale, fix=fix)


def end(text: str) -> int | None:
  """Where an answer ends that goes on with something else: behind the line that closes the block of its fix.

  Such a block is the first of Python with a function or class after the first `### Fix` heading. None while it is not
  closed, or nothing comes after it. What follows does not move the end.
  """
  thinking = len(text) - len(_without_thinking(text) or "")
  answer = text[thinking:]
  if not answer or _LINE_BREAK.search(answer):  # carriage returns are rare, and places would have to be translated
    return None
  lines = answer.split("\n")
  blocks, _ = _scan(lines)
  headings = [number for number, line in enumerate(lines) if _is_heading(line) and not _inside(blocks, number)]
  if not headings:
    return None
  for block in blocks:
    if block.first < headings[0] or block.last is None or block.language not in _LANGUAGES:
      continue
    if block.last < len(lines) - 1 and _DEFINES.search(_code(lines, block)):
      return thinking + len("\n".join(lines[: block.last + 1]))
  return None


def without_blocks(text: str) -> str:
  """The text without its code blocks, closed or not, and without the blank lines around them."""
  lines = _LINE_BREAK.sub("\n", text).split("\n")
  kept, start = [], 0
  for block in _scan(lines)[0]:
    kept.append("\n".join(lines[start : block.first]).strip("\n"))
    start = len(lines) if block.last is None else block.last + 1
  kept.append("\n".join(lines[start:]).strip("\n"))
  return "\n".join(part for part in kept if part.strip()).strip()


def _without_thinking(text: str) -> str | None:
  """The text after the thinking; None when the thinking does not end."""
  if text.lstrip().startswith("<think>"):
    _, end, answer = text.partition("</think>")
    return answer if end else None
  found = _THINKING_ENDS.search(text)
  return text if found is None else text[found.end() :]


def _scan(lines: Sequence[str]) -> tuple[list[_Block], int | None]:
  """The blocks in order, and the line of the last heading."""
  blocks: list[_Block] = []
  block: _Block | None = None
  heading: int | None = None
  heading_in_block: int | None = None
  for number, line in enumerate(lines):
    fence = _FENCE.fullmatch(line)
    if fence is not None:
      indent, marks, info = len(fence[1]), fence[2], fence[3].strip()
      if block is not None and block.is_fence_of(indent, marks) and not info:
        block.last, block, heading_in_block = number, None, None
        continue
      if block is None or (info and block.is_fence_of(indent, marks)):
        if heading_in_block is not None:  # the block around it was never closed
          heading, heading_in_block = heading_in_block, None
        language = _LANGUAGE.match(info)
        block = _Block(first=number, indent=indent, fence=marks, language=language[1].lower() if language else "")
        blocks.append(block)
        continue
    if _is_heading(line):
      if block is None:
        heading = number
      else:
        heading_in_block = number
  return blocks, heading


def _is_heading(line: str) -> bool:
  return len(line) <= _LONGEST_HEADING and _HEADING.fullmatch(line.strip()) is not None


def _inside(blocks: Sequence[_Block], line: int) -> bool:
  return any(block.first < line and (block.last is None or line < block.last) for block in blocks)


def _code(lines: Sequence[str], block: _Block) -> str:
  """The program in a block, without the indentation that all its lines share."""
  code = list(lines[block.first + 1 : block.last])
  while code and not code[0].strip():
    del code[0]
  while code and not code[-1].strip():
    del code[-1]
  margin = min((len(line) - len(line.lstrip(" \t")) for line in code if line.strip()), default=0)
  return "\n".join(line[min(margin, len(line) - len(line.lstrip(" \t"))) :] for line in code)


def _rationale(lines: Sequence[str]) -> str:
  """The text without the heading of the rationale, which chat models repeat."""
  heading, _, rest = "\n".join(lines).strip().partition("\n")
  text = rest if heading.rstrip(" \t:") == sections.RATIONALE.strip() else f"{heading}\n{rest}"
  return text.strip()


def _why(blocks: Sequence[_Block], heading: int | None) -> str:
  """Why there is no fix: no block in question is both closed and Python."""
  where = "" if heading is None else f" after {sections.FIX.strip()!r}"
  if any(block.last is None and block.language in _LANGUAGES for block in blocks):
    return "the code block is not closed"
  if blocks:
    return f"there is no Python block{where}, only {blocks[-1].language!r}"
  return f"there is no code block{where}"
