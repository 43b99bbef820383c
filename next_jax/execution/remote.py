"""What a test holds of a program's results that are no plain data."""

from typing import Protocol


class Session(Protocol):
  """What is asked of the program's process; see session.py."""

  def next_items(self, target: int, count: int) -> tuple[list, BaseException | None]: ...

  def call(self, arguments: tuple, keywords: dict, target: int = 0): ...


class Opaque:
  """A result that is no plain data; equal to itself only."""

  def __init__(self, number: int, kind: str):
    self.number = number
    self._kind = kind

  def __repr__(self):
    return f"<{self._kind} object, not plain data>"


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
