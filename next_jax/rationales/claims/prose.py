"""Prose: a rationale with placeholders for code and values, so that patterns see words only.

In the `text` of a `Prose` each value is one private character, and so are code, calls and other expressions:
"`total` is [1, 2] because of `total += n`." becomes "total is V because of C.". Numbers of steps, lines, rounds and
tests stay. So full stops end sentences, and no pattern needs to parse Python values.
"""

import ast
import dataclasses
import functools
import re
import warnings

from next_jax.rationales.claims import literals

VALUE = "\ue000"
CODE = "\ue001"
CALL = "\ue002"  # of a function of the program
EXPRESSION = "\ue003"

MAX_CHARS = 8_000  # maximum characters of a rationale; the rest is ignored
MAX_SENTENCE = 1_000  # characters; longer ones are cut

_PRIVATE = re.compile("[\ue000-\ue003]")
_BLOCK = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SPAN = re.compile(r"`([^`\n]{0,400})`|\"([^\"\n]{0,400})\"|“([^”\n]{0,400})”")
_PLACE_NUMBER = re.compile(
    r"(?:\b(?:steps?|lines?|iterations?|rounds?|pass|tests?)(?: number)? ?\(?#?)\Z", re.IGNORECASE
)
_PLACE_AND = re.compile(r"\b(?:steps|lines)(?:[ ,]|and|to|or|-|\(?\d+\)?)*\(?\Z", re.IGNORECASE)
_BARE_STEP = re.compile(r"\b(?:at|in|after|before|from|by|state) \Z", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=(?!=)")
_KEYWORD = re.compile(r"(?:if|elif|else|for|while|def|return|try|except|with|import|from|class|break|continue|pass)\b")
_ADVICE = re.compile(
    r"\b(?:should|must|needs?|change|replace|with|to|use|add|adding|missing|set|line|lines|write|insert|remove|has"
    r"|instead"
    r"|be|into|\d)\W*\Z",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|\Z)|\n+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prose:
  """A rationale as patterns see it.

  Attributes:
    text: Words, with private characters in place of values and code.
    offsets: Where each character of `text`, and its end, stand in the rationale.
    values: Position in `text` -> the literal there.
    calls: Position in `text` -> the source of the call there.
    sentences: Pairs (start, end) in `text`.
  """

  text: str
  offsets: tuple[int, ...]
  values: dict[int, literals.Literal]
  calls: dict[int, str]
  sentences: tuple[tuple[int, int], ...]


def read(rationale: str, *, functions: frozenset[str], source_lines: frozenset[str]) -> Prose:
  """The prose of a rationale about a program with these functions and these (stripped) lines."""
  rationale = _PRIVATE.sub(" ", rationale[:MAX_CHARS])
  reader = _Reader(rationale, functions, source_lines)
  reader.read()
  text = "".join(reader.parts)
  ends = [end.end() for end in _SENTENCE_END.finditer(text)]
  sentences: list[tuple[int, int]] = []
  start = 0
  for end in (*ends, len(text)):
    sentences.extend((at, min(at + MAX_SENTENCE, end)) for at in range(start, end, MAX_SENTENCE))
    start = end
  return Prose(
      text=text, offsets=tuple([*reader.offsets, len(rationale)]), values=reader.values, calls=reader.calls,
      sentences=tuple(sentences),
  )


class _Reader:
  """Scans a rationale once, from left to right."""

  def __init__(self, rationale: str, functions: frozenset[str], source_lines: frozenset[str]):
    self._rationale = rationale
    self._functions = functions
    self._source_lines = source_lines
    self.parts: list[str] = []
    self.offsets: list[int] = []
    self.values: dict[int, literals.Literal] = {}
    self.calls: dict[int, str] = {}
    self._closing = -1  # position of the closing backtick

  def read(self) -> None:
    text = self._rationale
    position = 0
    while position < len(text):
      char = text[position]
      if position == self._closing:
        position += 1
      elif char == "`" or char == '"' or char == "“":
        position = self._span(position)
      elif char.isalpha() or char == "_":
        position = self._word(position)
      elif char.isdigit() or char in "'-([{":
        position = self._literal(position)
      else:
        position = self._put(char, position)

  def _put(self, written: str, position: int, length: int | None = None) -> int:
    """Writes characters in place of `length` of the rationale; returns the next position."""
    for index, char in enumerate(written):
      self.parts.append(char)
      self.offsets.append(position + (index if length is None else 0))
    return position + (len(written) if length is None else length)

  def _put_value(self, literal: literals.Literal, position: int, end: int) -> int:
    self.values[len(self.parts)] = literal
    return self._put(VALUE, position, end - position)

  def _before(self, size: int = 40) -> str:
    return "".join(self.parts[-size:])

  def _span(self, position: int) -> int:
    """What stands in backticks or double quotes: code, a value, a state, or words that are just quoted."""
    text = self._rationale
    block = _BLOCK.match(text, position)
    if block:
      return self._put(CODE + "\n", position, block.end() - position)
    span = _SPAN.match(text, position)
    if span is None:
      return self._put(" ", position)
    inside = next(group for group in span.groups() if group is not None)
    stripped = inside.strip()
    before = self._before()
    if stripped in self._source_lines or (stripped + ":") in self._source_lines or _is_code(stripped):
      if not (_ASSIGNMENT.match(stripped) and stripped not in self._source_lines and not _ADVICE.search(before)):
        return self._put(CODE, position, span.end() - position)
    if text[position] != "`":
      is_prose = " " in stripped or not stripped or _ADVICE.search(before) is None
      literal = literals.read(text, position) if text[position] == '"' else None
      if is_prose and literal is not None:
        return self._put_value(literal[0], position, span.end())
      return self._put(CODE, position, span.end() - position)
    self._closing = span.end() - 1  # the backticks go, what they hold stays
    return self._put(" ", position) if before[-1:].isalnum() else position + 1

  def _word(self, position: int) -> int:
    text = self._rationale
    literal = literals.read(text, position)
    if literal is not None:
      return self._put_value(literal[0], position, literal[1])
    word = _WORD.match(text, position)
    if word is None:  # a letter beyond ASCII
      return self._put(text[position], position)
    end = word.end()
    if end < len(text) and text[end] in "([" or (end + 1 < len(text) and text[end] == "." and text[end + 1].isalpha()):
      return self._trailers(position, word.group(), end)
    return self._put(word.group(), position)

  def _trailers(self, position: int, name: str, end: int) -> int:
    """`f(3)`, `xs[0]`, `out.append(x)` as one character; the name by itself when no bracket closes."""
    text = self._rationale
    stop = end
    while stop < len(text):
      if text[stop] in "([":
        closed = literals.closing(text, stop)
        if closed is None:
          break
        stop = closed
      elif text[stop] == "." and (word := _WORD.match(text, stop + 1)) and text[stop + 1].isalpha():
        if word.end() >= len(text) or text[word.end()] not in "([.":
          if not name.isidentifier() or stop == end:
            break  # "total.Then", the end of a sentence without its space
        stop = word.end()
      else:
        break
    if stop == end:
      return self._put(name, position)
    if name in self._functions and text[end] == "(":
      self.calls[len(self.parts)] = text[position:stop]
      return self._put(CALL, position, stop - position)
    return self._put(EXPRESSION, position, stop - position)

  def _literal(self, position: int) -> int:
    text = self._rationale
    char = text[position]
    before = self._before()
    if char.isdigit() or char == "(":
      number = _STEP.match(text, position)
      if number and (_PLACE_NUMBER.search(before) or _PLACE_AND.search(before)):
        return self._put(number.group(1), position, number.end() - position)
      if number and char == "(" and _BARE_STEP.search(before):
        return self._put("step " + number.group(1), position, number.end() - position)
    if char == "'" and before[-1:].isalnum():
      return self._put(char, position)  # an apostrophe
    if char == "-" and before[-1:].isalnum():
      return self._put(char, position)  # a minus or a hyphen
    literal = literals.read(text, position)
    if literal is None or (before[-1:].isalnum() and char.isdigit()):
      end = position + 1
      while char.isdigit() and end < len(text) and text[end].isalnum():
        end += 1
      if end - position > _MAX_DIGITS:
        return self._put(EXPRESSION, position, end - position)
      return self._put(text[position:end], position)
    return self._put_value(literal[0], position, literal[1])


_MAX_DIGITS = 6  # of the number of a step or a line
_STEP = re.compile(rf"\(?(\d{{1,{_MAX_DIGITS}}})\)?(?!\w)(?!\.\d)")


@functools.lru_cache(maxsize=4096)
def _is_code(text: str) -> bool:
  """Whether a quoted text is a statement or the head of one, rather than a value, a name or words."""
  if _KEYWORD.match(text) and (text.endswith(":") or text.split(" ")[0] in ("return", "break", "continue", "pass")):
    return True
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      body = ast.parse(text).body
  except (SyntaxError, ValueError, RecursionError, MemoryError):
    return False
  return bool(body) and not isinstance(body[0], ast.Expr)
