"""Cutting: removes the code of a fix from a rationale that is given to another model."""

from collections.abc import Sequence
import re

from next_jax import schema
from next_jax.evaluation import changes
from next_jax.prompts import completion

CUT = "..."

_SHORTEST_LINE = 3  # characters: shorter lines, such as `x`, are words as well
_SHORTEST_PIECE = 3  # names, numbers and operators, of a line that stands in a text without quotes
_TOKEN = re.compile(r"\*\*=?|//=?|<<=?|>>=?|[-+*/%<>=!&|^@:]=?|\w+|[^\w\s]")
_CODE = re.compile(r"\w+|[-+*/%<>=!&|^@]+=?")
_OPENS, _CLOSES = re.compile(r"[`\"“]\Z"), re.compile(r"[`\"”]")
# Requested changes: "should be 3", "change it to n + 1", "replaced by `<=`".
_ASKED = re.compile(
    r"(?:\b(?:should|must|ought to|has to|needs? to) (?:be|read|use|say)|\bneeds?|\b(?:chang|replac|turn)\w*\b[^.\n]*"
    r"\b(?:to|with|by|into))(?: the)?\s*[`\"“]?\Z",
    re.IGNORECASE,
)


def without_fix(rationale: str, task: schema.RepairTask, fix: str | None) -> str:
  """The rationale with `...` for code blocks' and quoted lines' worth of fix.

  Taken out are code blocks and, of the lines that the model's own fix or the reference has and the buggy program has
  not, whatever the blanks in them:

    the whole line, with or without the colon of a header, wherever it stands in the text
    a piece of three names, numbers and operators or more, or all that is in quotes, that no line of the buggy program
    has: n <= 2
    a piece that is asked for ("should be 3", "change it to n + 1") and not in a line that the fix replaces

  What is said without the code ("the comparison should include the limit") stays: that is what a rationale is for.
  """
  text = completion.without_blocks(rationale)
  old = [_tokens(line) for line in changes.code(task.buggy_code).values()]
  new: list[tuple[list[str], bool]] = []
  replaced: list[list[str]] = []
  for program in (fix or "", task.reference_code):
    lines = changes.new_code(task.buggy_code, program)
    kept = {tuple(_tokens(line)) for line in changes.code(program).values()}
    new.extend((_tokens(line), len(line) >= _SHORTEST_LINE) for line in lines)
    replaced.extend(line for line in old if lines and tuple(line) not in kept)
  found = list(_TOKEN.finditer(text))
  words = [match.group() for match in found]
  parts, position, place = [], 0, 0
  while place < len(found):
    size = max((_common(words, place, line) for line, _ in new), default=0)
    start, end = found[place].start(), found[place + size - 1].end() if size else 0
    if size and _gives_away(text[:start], text[end:], words[place : place + size], old, new, replaced):
      parts += [text[position:start], CUT]
      position, place = end, place + size
    else:
      place += 1
  return "".join([*parts, text[position:]])


def _gives_away(
    before: str, behind: str, piece: list[str], old: Sequence[list[str]], new: Sequence[tuple[list[str], bool]],
    replaced: Sequence[list[str]],
) -> bool:
  """Whether a piece of new lines, between two parts of a text, is code of the fix."""
  if any(is_line and piece in (line, line[:-1] if line[-1] == ":" else line) for line, is_line in new):
    return True
  size = sum(_CODE.fullmatch(token) is not None for token in piece)
  is_all_quoted = _OPENS.search(before) is not None and _CLOSES.match(behind) is not None
  is_in_quotes = sum(before.rpartition("\n")[2].count(mark) for mark in '`"') % 2 == 1
  if size and _ASKED.search(before) and (is_all_quoted or not is_in_quotes):
    return not any(_contains(line, piece) for line in replaced)
  return (size >= _SHORTEST_PIECE or (size > 0 and is_all_quoted)) and not any(_contains(line, piece) for line in old)


def _tokens(line: str) -> list[str]:
  return _TOKEN.findall(line)


def _common(words: Sequence[str], place: int, line: Sequence[str]) -> int:
  """The most words from `place` on that stand in a line one behind the other."""
  longest = 0
  for start in range(len(line)):
    size = 0
    while start + size < len(line) and place + size < len(words) and line[start + size] == words[place + size]:
      size += 1
    longest = max(longest, size)
  return longest


def _contains(line: Sequence[str], piece: Sequence[str]) -> bool:
  return any(line[start : start + len(piece)] == piece for start in range(len(line) - len(piece) + 1))
