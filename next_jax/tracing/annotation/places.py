"""Places: finds the physical lines after which a comment may stand, and the comments there that are ours."""

import bisect
import io
import re
import sys
import tokenize

from next_jax.tracing.annotation import comments

_LINE_END = re.compile(r"\r\n|\r|\n")
# Where every line can take a comment: no string over several lines, no continuation, nothing of ours to remove.
_NEEDS_TOKENS = re.compile(rf"'''|\"\"\"|\\[\r\n]|[fFtT][rR]?['\"]|[rR][fFtT]['\"]|{comments.START.pattern}")


def _kinds(*names: str) -> frozenset[int]:
  """Numbers of token types, of which older Pythons have fewer."""
  return frozenset(getattr(tokenize, name) for name in names if hasattr(tokenize, name))


_STARTS, _STOPS = _kinds("FSTRING_START", "TSTRING_START"), _kinds("FSTRING_END", "TSTRING_END")


class Places:
  """The physical lines of a source that compiles.

  What looks like a comment of ours, to the last character (`comments.parse`), and follows code is ours, whoever wrote
  it.

  Attributes:
    lines: without our comments and without line ends.
    ends: what ended each: "\\n", "\\r\\n", "\\r" or nothing.
    found: line -> the comment of ours that stood there.
  """

  def __init__(self, source: str):
    self.lines = _LINE_END.split(source)
    self.ends = [*_LINE_END.findall(source), ""]
    self.found: dict[int, comments.Comment] = {}
    self._open: list[int] | None = None  # lines at whose end a comment may stand; None for all
    if _NEEDS_TOKENS.search(source):
      self._tokenize()

  def place(self, line: int) -> int:
    """The first line, from this one, after which a comment may stand."""
    if self._open is None:
      return line
    i = bisect.bisect_left(self._open, line)
    return self._open[i] if i < len(self._open) else line

  def served(self, line: int) -> int:
    """The first of the lines whose comments stand on this one."""
    if self._open is None:
      return line
    i = bisect.bisect_left(self._open, line)
    return self._open[i - 1] + 1 if i else 1

  def _tokenize(self) -> None:
    """Asks Python's own tokenizer."""
    open_lines = self._open = []
    text = "\n".join(self.lines) + "\n"  # without it the tokenizer overlooks a last line that begins with #
    before = 0
    if sys.version_info < (3, 12):
      # Its tokenizer sees other indentation than its compiler where a backslash stands alone; in brackets it sees none.
      text, before = f"(\n{text})\n", 1
    depth = 0  # of f-strings, in which line ends belong to the text
    for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
      line = token.start[0] - before
      if token.type in _STARTS:
        depth += 1
      elif token.type in _STOPS:
        depth -= 1
      elif depth:
        continue
      elif token.type in (tokenize.NEWLINE, tokenize.NL):
        open_lines.append(line)
      elif token.type == tokenize.COMMENT:
        self._remove_ours(line, token.start[1])

  def _remove_ours(self, number: int, column: int) -> None:
    """Takes our comments from the end of the comment that starts at `column` (characters, from 0)."""
    line = self.lines[number - 1].rstrip()
    if not line[:column].strip() and number - 1 == (self._open[-1] if self._open else 0):
      return  # ours follow code, on their line or, by a backslash, on the one before
    while True:
      starts = list(comments.START.finditer(line, column))
      start = starts[-1] if starts else None
      if start is None or not line[start.start() - 1].isspace():
        return
      comment = comments.parse(line[start.end() :])
      if comment is None:
        return
      self.found.setdefault(number, comment)
      line = self.lines[number - 1] = line[: start.start()].rstrip()
