"""Values of a running program: seeing that one changed, and writing it, without running the program's code.

No `__repr__`, `__eq__`, `__hash__`, `__iter__` or property of the program is called: built-in containers, also
inside subclasses, are read through the built-in type's own methods, instances through the descriptors that Python
itself made for their dictionary and slots. So watching a program cannot change what it does.

A fingerprint holds the whole value, a text is cut to a width: a change in the middle of a long value is seen also
where the text cannot show it.
"""

import array
import collections
import datetime
import decimal
import enum
import fractions
import marshal
import types
from typing import Any

# Immutable, compared by == without surprises: their own fingerprint. Not float (-0.0, NaN), not bytes (see below).
ATOMS = frozenset({int, str, bool, types.NoneType})

# What marshal writes without going further down.
FLAT = frozenset({int, str, bool, types.NoneType, float, complex, bytes, type(Ellipsis)})
SEQUENCES = frozenset({list, tuple, set, frozenset})
_CONTAINERS = SEQUENCES | {dict}
_MARSHAL_VERSION = 2  # the last without references, whose bytes depend on reference counts
_MAX_NODES = 100_000  # of a value that marshal does not take: what lies beyond is not watched
_MAX_DEPTH = 40  # of such a value
_MAX_TEXT_DEPTH = 12
_MAX_INT_BITS = 2_000  # wider integers are not written out: that takes quadratic time
ELLIPSIS = "..."

# Types of the standard library whose text runs no foreign code and bears no address.
_OWN_TEXT = frozenset({
    bool, float, complex, types.NoneType, type(Ellipsis), type(NotImplemented), range, decimal.Decimal, datetime.date,
    datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone,
})
_VIEWS = {type({}.keys()): "dict_keys", type({}.values()): "dict_values", type({}.items()): "dict_items"}
_NAMED = {
    types.FunctionType: "function",
    types.BuiltinFunctionType: "built-in",
    types.ModuleType: "module",
}


def fingerprint(value: Any) -> Any:
  """Something that compares equal exactly when the value is the same in type and content.

  An atom is its own fingerprint, anything that `marshal` takes has its bytes, and the rest has a tuple.
  """
  kind = type(value)
  if kind in ATOMS:
    return value
  if kind in FLAT or is_plain(value, kind):
    try:
      return marshal.dumps(value, _MARSHAL_VERSION)
    except ValueError:  # nested more deeply than marshal goes
      pass
  tokens: list = []
  _scan(value, tokens, {}, 0)
  return tuple(tokens)


def is_plain(value: Any, kind: type, budget: int = 2_000, depth: int = 0) -> bool:
  """Whether a value is made of exact built-in containers and atoms, and is a tree that marshal can walk.

  Marshal would follow each way through a value that contains itself, so it may get only values that were seen
  to end: flat ones in one C loop, nested ones within a budget of containers.
  """
  if kind is dict:
    items = value.values()
    if not FLAT.issuperset(map(type, value)) and not all(is_plain(key, type(key), 50, 1) for key in list(value)):
      return False
  elif kind in _CONTAINERS:
    items = value
  else:
    return kind in FLAT
  if FLAT.issuperset(map(type, items)):
    return True
  return depth < 20 and _count_plain(items, budget, depth) > 0


def _count_plain(items: Any, budget: int, depth: int) -> int:
  """What is left of the budget of containers after `items`; not above 0: not plain, or too much."""
  for item in items:
    kind = type(item)
    if kind in FLAT:
      continue
    if kind not in _CONTAINERS or depth > 20:
      return 0
    budget -= 1
    if kind is dict:
      if not FLAT.issuperset(map(type, item)) and not all(is_plain(key, type(key), 50, depth) for key in list(item)):
        return 0
      item = item.values()
    if not FLAT.issuperset(map(type, item)):
      budget = _count_plain(item, budget, depth + 1)
    if budget <= 0:
      return 0
  return budget


def is_larger(value: Any, mark: Any, size: int) -> bool:
  """Whether an int has more than `size` bits, a text or built-in container more than `size` items, or all 8 times.

  mark: the value's fingerprint.
  """
  kind = type(value)
  if kind is int:
    return value.bit_length() > size
  if kind is str or kind is bytes or kind in _CONTAINERS:
    return len(value) > size or (type(mark) is bytes and len(mark) > 8 * size)
  return False


def unit(value: Any) -> str:
  """What `is_larger` counts in a value."""
  return {int: "bits", str: "characters", bytes: "bytes"}.get(type(value), "items")


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
  elif kind in _CONTAINERS:
    if mark is None and len(value) <= max_chars:
      mark = fingerprint(value)
    # marshal takes no foreign code, so Python's own text is safe; < and > may be the marks of a set, which has no order.
    if type(mark) is bytes and len(mark) <= 5 * max_chars and b"<" not in mark and b">" not in mark:
      text = repr(value)
      if len(text) <= max_chars:
        return text
  return cut(_Writer(max_chars).write(value, max_chars, 0), max_chars)


def cut(text: str, max_chars: int) -> str:
  """The text itself or, where it is too long, its beginning and its end, between items where there are some near."""
  if len(text) <= max_chars:
    return text
  room = max(max_chars - len(ELLIPSIS), 2)
  size = room // 3
  head, tail = text[: room - size], text[-size:] if size else ""
  head = head.split(ELLIPSIS, 1)[0]  # what was abridged before is abridged once
  tail = tail.rsplit(ELLIPSIS, 1)[-1]
  last, next_ = head.rfind(", "), tail.find(", ")
  if last > len(head) // 2 and 0 <= next_ < len(tail) // 2:
    head, tail = head[: last + 2], tail[next_:]
  return head + ELLIPSIS + tail


def write_exception(error: BaseException, max_chars: int) -> str:
  """`IndexError: list index out of range`, as Python would say it, on one line."""
  kind = type(error)
  name = _type_name(kind)
  arguments = _get(error, BaseException, "args")
  message = None
  own_text = _lookup(kind, "__str__")
  if type(own_text) is types.WrapperDescriptorType and all(type(item) in FLAT for item in arguments):
    if not any(type(item) is int and item.bit_length() > _MAX_INT_BITS for item in arguments):
      message = own_text(error)
  if message is None:
    message = write(arguments[0] if len(arguments) == 1 else arguments, max_chars) if arguments else ""
  message = cut(message, max_chars)
  if not message.isprintable():
    message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
  return f"{name}: {message}" if message else name


# -- reading without running the program's code --


def _mro(kind: type) -> tuple[type, ...]:
  return type.__dict__["__mro__"].__get__(kind)


def _namespace(kind: type) -> Any:
  return type.__dict__["__dict__"].__get__(kind)


def _lookup(kind: type, name: str) -> Any:
  """The attribute of a class as Python's own look-up of special methods finds it, descriptors left alone."""
  for ancestor in _mro(kind):
    namespace = _namespace(ancestor)
    if name in namespace:
      return namespace[name]
  return None


def _get(value: Any, base: type, name: str) -> Any:
  return _namespace(base)[name].__get__(value)


def _type_name(kind: type) -> str:
  name = type.__dict__["__name__"].__get__(kind)
  return name if name.isprintable() else ascii(name)


_LAYOUTS: dict[int, tuple[type, list, Any]] = {}  # by id: hashing a class may run code of its metaclass
_MAX_LAYOUTS = 256


def _attributes(value: Any) -> list[tuple[str, Any]]:
  """(name, value) of the slots and the instance dictionary, in the order of definition."""
  kind = type(value)
  known = _LAYOUTS.get(id(kind))
  if known is None or known[0] is not kind:
    if len(_LAYOUTS) >= _MAX_LAYOUTS:
      _LAYOUTS.clear()
    known = _LAYOUTS[id(kind)] = (kind, *_instance_layout(kind))
  _, slots, dictionary = known
  attributes = []
  for name, descriptor in slots:
    try:
      attributes.append((name, descriptor.__get__(value)))
    except AttributeError:  # the slot is empty
      pass
  if dictionary is not None:
    items = dictionary.__get__(value)
    if type(items) is dict:
      attributes.extend((name, item) for name, item in list(items.items()) if type(name) is str)
  return attributes


def _instance_layout(kind: type) -> tuple[list[tuple[str, Any]], Any]:
  """The descriptors that Python made for the slots and for the dictionary of a class's instances."""
  slots, dictionary = [], None
  for ancestor in reversed(_mro(kind)):
    namespace = _namespace(ancestor)
    for name, descriptor in list(namespace.items()):
      if type(descriptor) is types.MemberDescriptorType and _is_from_class_statement(ancestor):
        slots.append((name, descriptor))
      elif name == "__dict__" and type(descriptor) is types.GetSetDescriptorType:
        dictionary = descriptor
  return slots, dictionary


def _is_from_class_statement(kind: type) -> bool:
  flags = type.__dict__["__flags__"].__get__(kind)
  return flags & (1 << 9) and not flags & (1 << 8)  # HEAPTYPE and not IMMUTABLETYPE: made by a class statement


_BASES = (list, tuple, dict, set, frozenset, collections.deque, str, bytes, bytearray, int, float, complex)


def _built_in_base(kind: type) -> type | None:
  if kind in _CONTAINERS:
    return kind
  mro = _mro(kind)
  for base in _BASES:
    if any(base is ancestor for ancestor in mro):
      return base
  return None


def _items(value: Any, base: type) -> list:
  if base is dict:
    return list(dict.items(value))
  return list(base.__iter__(value))


def _scan(value: Any, tokens: list, met: dict[int, int], depth: int) -> None:
  """Appends to `tokens` what makes up the value; an object that was met before is the number it has in `met`.

  So what is shared, also with itself, is scanned once.
  """
  kind = type(value)
  tokens.append(id(kind))
  if kind in ATOMS:
    tokens.append(value)
  elif kind in _OWN_TEXT or kind is float or kind is complex:
    tokens.append(repr(value))
  elif kind is bytes:
    tokens.append(value)
  elif id(value) in met:
    tokens.append(met[id(value)])
  elif depth > _MAX_DEPTH or len(tokens) > _MAX_NODES:
    tokens.append(ELLIPSIS)
  else:
    met[id(value)] = len(met)
    _scan_parts(value, kind, tokens, met, depth + 1)


def _scan_parts(value: Any, kind: type, tokens: list, met: dict[int, int], depth: int) -> None:
  if kind in _NAMED or isinstance_exactly(value, type):
    tokens.append(id(value))
    return
  if kind in _VIEWS:
    for item in list(value):
      _scan(item, tokens, met, depth)
    return
  if kind is array.array:
    tokens.append(value.tobytes())
    return
  base = _built_in_base(kind)
  if base is dict:
    items = _items(value, dict)
    tokens.append(len(items))
    for key, item in items:
      _scan(key, tokens, met, depth)
      _scan(item, tokens, met, depth)
  elif base in (set, frozenset):
    # A set has no order: scan elements apart and sort them by their text.
    parts = []
    for item in _items(value, base):
      own: list = []
      _scan(item, own, dict(met), depth)
      parts.append(tuple(own))
    parts.sort(key=repr)
    tokens.append(tuple(parts))
  elif base in (list, tuple, collections.deque):
    items = _items(value, base)
    tokens.append(len(items))
    for item in items:
      _scan(item, tokens, met, depth)
  elif base is int:
    tokens.append(int.__index__(value))
  elif base in (float, complex):
    tokens.append(base.__repr__(value))
  elif base is str:
    tokens.append(str.__str__(value))
  elif base is not None:
    tokens.append(bytes(memoryview(value)))
  if kind not in _CONTAINERS:
    if any(ancestor is BaseException for ancestor in _mro(kind)):
      _scan(_get(value, BaseException, "args"), tokens, met, depth)
    for name, item in _attributes(value):
      tokens.append(name)
      _scan(item, tokens, met, depth)


def isinstance_exactly(value: Any, base: type) -> bool:
  """isinstance by the type alone: `__class__` may be the program's own."""
  return any(ancestor is base for ancestor in _mro(type(value)))


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
    if kind in _OWN_TEXT:
      return repr(value)
    if kind is bytes or kind is bytearray:
      return _write_bytes(value, room)
    self._left -= 1
    if id(value) in self._inside or depth > _MAX_TEXT_DEPTH or self._left < 0:
      return ELLIPSIS
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
    if kind in _NAMED:
      name = getattr(value, "__name__", None)
      return f"<{_NAMED[kind]} {name}>" if type(name) is str and name.isprintable() else f"<{_NAMED[kind]}>"
    if kind in _VIEWS:
      return f"{_VIEWS[kind]}([{self._join(list(value), room - 14, depth)}])"
    if kind is types.MethodType:
      return f"<method {getattr(value.__func__, '__name__', '')}>"
    name = _type_name(kind)
    if isinstance_exactly(value, type):
      return f"<class {_type_name(value)}>"
    if kind is array.array:
      return f"array({value.typecode!r}, [{self._join(value.tolist(), room - 12, depth)}])"
    if kind is fractions.Fraction:
      return f"Fraction({value.numerator}, {value.denominator})"
    return self._write_instance(value, kind, name, room - len(name) - 2, depth)

  def _write_instance(self, value: Any, kind: type, name: str, room: int, depth: int) -> str:
    attributes = _attributes(value)
    mro = _mro(kind)
    if any(ancestor is enum.Enum for ancestor in mro):
      for attribute, item in attributes:
        if attribute == "_name_" and type(item) is str:
          return f"{name}.{item}"
    base = _built_in_base(kind)
    parts = []
    if base is tuple:
      fields = _lookup(kind, "_fields")
      items = _items(value, tuple)
      if type(fields) is tuple and len(fields) == len(items) and all(type(field) is str for field in fields):
        return f"{name}({self._join_pairs(list(zip(fields, items)), '=', room, depth)})"
      parts.append("(" + self._join(items, room, depth) + ("," if len(items) == 1 else "") + ")")
    elif base is dict:
      parts.append("{" + self._join_pairs(_items(value, dict), ": ", room, depth) + "}")
    elif base in (list, collections.deque):
      parts.append("[" + self._join(_items(value, base), room, depth) + "]")
    elif base in (set, frozenset):
      elements = _items(value, base)
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
      parts.append(self._join(_get(value, BaseException, "args"), room, depth))
    elif not _is_from_class_statement(kind) or (not attributes and not _has_instance_state(kind)):
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
    return _abridge(len(texts), lambda i, left: cut(texts[i], left), room)


def _has_instance_state(kind: type) -> bool:
  """Whether instances have attributes of their own: an empty `Node()` differs from an opaque `<lock>`."""
  slots, dictionary = _instance_layout(kind)
  return bool(slots) or dictionary is not None


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
  last = cut(write_item(count - 1, room // 2), max(room // 2, 5))
  if count == 1:
    return cut(text, room)
  used -= len(text) + 2
  while texts and used + len(last) + len(ELLIPSIS) + 2 > room:
    used -= len(texts.pop()) + 2
  if len(texts) == count - 1:
    return ", ".join([*texts, last])
  return ", ".join([*texts, ELLIPSIS, last])


def _write_int(value: int, room: int) -> str:
  if value.bit_length() > _MAX_INT_BITS:
    return f"<int of {value.bit_length()} bits>"
  return cut(repr(value), max(room, 20))


def _write_string(value: str, room: int) -> str:
  if len(value) <= room:
    text = repr(value)
    if len(text) <= room + 2:
      return text
  room = max(room - 2 - len(ELLIPSIS), 4)
  size = room // 3
  head, tail = value[: room - size], value[-size:]
  quote = repr(head + tail)[0]
  return quote + _inside_quotes(head, quote) + ELLIPSIS + _inside_quotes(tail, quote) + quote


def _inside_quotes(value: str, quote: str) -> str:
  text = repr(value)
  return text[1:-1] if text[0] == quote else text[1:-1].replace(quote, "\\" + quote)


def _write_bytes(value: Any, room: int) -> str:
  if len(value) <= room:
    return repr(value)
  return cut(repr(value[:room]), max(room, 10))
