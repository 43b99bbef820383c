"""Plain data: Python values as tagged JSON, so that a program's results can be judged in another process.

None, bool, int, float and str stand for themselves, and a list is a JSON list. Everything else is an
object with one key, the tag: `{"tuple": [1, 2]}`. Only exact types are plain: a value of a subclass of
int may have attributes, and compares as it likes where it was made. Values that are not plain go to the
`foreign` callback of either side; `held` gives the plain value inside one.
"""

import builtins
import collections
from collections.abc import Callable
from typing import Any

_ATOMS = frozenset((type(None), bool, int, float, str))
# Larger ints travel as hexadecimal, which takes linear time in their length; decimal does not.
_LARGEST_INT = 1 << 63
# In shorter lists, looking at each item is faster than asking whether that can be skipped.
_LONG_LIST = 16

# Built-in types are plain too: both sides have them, by name.
_TYPES = {name: value for name, value in vars(builtins).items() if isinstance(value, type)}

_FACTORIES = {factory.__name__: factory for factory in (list, int, set, dict, str, float, tuple, bool)}


class NotPlain(ValueError):
  """A value has no tagged form."""


class Malformed(ValueError):
  """A message is not tagged JSON; only a program that writes its own replies sends one."""


def encode(value: Any, foreign: Callable[[Any], Any]) -> Any:
  """Tagged JSON for a value. `foreign` gives a form for values that are not plain, or raises NotPlain."""
  kind = type(value)
  if kind is int:
    return value if -_LARGEST_INT < value < _LARGEST_INT else {"int": hex(value)}
  if kind in _ATOMS:
    return value
  if kind is list:
    return _encode_all(value, foreign)
  encoder = _ENCODERS.get(kind)
  if encoder is not None:
    return {kind.__name__: encoder(value, foreign)}
  name = f"{kind.__module__}.{kind.__qualname__}"
  encoder = _ENCODERS_BY_NAME.get(name)
  if encoder is not None:
    return {name: encoder(value, foreign)}
  if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
    return encode(value.item(), foreign)  # compared as the Python number that it stands for
  if kind is type and _TYPES.get(value.__name__) is value:
    return {"type": value.__name__}  # type: ignore[union-attr]  # a type
  return foreign(value)


def decode(value: Any, foreign: Callable[[str, Any], Any]) -> Any:
  """The value for tagged JSON; tags that are not plain go to `foreign(tag, payload)`.

  Raises Malformed, whatever is wrong with the JSON.
  """
  try:
    return _decode(value, foreign)
  except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
    raise Malformed(f"{type(error).__name__}: {error}") from None


def update(old: Any, new: Any) -> Any:
  """Makes the mutable containers in `old` equal to those in `new`, keeping their identities.

  Returns what then stands for `new`: `old` itself if it could be changed into it.
  """
  kind = type(old)
  if kind is not type(new):
    return new
  if kind is list:
    both = min(len(old), len(new))
    old[:both] = map(update, old[:both], new)
    old[both:] = new[both:]
  elif kind in _MAPPINGS:
    items = [(key, update(old[key], item) if key in old else item) for key, item in new.items()]
    old.clear()
    for key, item in items:
      old[key] = item
  elif kind is set:
    old.clear()
    old |= new
  elif kind is collections.deque:
    items = [*map(update, old, new), *list(new)[len(old) :]]
    old.clear()
    old.extend(items)
  elif kind is bytearray:
    old[:] = new
  elif kind is tuple and len(old) == len(new):
    return tuple(map(update, old, new))
  else:
    return new
  return old


def built_in(kind: type) -> type | None:
  """The type in IMMUTABLE or MUTABLE from which a class is derived; None if there is none."""
  return next((base for base in kind.__mro__ if base in _HELD), None)


def held(value: Any) -> Any:
  """The int inside a value of a subclass of int, and so on, whatever that class overrides.

  Raises NotPlain for an object whose class is derived from no such type.
  """
  base = built_in(type(value))
  if base is None:
    raise NotPlain(type(value).__name__)
  return _HELD[base](value)  # type: ignore[operator]  # each reads a value of its own type


# The types of collections are derived from dict, which decides on their equality; so only dict is here.
IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)
MUTABLE = (list, dict, set, bytearray)

_HELD = {
    int: int.__index__,
    float: float.__float__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    list: list.copy,
    dict: dict.copy,
    set: lambda value: set(set.__iter__(value)),
    bytearray: lambda value: bytearray.__getitem__(value, slice(None)),
}


def may_change(value: Any) -> bool:
  """Whether a call could change this argument in place."""
  kind = type(value)
  if kind is tuple:
    return any(map(may_change, value))
  return kind in _MUTABLE


_MAPPINGS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_MUTABLE = frozenset((list, set, bytearray, collections.deque, *_MAPPINGS))


def _encode_all(values, foreign):
  values = list(values)
  if len(values) > _LONG_LIST:
    kinds = set(map(type, values))
    if kinds <= _ATOMS:
      if int not in kinds:
        return values
      if len(kinds) == 1 and -_LARGEST_INT < min(values) and max(values) < _LARGEST_INT:
        return values
  return [encode(value, foreign) for value in values]


def _encode_pairs(value, foreign):
  return [_encode_all(value.keys(), foreign), _encode_all(value.values(), foreign)]


def _encode_defaultdict(value, foreign):
  factory = value.default_factory
  name = factory.__name__ if factory in _FACTORIES.values() else None
  return [name, *_encode_pairs(value, foreign)]


def _encode_timedelta(value, foreign):
  return [value.days, value.seconds, value.microseconds]


_ENCODERS = {
    tuple: _encode_all,
    dict: _encode_pairs,
    set: _encode_all,
    frozenset: _encode_all,
    bytes: lambda value, _: value.hex(),
    bytearray: lambda value, _: value.hex(),
    complex: lambda value, _: [value.real, value.imag],
    range: lambda value, foreign: _encode_all((value.start, value.stop, value.step), foreign),
    slice: lambda value, foreign: _encode_all((value.start, value.stop, value.step), foreign),
    type({}.keys()): _encode_all,
    type({}.values()): _encode_all,
    type({}.items()): _encode_all,
    type(Ellipsis): lambda value, _: None,
    type(NotImplemented): lambda value, _: None,
}

_ENCODERS_BY_NAME = {
    "collections.deque": lambda value, foreign: [_encode_all(value, foreign), value.maxlen],
    "collections.Counter": _encode_pairs,
    "collections.OrderedDict": _encode_pairs,
    "collections.defaultdict": _encode_defaultdict,
    "array.array": lambda value, foreign: [value.typecode, _encode_all(value, foreign)],
    "datetime.datetime": lambda value, _: value.isoformat(),
    "datetime.date": lambda value, _: value.isoformat(),
    "datetime.time": lambda value, _: value.isoformat(),
    "datetime.timedelta": _encode_timedelta,
    "decimal.Decimal": lambda value, _: str(value),
    "fractions.Fraction": lambda value, foreign: _encode_all((value.numerator, value.denominator), foreign),
}


def _decode(value, foreign):
  kind = type(value)
  if kind is list:
    return _decode_all(value, foreign)
  if kind is dict:
    ((tag, payload),) = value.items()
    decoder = _DECODERS.get(tag)
    return foreign(tag, payload) if decoder is None else decoder(payload, foreign)
  return value


def _decode_all(values, foreign):
  if type(values) is not list:
    raise TypeError(f"expected a list, found {type(values).__name__}")
  if len(values) > _LONG_LIST and set(map(type, values)) <= _ATOMS:
    return values
  return [_decode(value, foreign) for value in values]


def _decode_dict(payload, foreign):
  keys, values = payload
  keys, values = _decode_all(keys, foreign), _decode_all(values, foreign)
  if len(keys) != len(values):
    raise ValueError(f"{len(keys)} keys and {len(values)} values")
  # One by one: colliding keys can make this quadratic, and between two of them a timer can end it.
  result = {}
  for key, value in zip(keys, values, strict=True):
    result[key] = value
  return result


def _decode_set(payload, foreign):
  result = set()
  for item in _decode_all(payload, foreign):
    result.add(item)
  return result


def _decode_int(payload, foreign):
  return int(_string(payload), 16)


def _string(payload):
  if type(payload) is not str:
    raise TypeError(f"expected a string, found {type(payload).__name__}")
  return payload


def _decode_defaultdict(payload, foreign):
  name, *pairs = payload
  return collections.defaultdict(None if name is None else _FACTORIES[name], _decode_dict(pairs, foreign))


def _decode_deque(payload, foreign):
  items, length = payload
  return collections.deque(_decode_all(items, foreign), length)


def _decode_counter(payload, foreign):
  counter = collections.Counter()
  counter.update(_decode_dict(payload, foreign))
  return counter


def _decode_array(payload, foreign):
  import array

  typecode, items = payload
  return array.array(_string(typecode), _decode_all(items, foreign))


def _decode_datetime(payload, foreign):
  import datetime

  return datetime.datetime.fromisoformat(_string(payload))


def _decode_date(payload, foreign):
  import datetime

  return datetime.date.fromisoformat(_string(payload))


def _decode_time(payload, foreign):
  import datetime

  return datetime.time.fromisoformat(_string(payload))


def _decode_timedelta(payload, foreign):
  import datetime

  days, seconds, microseconds = payload
  return datetime.timedelta(days, seconds, microseconds)


def _decode_decimal(payload, foreign):
  import decimal

  return decimal.Decimal(_string(payload))


def _decode_fraction(payload, foreign):
  import fractions

  numerator, denominator = _decode_all(payload, foreign)
  return fractions.Fraction(numerator, denominator)


def _decode_complex(payload, foreign):
  real, imaginary = payload
  return complex(real, imaginary)


_DECODERS = {
    "int": _decode_int,
    "tuple": lambda payload, foreign: tuple(_decode_all(payload, foreign)),
    "dict": _decode_dict,
    "set": _decode_set,
    "frozenset": lambda payload, foreign: frozenset(_decode_set(payload, foreign)),
    "bytes": lambda payload, foreign: bytes.fromhex(_string(payload)),
    "bytearray": lambda payload, foreign: bytearray.fromhex(_string(payload)),
    "complex": _decode_complex,
    "type": lambda payload, foreign: _TYPES[_string(payload)],
    "range": lambda payload, foreign: range(*_decode_all(payload, foreign)),
    "slice": lambda payload, foreign: slice(*_decode_all(payload, foreign)),
    "dict_keys": lambda payload, foreign: _decode_dict([payload, [None] * len(payload)], foreign).keys(),
    "dict_values": lambda payload, foreign: dict(enumerate(_decode_all(payload, foreign))).values(),
    "dict_items": lambda payload, foreign: dict(_decode_all(payload, foreign)).items(),
    "ellipsis": lambda payload, foreign: Ellipsis,
    "NotImplementedType": lambda payload, foreign: NotImplemented,
    "collections.deque": _decode_deque,
    "collections.Counter": _decode_counter,
    "collections.OrderedDict": lambda payload, foreign: collections.OrderedDict(_decode_dict(payload, foreign)),
    "collections.defaultdict": _decode_defaultdict,
    "array.array": _decode_array,
    "datetime.datetime": _decode_datetime,
    "datetime.date": _decode_date,
    "datetime.time": _decode_time,
    "datetime.timedelta": _decode_timedelta,
    "decimal.Decimal": _decode_decimal,
    "fractions.Fraction": _decode_fraction,
}
