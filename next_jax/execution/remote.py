"""What a test holds of a program's results that are no plain data."""

from typing import Protocol


class Session(Protocol):
  """What is asked of the program's process; see session.py."""

  def next_items(self, target: int, count: int) -> tuple[list, BaseException | None]: ...

  def call(self, arguments: tuple, keywords: dict, target: int | str = 0): ...


class RemoteObject:
  """An object in the program. Using it asks the program; it is equal to nothing but itself.

  So a class that calls itself equal to everything gains nothing: what its methods return is judged
  as any result is, and `==` never asks.
  """

  def __init__(self, session: Session, number: int, kind: str):
    vars(self).update(number=number, _session=session, _kind=kind)

  def __getattr__(self, name):
    if name.startswith("__"):
      raise AttributeError(name)  # copy, pickle and the like ask for these
    return self._ask("getattr", name)

  def __setattr__(self, name, value):
    self._ask("setattr", name, value)

  def __call__(self, *arguments, **keywords):
    return self._session.call(arguments, keywords, self.number)

  def __len__(self):
    return self._ask("len")

  def __bool__(self):
    return self._ask("bool")

  def __iter__(self):
    return self._ask("iter")

  def __getitem__(self, key):
    return self._ask("getitem", key)

  def __setitem__(self, key, value):
    self._ask("setitem", key, value)

  def __contains__(self, item):
    return self._ask("contains", item)

  def __str__(self):
    return self._ask("str")

  def __repr__(self):  # for messages, so that no program writes any
    return f"<{self._kind} object>"

  def _ask(self, operation, *arguments):
    return self._session.call((self, *arguments), {}, operation)


class RemoteIterator:
  """An iterator in the program, read in chunks that double, so that endless ones work as well."""

  def __init__(self, session: Session, number: int):
    self.number = number
    self._session = session
    self._chunk = 1
    self._items: list = []
    self._end = None

  def __iter__(self):
    return self

  def __next__(self):
    if not self._items and self._end is None:
      items, self._end = self._session.next_items(self.number, self._chunk)
      self._items = items[::-1]
      self._chunk = min(2 * self._chunk, 4096)
    if self._items:
      return self._items.pop()
    end, self._end = self._end, StopIteration()
    raise end


class RemoteFunction:
  """A function that the program returned."""

  def __init__(self, session: Session, number: int):
    self.number = number
    self._session = session

  def __call__(self, *arguments, **keywords):
    return self._session.call(arguments, keywords, self.number)
