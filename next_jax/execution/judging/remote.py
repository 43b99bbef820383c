"""Stand-ins, in a test, for those of a program's results that are not plain data."""

from typing import Protocol

from next_jax.execution.judging import plain_data


class Caller(Protocol):
  """What a stand-in asks the program's process; see session.Session."""

  def next_items(self, target: int, count: int) -> tuple[list, BaseException | None]: ...

  def call(self, arguments: tuple, keywords: dict, target: int | str = 0): ...


class _Attributes:
  """Passes attributes on to the program; our own have names that no program uses."""

  def __getattr__(self, name):
    if name.startswith("__"):
      raise AttributeError(name)  # copy, pickle and the like ask for these
    return self._remote_ask("getattr", name)

  def __setattr__(self, name, value):
    self._remote_ask("setattr", name, value)

  def __str__(self):
    return self._remote_ask("str")

  def _remote_ask(self, operation, *arguments):
    return self._remote_session.call((self, *arguments), {}, operation)


class RemoteObject(_Attributes):
  """An object in the program. Using it asks the program; it is equal only to itself.

  So a class that calls itself equal to everything gains nothing: `==` never asks, and what its
  methods return is judged like any other result.
  """

  def __init__(self, session: Caller, number: int, kind: str):
    vars(self).update(_remote_number=number, _remote_session=session, _remote_kind=kind)

  def __call__(self, *arguments, **keywords):
    return self._remote_session.call(arguments, keywords, self._remote_number)

  def __len__(self):
    return self._remote_ask("len")

  def __bool__(self):
    return self._remote_ask("bool")

  def __iter__(self):
    return self._remote_ask("iter")

  def __getitem__(self, key):
    return self._remote_ask("getitem", key)

  def __setitem__(self, key, value):
    self._remote_ask("setitem", key, value)

  def __contains__(self, item):
    return self._remote_ask("contains", item)

  def __repr__(self):  # for messages, so that no program writes any
    return f"<{self._remote_kind} object>"


class RemoteContainer(RemoteObject):
  """An object of a class derived from list, dict, set or bytearray; compares as its present content does."""

  def __eq__(self, other):
    if other is self:
      return True
    try:
      return held(self) == (held(other) if isinstance(other, RemoteContainer) else other)
    except plain_data.NotPlain:
      return False

  __hash__ = None  # type: ignore[assignment]  # as mutable containers have it


class RemoteValue(_Attributes):
  """A value of a class derived from int, str, tuple and so on, such as IntEnum or a named tuple.

  The value itself was sent and is the judge's own: it compares, adds up and so on as the built-in type does.
  """


_VALUES = {
    base: type(f"Remote{base.__name__.capitalize()}", (RemoteValue, base), {}) for base in plain_data.IMMUTABLE
}


def value(session: Caller, number: int, plain) -> RemoteValue:
  """A RemoteValue that holds `plain`. Raises TypeError for a type that is not in plain_data.IMMUTABLE."""
  if type(plain) not in _VALUES:
    raise TypeError(f"a value of a class derived from {type(plain).__name__}")
  made = _VALUES[type(plain)](plain)
  vars(made).update(_remote_number=number, _remote_session=session)
  return made


def held(one):
  """The plain value in a RemoteValue or RemoteContainer; raises NotPlain for anything else."""
  if isinstance(one, RemoteValue):
    return plain_data.held(one)
  if isinstance(one, RemoteContainer):
    answer = one._remote_ask("held")
    if type(answer) in plain_data.MUTABLE:
      return answer
  raise plain_data.NotPlain(f"a {type(one).__name__} cannot be compared in another process")


class RemoteIterator:
  """An iterator in the program, read in chunks that double in size, so that endless ones work too."""

  def __init__(self, session: Caller, number: int):
    self._remote_number = number
    self._session = session
    self._chunk = 1
    self._items: list = []
    self._end = None

  def __iter__(self):
    return self

  def __next__(self):
    if not self._items and self._end is None:
      items, self._end = self._session.next_items(self._remote_number, self._chunk)
      self._items = items[::-1]
      self._chunk = min(2 * self._chunk, 4096)
    if self._items:
      return self._items.pop()
    end, self._end = self._end, StopIteration()
    raise end


class RemoteFunction:
  """A function that the program returned."""

  def __init__(self, session: Caller, number: int):
    self._remote_number = number
    self._session = session

  def __call__(self, *arguments, **keywords):
    return self._session.call(arguments, keywords, self._remote_number)


KINDS = (RemoteObject, RemoteValue, RemoteIterator, RemoteFunction)
