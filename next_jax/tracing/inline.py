"""Inline traces: the states of the variables as comments on the lines that produced them.

    def separate(lst):             # (0) lst=[1, 2, 3, 4]
        even, odd = [], []         # (1) even=[]; odd=[]
        for n in lst:              # (2) n=1; (4) n=2; ...; (8) n=4
            if n % 2:
                even.append(n)     # (3) even=[1]; ...; (7) even=[1, 3]
        return even, odd           # (10) return ([1, 3], [])

The format of NExT (Ni et al., arXiv 2404.14662). A number is the index of the step in the trace. Of a line that was
visited often, the first visits and the last are written. `...` stands where something was left out: visits of the
line, or rounds of its loop which did not come to it or changed nothing there.

Only comments are added, so the result is Python with the same AST. Annotating again replaces the annotation.
"""

import bisect
import dataclasses
import io
import re
import tokenize

from next_jax import schema
from next_jax.tracing import statements
from next_jax.tracing import texts

_LINE_END = re.compile(r"\r\n|\r|\n")
# Where every line can take a comment: no string over several lines, no continuation, nothing of ours to replace.
_NEEDS_TOKENS = re.compile(r"'''|\"\"\"|\\[\r\n]|[fFtT][rR]?['\"]|[rR][fFtT]['\"]|# \(\d")
_OURS = re.compile(r"[ \t]*# \(\d+\) (?:\.\.\.|(?:return|yield|raise) |[^\W\d]\w*=)")
_TAB = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class InlineStyle:
  """How much of a trace is written, and where; all widths in characters.

  Attributes:
    first_visits: of a line that was visited often, so many from the front.
    last_visits: and so many from the end.
    value_width: of the text of one value; longer ones lose their middle.
    comment_width: of the comment of one line; visits are left out and values shortened until it fits.
    align: whether the comments of a function stand in a column.
    gap: spaces between the longest line that has a comment and the column.
    align_width: longer lines do not move the column; their comment follows two spaces after them.
  """

  first_visits: int = 2
  last_visits: int = 1
  value_width: int = 60
  comment_width: int = 200
  align: bool = True
  gap: int = 5
  align_width: int = 72


def annotate(source: str, trace: schema.Trace, style: InlineStyle = InlineStyle()) -> str:
  """The source with the states of `trace` as comments.

  Raises:
    statements.SourceError: the source does not compile.
  """
  layout = statements.analyse(source)
  lines, ends = _split(source)
  last_token = _LineEnds(lines) if _NEEDS_TOKENS.search(source) else None
  if last_token is not None:
    lines = [last_token.without_trace(number, line) for number, line in enumerate(lines, 1)]
  comments: dict[int, list[str]] = {}
  for line, comment in _comments(trace, layout, style).items():
    comments.setdefault(last_token.place(line) if last_token else line, []).append(comment)
  columns = _columns(lines, comments, layout, style)
  for line, parts in comments.items():
    if line > len(lines):
      continue  # a trace of another source
    code = lines[line - 1].rstrip()
    width = len(code.expandtabs(_TAB))
    spaces = max(columns.get(layout.function[line], 0) - width, 2)
    lines[line - 1] = code + " " * spaces + "# " + "; ".join(parts)
  return "".join(map("".join, zip(lines, ends)))


def _split(source: str) -> tuple[list[str], list[str]]:
  """Physical lines as Python counts them, and what ends each."""
  ends = _LINE_END.findall(source)
  return _LINE_END.split(source), [*ends, ""]


class _LineEnds:
  """Which physical lines end where a comment may stand, found with Python's own tokenizer."""

  def __init__(self, lines: list[str]):
    self._open: list[int] = []
    self._ours: dict[int, int] = {}
    text = "\n".join(lines) + "\n"  # without it the tokenizer overlooks a last line that begins with #
    depth = 0  # of f-strings, in which line ends belong to the text
    starts = _tokens("FSTRING_START", "TSTRING_START")
    stops = _tokens("FSTRING_END", "TSTRING_END")
    for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
      if token.type in starts:
        depth += 1
      elif token.type in stops:
        depth -= 1
      elif depth:
        continue
      elif token.type in (tokenize.NEWLINE, tokenize.NL):
        self._open.append(token.start[0])
      elif token.type == tokenize.COMMENT:
        line, column = token.start
        found = re.search(_OURS, lines[line - 1][column - 1 if column else 0 :])
        if found and lines[line - 1][:column].strip():
          offset = (column - 1 if column else 0) + found.start()
          self._ours[line] = offset

  def place(self, line: int) -> int:
    """The first line, from this one, after which a comment may stand."""
    i = bisect.bisect_left(self._open, line)
    return self._open[i] if i < len(self._open) else line

  def without_trace(self, number: int, line: str) -> str:
    return line[: self._ours[number]].rstrip() if number in self._ours else line


def _tokens(*names: str) -> frozenset[int]:
  """Numbers of token types, of which older Pythons have fewer."""
  return frozenset(getattr(tokenize, name) for name in names if hasattr(tokenize, name))


def _comments(trace: schema.Trace, layout: statements.Statements, style: InlineStyle) -> dict[int, str]:
  """The comment of each line, without the `# `."""
  visits: dict[int, list[int]] = {}
  for number, step in enumerate(trace.steps):
    if step.line < len(layout.first) and (step.changes or step.value is not None):
      visits.setdefault(step.line, []).append(number)
  rounds = _rounds(trace.steps, layout) if any(len(numbers) > 1 for numbers in visits.values()) else []
  return {line: _comment(trace.steps, numbers, rounds, style) for line, numbers in visits.items()}


def _comment(steps: tuple[schema.Step, ...], numbers: list[int], rounds: list, style: InlineStyle) -> str:
  first, last, width = style.first_visits, style.last_visits, style.value_width
  while True:
    text = _join(steps, numbers, rounds, first, last, width)
    if len(text) <= style.comment_width:
      return text
    if first + last > 2 and first > 0 and len(numbers) > 1:
      first -= 1
    elif last > 1:
      last -= 1
    elif width > 8:
      width = max(width * 2 // 3, 8)
    else:
      return texts.cut(text, max(style.comment_width, 16))


def _join(steps, numbers: list[int], rounds: list, first: int, last: int, width: int) -> str:
  chosen = list(range(len(numbers)))
  if len(numbers) > first + last:
    chosen = [*range(first), *range(len(numbers) - last, len(numbers))]
  parts = []
  before = -1
  for i in chosen:
    if i > before + 1 or (before >= 0 and _left_out(rounds[numbers[before]], rounds[numbers[i]])):
      parts.append(texts.ELLIPSIS)
    parts.append(f"({numbers[i]}) {_state(steps[numbers[i]], width)}")
    before = i
  if before < len(numbers) - 1:
    parts.append(texts.ELLIPSIS)
  return "; ".join(parts)


def _state(step: schema.Step, width: int) -> str:
  parts = [f"{name}={_one_line(value, width)}" for name, value in step.changes]
  if step.value is not None:
    verb = "raise" if step.event == "exception" else step.event
    parts.append(f"{verb} {_one_line(step.value, width)}")
  return "; ".join(parts)


def _one_line(text: str, width: int) -> str:
  text = texts.cut(text, width)
  return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _left_out(before: tuple[int, int], after: tuple[int, int]) -> bool:
  """Whether, within one frame, the loop went round without a visit in between."""
  return before[0] == after[0] and after[1] - before[1] > 1


def _rounds(steps: tuple[schema.Step, ...], layout: statements.Statements) -> list[tuple[int, int]]:
  """For each step (number of its frame, rounds that the loop around its line has gone there).

  A trace does not say which frame a step belongs to; the latest call of the function that has not returned is
  taken. An exception that ended frames of a recursion may make it the wrong one: then a `...` may be missing.
  """
  frames: dict[int, list[tuple[int, dict[int, list[int]]]]] = {}  # function -> [(number, loop -> [rounds, last line])]
  loops = sorted(set(layout.loop) - {0})
  around: dict[int, list[int]] = {}
  result = []
  for number, step in enumerate(steps):
    line = step.line if step.line < len(layout.function) else 0
    stack = frames.setdefault(layout.function[line], [])
    if step.event == "call" or not stack:
      stack.append((number, {}))
    frame, state = stack[-1]
    if line not in around:
      around[line] = [
          loop for loop in loops
          if loop <= line <= max(layout.end[loop], loop) and layout.function[loop] == layout.function[line]
      ]
    innermost = layout.loop[line]
    for loop in around[line]:
      count = state.setdefault(loop, [0, 0])
      if line == loop or (loop == innermost and line <= count[1] and not layout.flags[loop] & statements.BINDS):
        count[0] += 1
      count[1] = line
    result.append((frame, state[innermost][0] if innermost in state else 0))
    if step.event == "return":
      stack.pop()
  return result


def _columns(lines, comments, layout: statements.Statements, style: InlineStyle) -> dict[int, int]:
  """Function -> the column of its comments."""
  columns: dict[int, int] = {}
  if style.align:
    for line in comments:
      if line <= len(lines):
        width = len(lines[line - 1].rstrip().expandtabs(_TAB))
        if width <= style.align_width:
          function = layout.function[line]
          columns[function] = max(columns.get(function, 0), width + style.gap)
  return columns
