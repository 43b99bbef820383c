"""Changes: which lines of a program another one changes."""

from collections.abc import Mapping, Sequence
import functools
import io
import tokenize

_MOST_PAIRS = 1_000_000  # maximum number of lines that are compared; a longer fix is another program


@functools.lru_cache(maxsize=4096)
def changed(old: str, new: str) -> frozenset[int]:
  """The lines of `old` that were changed or taken out to make `new`; for inserted lines, the two lines around them.

  Lines inserted next to a changed or removed line are part of that change. Of all ways to make one from the other,
  those count that change, take out and put in as few lines as possible (Levenshtein's distance over lines), and where
  there are several, as for one of two equal lines that is gone, the lines of all of them. Blank lines, comments and
  blanks at the ends of lines do not matter.
  """
  before, after = code(old), tuple(code(new).values())
  numbers, texts = tuple(before), tuple(before.values())
  if texts == after:
    return frozenset()
  if len(texts) * len(after) > _MOST_PAIRS:
    return frozenset(numbers)
  done = _distances(texts, after)
  rest = [row[::-1] for row in _distances(texts[::-1], after[::-1])][::-1]  # from each pair of places to the end
  least = rest[0][0]
  gone: set[int] = set()
  gaps: set[int] = set()
  for i in range(len(texts) + 1):
    for j in range(len(after) + 1):
      so_far = done[i][j] + 1
      if i < len(texts):
        taken_out = so_far + rest[i + 1][j] == least
        replaced = j < len(after) and texts[i] != after[j] and so_far + rest[i + 1][j + 1] == least
        if taken_out or replaced:
          gone.add(i)
      if j < len(after) and so_far + rest[i][j + 1] == least:
        gaps.add(i)
  beside = {i for gap in gaps if not {gap - 1, gap} & gone for i in (gap - 1, gap)}
  return frozenset(numbers[i] for i in gone | beside if 0 <= i < len(numbers))


def _distances(old: Sequence[str], new: Sequence[str]) -> list[list[int]]:
  """[i][j]: the fewest lines to change, take out and put in to make `new[:j]` of `old[:i]`."""
  rows = [list(range(len(new) + 1))]
  for i, line in enumerate(old, 1):
    above, row = rows[-1], [i]
    for j, other in enumerate(new):
      row.append(min(above[j] + (line != other), above[j + 1] + 1, row[j] + 1))
    rows.append(row)
  return rows


def new_code(old: str, new: str) -> list[str]:
  """The lines of `new` whose code, blanks aside, no line of `old` has; stripped, in their order."""
  known = {"".join(text.split()) for text in code(old).values()}
  return [text.strip() for text in code(new).values() if "".join(text.split()) not in known]


def is_unchanged(old: str, new: str | None) -> bool:
  """Whether a fix is the program it should fix; None means that there is no fix."""
  return new is not None and list(code(old).values()) == list(code(new).values())


@functools.lru_cache(maxsize=4096)
def code(source: str) -> Mapping[int, str]:
  """Number -> text of the lines that hold more than blanks and comments, without comments and blanks at their ends."""
  texts = source.split("\n")
  try:
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
  except (tokenize.TokenError, SyntaxError, ValueError):  # text that does not parse keeps its comments
    tokens = []
  for token in tokens:
    if token.type == tokenize.COMMENT:
      row, column = token.start
      texts[row - 1] = texts[row - 1][:column]
  return {number: text.rstrip() for number, text in enumerate(texts, 1) if text.strip()}


