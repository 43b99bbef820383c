"""Reading the objects of a program without running the program's code.

Nothing here looks an attribute up as the program would: classes are read through `type`'s own descriptors, instances
through the descriptors that Python made for their dictionary and slots, built-in containers, also inside subclasses,
through the built-in type's own methods. So no `__getattribute__`, property or `__iter__` of the program runs. (Only the
`__hash__` of a metaclass may: types are looked up in sets.)
"""

import collections
import ctypes
import datetime
import decimal
import sys
import types
from typing import Any

SEQUENCES = frozenset({list, tuple, set, frozenset})
CONTAINERS = SEQUENCES | {dict}
VIEWS = {type({}.keys()): "dict_keys", type({}.values()): "dict_values", type({}.items()): "dict_items"}
NAMED = {
    types.FunctionType: "function",
    types.BuiltinFunctionType: "built-in",
    types.ModuleType: "module",
}
# Types of the standard library whose own text runs no foreign code and bears no address.
OWN_TEXT = frozenset({
    bool, float, complex, types.NoneType, type(Ellipsis), type(NotImplemented), range, decimal.Decimal, datetime.date,
    datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone,
})

_BASES = (list, tuple, dict, set, frozenset, collections.deque, str, bytes, bytearray, int, float, complex)


def mro(kind: type) -> tuple[type, ...]:
  """The class and its ancestors."""
  return type.__dict__["__mro__"].__get__(kind)


def namespace(kind: type) -> Any:
  """What the class itself defines, read only."""
  return type.__dict__["__dict__"].__get__(kind)


def lookup(kind: type, name: str) -> Any:
  """The attribute of a class as Python's own look-up of special methods finds it, descriptors left alone."""
  for ancestor in mro(kind):
    names = namespace(ancestor)
    if name in names:
      return names[name]
  return None


def get(value: Any, base: type, name: str) -> Any:
  """An attribute of a value as its built-in base defines it."""
  return namespace(base)[name].__get__(value)


def type_name(kind: type) -> str:
  name = type.__dict__["__name__"].__get__(kind)
  return name if name.isprintable() else ascii(name)


_LAYOUTS: dict[int, tuple[type, list, Any]] = {}  # by id: hashing a class may run code of its metaclass
_MAX_LAYOUTS = 256


def attributes(value: Any) -> list[tuple[str, Any]]:
  """(name, value) of the slots and the instance dictionary, in the order of definition."""
  kind = type(value)
  known = _LAYOUTS.get(id(kind))
  if known is None or known[0] is not kind:
    if len(_LAYOUTS) >= _MAX_LAYOUTS:
      _LAYOUTS.clear()
    known = _LAYOUTS[id(kind)] = (kind, *_instance_layout(kind))
  _, slots, dictionary = known
  found = []
  for name, descriptor in slots:
    try:
      found.append((name, descriptor.__get__(value)))
    except AttributeError:  # the slot is empty
      pass
  if dictionary is not None:
    own = dictionary.__get__(value)
    if type(own) is dict:
      found.extend((name, item) for name, item in list(own.items()) if type(name) is str)
  return found


def _instance_layout(kind: type) -> tuple[list[tuple[str, Any]], Any]:
  """The descriptors that Python made for the slots and for the dictionary of a class's instances."""
  slots, dictionary = [], None
  for ancestor in reversed(mro(kind)):
    for name, descriptor in list(namespace(ancestor).items()):
      if type(descriptor) is types.MemberDescriptorType and is_from_class_statement(ancestor):
        slots.append((name, descriptor))
      elif name == "__dict__" and type(descriptor) is types.GetSetDescriptorType:
        dictionary = descriptor
  return slots, dictionary


def is_from_class_statement(kind: type) -> bool:
  """Whether the program or a library in Python made the class, rather than C."""
  flags = type.__dict__["__flags__"].__get__(kind)
  return bool(flags & (1 << 9)) and not flags & (1 << 8)  # Py_TPFLAGS_HEAPTYPE, Py_TPFLAGS_IMMUTABLETYPE


def built_in_base(kind: type) -> type | None:
  """The built-in type whose methods read the content of the class's instances."""
  if kind in CONTAINERS:
    return kind
  ancestors = mro(kind)
  for base in _BASES:
    if any(base is ancestor for ancestor in ancestors):
      return base
  return None


def items(value: Any, base: type) -> list:
  """What a container holds; pairs for a dictionary."""
  if base is dict:
    return list(dict.items(value))
  return list(base.__iter__(value))  # type: ignore[attr-defined]  # every base given here is a container


def is_instance(value: Any, base: type) -> bool:
  """isinstance by the type alone: `__class__` may be the program's own."""
  return any(ancestor is base for ancestor in mro(type(value)))


def has_attributes(kind: type) -> bool:
  """Whether instances have attributes of their own: an empty `Node()` differs from an opaque `<lock>`."""
  slots, dictionary = _instance_layout(kind)
  return bool(slots) or dictionary is not None


def unshared_variables(frame: types.FrameType) -> dict[str, Any]:
  """The variables of a function's frame as `f_locals` has them.

  Until Python 3.13 (PEP 667) reading `f_locals` also brings the dictionary up to date that the program got from
  `locals()`. Python 3.12 can do without, one variable at a time; before, tracing itself does the same.
  """
  if sys.version_info[:2] != (3, 12):
    return frame.f_locals
  code = frame.f_code
  found = {}
  for name in dict.fromkeys(code.co_varnames + code.co_cellvars + code.co_freevars):
    try:
      found[name] = _get_variable(frame, name)  # type: ignore[name-defined]  # Python 3.12 only, see below
    except NameError:  # it has no value
      pass
  return found


if sys.version_info[:2] == (3, 12):
  _get_variable = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object)(
      ("PyFrame_GetVar", ctypes.pythonapi)
  )
