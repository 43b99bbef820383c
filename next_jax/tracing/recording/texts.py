"""Texts: values as they are written in a comment, on one line, cut to a width, the same on every run.

Written without running the program's code (see `reading`): no `__repr__` or `__str__` of the program, no addresses,
sets in an order that does not depend on hashes.
"""

import array
import collections
import enum
import fractions
import types
from typing import Any

from next_jax.tracing import shortening
from next_jax.tracing.recording import reading
from next_jax.tracing.recording import values

_MAX_DEPTH = 12
_MAX_INT_BITS = 2_000  # wider integers are not written out: that takes quadratic time
# Bytes that `marshal` takes for a list of atoms in which no int is too wide: its own text will do, if it is no longer
# than it may be.
SHORT = _MAX_INT_BITS // 8


def write(value: Any, max_chars: int, mark: Any = None) -> str:
  """The text of a value in a comment: one line, at most about `max_chars` characters, the same on every run.

  mark: the value's fingerprint, where it is known.
  """
  kind = type(value)
  if kind is int:
    if -(10**15) < value < 10**15:
      return repr(value)
  elif kind is str:
    if len(value) <= max_chars:
      text = repr(value)
      if len(text) <= max_chars:
        return text
  elif kind in reading.OWN_TEXT:
    return shortening.cut(repr(value), max_chars)
  elif kind in reading.CONTAINERS:
    if mark is None and len(value) <= max_chars:
      mark = values.fingerprint(value)
    # What marshal takes has no foreign code, so Python's own text is safe; < and > may mark a set, which has no order.
    if type(mark) is bytes and len(mark) <= 5 * max_chars and b"<" not in mark and b">" not in mark:
      try:
        text = repr(value)
      except ValueError:  # an int with more digits than Python writes out
        text = None
      if text is not None and len(text) <= max_chars:
        return text
  return shortening.cut(_Writer(max_chars).write(value, max_chars, 0), max_chars)


def write_exception(error: BaseException, max_chars: int) -> str:
  """`IndexError: list index out of range`, as Python would say it, on one line."""
  kind = type(error)
  name = reading.type_name(kind)
  arguments = reading.get(error, BaseException, "args")
  message = None
  own_text = reading.lookup(kind, "__str__")
  if type(own_text) is types.WrapperDescriptorType and all(type(item) in values.FLAT for item in arguments):
    if not any(type(item) is int and item.bit_length() > _MAX_INT_BITS for item in arguments):
      message = own_text(error)
  if message is None:
    message = write(arguments[0] if len(arguments) == 1 else arguments, max_chars) if arguments else ""
  message = shortening.cut(message, max_chars)
  if not message.isprintable():
    message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
  return f"{name}: {message}" if message else name


class _Writer:
  """Writes one value; remembers which containers it is inside of."""

  def __init__(self, max_chars: int):
    self._max_chars = max_chars
    self._inside: set[int] = set()
    self._left = max_chars // 2 + 50  # values to write: nested ones that do not fit are not written to their end

  def write(self, value: Any, room: int, depth: int) -> str:
    kind = type(value)
    if kind is int:
      return _write_int(value, room)
    if kind is str:
      return _write_string(value, room)
    if kind in reading.OWN_TEXT:
      return repr(value)
    if kind is bytes or kind is bytearray:
      return _write_bytes(value, room)
    self._left -= 1
    if id(value) in self._inside or depth > _MAX_DEPTH or self._left < 0:
      return shortening.ELLIPSIS
    self._inside.add(id(value))
    try:
      return self._write_parts(value, kind, max(room, 1), depth)
    finally:
      self._inside.discard(id(value))

  def _write_parts(self, value: Any, kind: type, room: int, depth: int) -> str:
    if kind is list:
      return "[" + self._join(value, room - 2, depth) + "]"
    if kind is tuple:
      text = self._join(value, room - 2, depth)
      return f"({text},)" if len(value) == 1 else f"({text})"
    if kind is dict:
      return "{" + self._join_pairs(list(value.items()), ": ", room - 2, depth) + "}"
    if kind is set:
      return "{" + self._join_set(value, room - 2, depth) + "}" if value else "set()"
    if kind in reading.NAMED:
      name = getattr(value, "__name__", None)
      is_shown = type(name) is str and name.isprintable()
      return f"<{reading.NAMED[kind]} {name}>" if is_shown else f"<{reading.NAMED[kind]}>"
    if kind in reading.VIEWS:
      return f"{reading.VIEWS[kind]}([{self._join(list(value), room - 14, depth)}])"
    if kind is types.MethodType:
      return f"<method {getattr(value.__func__, '__name__', '')}>"
    name = reading.type_name(kind)
    if reading.is_instance(value, type):
      return f"<class {reading.type_name(value)}>"
    if kind is array.array:
      return f"array({value.typecode!r}, [{self._join(value.tolist(), room - 12, depth)}])"
    if kind is fractions.Fraction:
      return f"Fraction({value.numerator}, {value.denominator})"
    return self._write_instance(value, kind, name, room - len(name) - 2, depth)

  def _write_instance(self, value: Any, kind: type, name: str, room: int, depth: int) -> str:
    attributes = reading.attributes(value)
    mro = reading.mro(kind)
    if any(ancestor is enum.Enum for ancestor in mro):
      for attribute, item in attributes:
        if attribute == "_name_" and type(item) is str:
          return f"{name}.{item}"
    base = reading.built_in_base(kind)
    parts = []
    if base is tuple:
      fields = reading.lookup(kind, "_fields")
      items = reading.items(value, tuple)
      if type(fields) is tuple and len(fields) == len(items) and all(type(field) is str for field in fields):
        return f"{name}({self._join_pairs(list(zip(fields, items, strict=True)), '=', room, depth)})"
      parts.append("(" + self._join(items, room, depth) + ("," if len(items) == 1 else "") + ")")
    elif base is dict:
      parts.append("{" + self._join_pairs(reading.items(value, dict), ": ", room, depth) + "}")
    elif base in (list, collections.deque):
      parts.append("[" + self._join(reading.items(value, base), room, depth) + "]")
    elif base in (set, frozenset):
      elements = reading.items(value, base)
      parts.append("{" + self._join_set(elements, room, depth) + "}" if elements else "")
    elif base is int:
      parts.append(_write_int(int.__index__(value), room))
    elif base in (float, complex):
      parts.append(base.__repr__(value))
    elif base is str:
      parts.append(_write_string(str.__str__(value), room))
    elif base is not None:
      parts.append(_write_bytes(bytes(memoryview(value)), room))
    elif any(ancestor is BaseException for ancestor in mro):
      parts.append(self._join(reading.get(value, BaseException, "args"), room, depth))
    elif not reading.is_from_class_statement(kind) or (not attributes and not reading.has_attributes(kind)):
      return f"<{name}>"
    if attributes:
      parts.append(self._join_pairs(attributes, "=", room, depth))
    return f"{name}({', '.join(part for part in parts if part)})"

  def _join(self, items: Any, room: int, depth: int) -> str:
    return _abridge(len(items), lambda i, left: self.write(items[i], left, depth + 1), room)

  def _join_pairs(self, pairs: list[tuple[Any, Any]], sign: str, room: int, depth: int) -> str:
    def write_pair(i: int, left: int) -> str:
      key, item = pairs[i]
      key_text = key if sign == "=" else self.write(key, left // 2, depth + 1)
      return key_text + sign + self.write(item, left - len(key_text) - len(sign), depth + 1)

    return _abridge(len(pairs), write_pair, room)

  def _join_set(self, elements: Any, room: int, depth: int) -> str:
    """The elements in an order that does not depend on hashes: natural for numbers and strings, else by text."""
    elements = list(elements)
    kinds = set(map(type, elements))
    if kinds <= {int, bool} or kinds == {str}:
      elements.sort()
      return self._join(elements, room, depth)
    texts = sorted(self.write(element, self._max_chars, depth + 1) for element in elements)
    return _abridge(len(texts), lambda i, left: shortening.cut(texts[i], left), room)


def _abridge(count: int, write_item: Any, room: int) -> str:
  """Items from the front while there is room, `...`, and the last one."""
  if count == 0:
    return ""
  room = max(room, 4)
  last = None
  texts: list[str] = []
  used = 0
  for i in range(count):
    text = write_item(i, room)
    used += len(text) + 2
    if used - 2 > room:
      break
    texts.append(text)
  else:
    return ", ".join(texts)
  last = shortening.cut(write_item(count - 1, room // 2), max(room // 2, 5))
  if count == 1:
    return shortening.cut(text, room)
  used -= len(text) + 2
  while texts and used + len(last) + len(shortening.ELLIPSIS) + 2 > room:
    used -= len(texts.pop()) + 2
  if len(texts) == count - 1:
    return ", ".join([*texts, last])
  return ", ".join([*texts, shortening.ELLIPSIS, last])


def _write_int(value: int, room: int) -> str:
  if value.bit_length() > _MAX_INT_BITS:
    return f"<int of {value.bit_length()} bits>"
  return shortening.cut(repr(value), max(room, 20))


def _write_string(value: str, room: int) -> str:
  if len(value) <= room:
    text = repr(value)
    if len(text) <= room + 2:
      return text
  room = max(room - 2 - len(shortening.ELLIPSIS), 4)
  size = room // 3
  head, tail = value[: room - size], value[-size:]
  quote = repr(head + tail)[0]
  return quote + _inside_quotes(head, quote) + shortening.ELLIPSIS + _inside_quotes(tail, quote) + quote


def _inside_quotes(value: str, quote: str) -> str:
  text = repr(value)
  return text[1:-1] if text[0] == quote else text[1:-1].replace(quote, "\\" + quote)


def _write_bytes(value: Any, room: int) -> str:
  if len(value) <= room:
    return repr(value)
  return shortening.cut(repr(value[:room]), max(room, 10))
