"""Values of a running program: seeing that one changed, without running the program's code.

No `__eq__`, `__hash__` or `__repr__` of the program is called (see `reading`), so watching a program cannot change
what it does. A fingerprint holds the whole value: a change in the middle of a long one is seen also where its text
(see `texts`) cannot show it.
"""

import array
import collections
import marshal
import types
from typing import Any

from next_jax.tracing.recording import reading

# Immutable, compared by == without surprises: their own fingerprint. Not float (-0.0, NaN), not bytes (see below).
ATOMS = frozenset({int, str, bool, types.NoneType})
# What marshal writes without going further down.
FLAT = frozenset({int, str, bool, types.NoneType, float, complex, bytes, type(Ellipsis)})

_MARSHAL_VERSION = 2  # the last without references, whose bytes depend on reference counts
_MAX_NODES = 100_000  # of a value that marshal does not take: what lies beyond is not watched
_MAX_DEPTH = 40  # of such a value
_ELSEWHERE = "..."


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
  elif kind in reading.CONTAINERS:
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
    if kind not in reading.CONTAINERS or depth > 20:
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
  if kind is str or kind is bytes or kind in reading.CONTAINERS:
    return len(value) > size or (type(mark) is bytes and len(mark) > 8 * size)
  return False


def unit(value: Any) -> str:
  """What `is_larger` counts in a value."""
  return {int: "bits", str: "characters", bytes: "bytes"}.get(type(value), "items")


def _scan(value: Any, tokens: list, met: dict[int, int], depth: int) -> None:
  """Appends to `tokens` what makes up the value; an object that was met before is the number it has in `met`.

  So what is shared, also with itself, is scanned once.
  """
  kind = type(value)
  tokens.append(id(kind))
  if kind in ATOMS:
    tokens.append(value)
  elif kind in reading.OWN_TEXT:
    tokens.append(repr(value))
  elif kind is bytes:
    tokens.append(value)
  elif id(value) in met:
    tokens.append(met[id(value)])
  elif depth > _MAX_DEPTH or len(tokens) > _MAX_NODES:
    tokens.append(_ELSEWHERE)
  else:
    met[id(value)] = len(met)
    _scan_parts(value, kind, tokens, met, depth + 1)


def _scan_parts(value: Any, kind: type, tokens: list, met: dict[int, int], depth: int) -> None:
  if kind in reading.NAMED or reading.is_instance(value, type):
    tokens.append(id(value))
    return
  if kind in reading.VIEWS:
    for item in list(value):
      _scan(item, tokens, met, depth)
    return
  if kind is array.array:
    tokens.append(value.tobytes())
    return
  base = reading.built_in_base(kind)
  if base is dict:
    items = reading.items(value, dict)
    tokens.append(len(items))
    for key, item in items:
      _scan(key, tokens, met, depth)
      _scan(item, tokens, met, depth)
  elif base in (set, frozenset):
    # A set has no order: scan elements apart and sort them by their text.
    parts = []
    for item in reading.items(value, base):
      own: list = []
      _scan(item, own, dict(met), depth)
      parts.append(tuple(own))
    parts.sort(key=repr)
    tokens.append(tuple(parts))
  elif base in (list, tuple, collections.deque):
    items = reading.items(value, base)
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
  if kind not in reading.CONTAINERS:
    if any(ancestor is BaseException for ancestor in reading.mro(kind)):
      _scan(reading.get(value, BaseException, "args"), tokens, met, depth)
    for name, item in reading.attributes(value):
      tokens.append(name)
      _scan(item, tokens, met, depth)
