"""Literals: Python values as people and models write them in prose, and whether two of them are the same."""

import ast
import dataclasses
import re
from typing import Any
import warnings

from next_jax.tracing import shortening
from next_jax.tracing.annotation import readback

MAX_LENGTH = 10_000  # maximum characters of a value; a longer one counts as abridged
MAX_WRITTEN = 600  # characters of a value in prose, which quotes a trace whose values are shorter

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_STRING = re.compile(r"""[bB]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")""")
_NUMBER = re.compile(r"-?(?:\d+\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w%])(?!\.\d)")
_CONSTANT = re.compile(r"(?:None|True|False|set\(\))(?!\w)")
_OBJECT = re.compile(r"(?:[A-Z]\w*|deque|frozenset|array|range|dict_(?:keys|values|items))(?=\()")
_EMPTY = re.compile(r"(?:an? |the )?empty (list|string|str|dictionary|dict|tuple|set|text|map)(?!\w)", re.IGNORECASE)
_EMPTIES = {
    "list": [], "string": "", "str": "", "text": "", "dictionary": {}, "dict": {}, "map": {}, "tuple": (), "set": set(),
}
_WORDS = {"none": None, "nothing": None, "null": None, "true": True, "false": False, "zero": 0}

# The words for types, and which types a value of that name has; `int` for a "number" is as right as `float`.
TYPES: dict[str, frozenset[str]] = {
    word: frozenset(kinds.split())
    for words, kinds in (
        ("int integer", "int"), ("float", "float"), ("number", "int float"), ("string str", "str"),
        ("bool boolean", "bool"), ("list array", "list"), ("dict dictionary map mapping", "dict"), ("tuple", "tuple"),
        ("set", "set frozenset"), ("NoneType None", "NoneType"),
    )
    for word in words.split()
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Literal:
  """A value as it is written.

  Attributes:
    text: The value as written, or in Python where words said it.
    value: The Python value; only where `is_exact`.
    is_exact: Whether the text is the whole of a value that Python reads without running code: not one with a part
      left out (`[1, ..., 9]`), not an object (`Node(1)`).
  """

  text: str
  value: Any = dataclasses.field(default=None, compare=False)  # the text says as much, and has a hash
  is_exact: bool = False

  @property
  def type_names(self) -> frozenset[str] | None:
    """Types that the value may have, from its text; None where that is unknown."""
    if self.is_exact:
      return frozenset({type(self.value).__name__})
    head = self.text[:1]
    if head == "[":
      return frozenset({"list"})
    if head == "{":
      return frozenset({"dict", "set"})
    if head in "'\"":
      return frozenset({"str"})
    return frozenset({"tuple"}) if head == "(" else None


def of_text(text: str) -> Literal:
  """The literal of a text that is one value, such as those of a trace."""
  if shortening.ELLIPSIS not in text and len(text) <= MAX_LENGTH:
    try:
      with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python's style: `'\d'`
        return Literal(text=text, value=ast.literal_eval(text), is_exact=True)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
      pass
    if text == "set()":
      return Literal(text=text, value=set(), is_exact=True)
  return Literal(text=text)


def of_word(word: str) -> Literal | None:
  """"nothing" is None, "zero" is 0, "an empty list" is []; None for a word that is no value."""
  if word.lower() in _WORDS:
    value = _WORDS[word.lower()]
    return Literal(text=repr(value), value=value, is_exact=True)
  return None


def read(text: str, start: int) -> tuple[Literal, int] | None:
  """The literal that begins at `start` and where it ends; None when there is none."""
  head = text[start]
  if head in "'\"" or (head in "bB" and text[start + 1 : start + 2] in ("'", '"')):
    match = _STRING.match(text, start)
  elif head in _CLOSING:
    return _read_brackets(text, start, start)
  elif head.isdigit() or head == "-":
    match = _NUMBER.match(text, start)
  elif head in "NTFs" and _CONSTANT.match(text, start):
    match = _CONSTANT.match(text, start)
  else:
    empty = _EMPTY.match(text, start)
    if empty:
      value = _EMPTIES[empty.group(1).lower()]
      return Literal(text=repr(value), value=value, is_exact=True), empty.end()
    named = _OBJECT.match(text, start)
    return _read_brackets(text, start, named.end()) if named else None
  if match is None or match.end() - start > MAX_WRITTEN:
    return None
  return of_text(match.group()), match.end()


def closing(text: str, start: int) -> int | None:
  """Where the bracket that opens at `start` ends, strings skipped; None when it does not."""
  expected: list[str] = []
  position, limit = start, min(len(text), start + MAX_WRITTEN)
  while position < limit:
    char = text[position]
    if char in _CLOSING:
      expected.append(_CLOSING[char])
    elif char in ")]}":
      if not expected or char != expected.pop():
        return None
      if not expected:
        return position + 1
    elif char in "'\"":
      string = _STRING.match(text, position)
      if string:
        position = string.end()
        continue
    position += 1
  return None


def _read_brackets(text: str, start: int, bracket: int) -> tuple[Literal, int] | None:
  end = closing(text, bracket)
  if end is None:
    return None
  literal = of_text(text[start:end])
  if literal.is_exact or shortening.ELLIPSIS in literal.text or bracket > start:
    return literal, end
  return None


def same(claimed: Literal, actual: Literal) -> bool | None:
  """Whether a claimed value is the actual one; None where what was left out of one of them decides.

  A number may be rounded (0.67 is 0.6666666666666666), and 4 is 4.0; but 1 is not True.
  """
  if claimed.is_exact and actual.is_exact:
    return _equal(claimed.value, actual.value, claimed.text)
  if claimed.text == actual.text:
    return True
  left, right = claimed.type_names, actual.type_names
  if left is not None and right is not None and not left & right:
    return False
  if not claimed.is_exact and shortening.ELLIPSIS in claimed.text:
    return True if readback.is_shortened(claimed.text, actual.text) else None
  if shortening.ELLIPSIS in actual.text and claimed.is_exact:
    return None if readback.is_shortened(actual.text, repr(claimed.value)) else False
  return None


def _equal(claimed: Any, actual: Any, text: str) -> bool:
  if isinstance(claimed, bool) != isinstance(actual, bool):
    return False
  if isinstance(claimed, float) and isinstance(actual, float):
    digits = len(text.partition(".")[2])
    if "e" not in text and "E" not in text and 0 < digits < 15:
      return round(actual, digits) == claimed
  try:
    return bool(claimed == actual)
  except RecursionError:
    return False
