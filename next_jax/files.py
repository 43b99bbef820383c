"""Atomic JSON and JSONL files on any path `etils.epath` knows (local disk, gs://)."""

from collections.abc import Callable, Iterable, Iterator
import gzip
import json
import os
from typing import Any, TypeVar
import uuid
import zlib

from etils import epath

from next_jax import errors
from next_jax import schema

R = TypeVar("R", bound=schema.Record)


class FileError(errors.UserError):
  """A file that cannot be read as what it should be; the message names file and line."""


def write_text(path: epath.PathLike, text: str) -> None:
  """Writes the whole file or, when anything fails, leaves what was there before."""
  path = epath.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
  try:
    if "://" in os.fspath(path):
      partial.write_text(text)
    else:
      with open(partial, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
  except BaseException as error:
    if isinstance(error, OSError) and error.filename is None:  # a full disk does not say where
      error.filename = os.fspath(path)
    partial.unlink(missing_ok=True)
    raise


def dumps(value: Any) -> str:
  """The one way this project writes JSON: same value, same bytes."""
  return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write_json(path: epath.PathLike, value: Any) -> None:
  write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def read_json(path: epath.PathLike) -> Any:
  """Raises FileError for a file that is missing or is not JSON."""
  try:
    return json.loads(_read_text(path))
  except (ValueError, RecursionError) as error:
    if isinstance(error, FileError):
      raise
    raise FileError(f"{os.fspath(path)}: expected JSON, found {error}; make the file again") from None


def write_jsonl(path: epath.PathLike, records: Iterable[schema.Record]) -> None:
  write_text(path, "".join(dumps(record.to_json()) + "\n" for record in records))


def read_jsonl(path: epath.PathLike, record_type: type[R]) -> list[R]:
  """Reads records; raises FileError with file, line and key at the first that is wrong."""
  return [_parse_line(path, number, line, record_type.from_json) for number, line in _lines(path)]


def read_jsonl_objects(path: epath.PathLike) -> Iterator[tuple[int, dict[str, Any]]]:
  """(line number, object) of a JSONL file of somebody else's making, such as MBPP's."""

  def expect_object(value):
    if not isinstance(value, dict):
      raise schema.RecordError(f"expected a JSON object, found {type(value).__name__}")
    return value

  for number, line in _lines(path):
    yield number, _parse_line(path, number, line, expect_object)


def _lines(path: epath.PathLike) -> Iterator[tuple[int, str]]:
  # Not splitlines(): a JSON string may hold U+2028 and the like unescaped.
  for number, line in enumerate(_read_text(path).split("\n"), 1):
    if line.strip():
      yield number, line


def _parse_line(path: epath.PathLike, number: int, line: str, parse: Callable[[Any], Any]) -> Any:
  where = f"{os.fspath(path)}:{number}"
  try:
    value = json.loads(line)
  except (ValueError, RecursionError) as error:
    raise FileError(
        f"{where}: expected one JSON object, found {line[:40]!r}... ({error}); the file is malformed or"
        " truncated: make or copy it again"
    ) from None
  try:
    return parse(value)
  except schema.RecordError as error:
    raise FileError(f"{where}: {error}") from None


def _read_text(path: epath.PathLike) -> str:
  path = epath.Path(path)
  try:
    data = path.read_bytes()
  except FileNotFoundError:
    raise FileError(f"{os.fspath(path)}: no such file; check the path") from None
  except IsADirectoryError:
    raise FileError(f"{os.fspath(path)}: expected a file, found a directory") from None
  try:
    if path.suffix == ".gz":
      data = gzip.decompress(data)
    return data.decode("utf-8")
  except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
    raise FileError(f"{os.fspath(path)}: expected UTF-8 text, found {error}; copy the file again") from None


class Shards:
  """A JSONL file written in numbered parts, so that a killed writer resumes after its last part.

  Each part is one atomic file, which also object stores without append can hold. `merge` makes
  the one file out of them and removes them. Of several writers, each has the parts `first`,
  `first + step`, ...
  """

  def __init__(self, directory: epath.PathLike, *, first: int = 0, step: int = 1):
    self._directory = epath.Path(directory)
    self._first = first
    self._step = step
    self._count: int | None = None

  def __len__(self) -> int:
    """How many parts of this writer are written: those it found, counted from its first without a gap, and its own."""
    if self._count is None:
      count = 0
      while self._part(self._first + count * self._step).exists():
        count += 1
      self._count = count
    return self._count

  @property
  def next_number(self) -> int:
    """Number of the part that `append` writes next."""
    return self._first + len(self) * self._step

  def append(self, records: Iterable[schema.Record]) -> None:
    """Writes the next part, over one that is there behind a gap: another number of writers has left it."""
    write_jsonl(self._part(self.next_number), records)
    self._count = len(self) + 1

  def paths(self) -> list[epath.Path]:
    """The parts that are written, in order."""
    return [self._part(self._first + place * self._step) for place in range(len(self))]

  def read(self, record_type: type[R]) -> Iterator[R]:
    """All records of all parts."""
    for path in self.paths():
      yield from read_jsonl(path, record_type)

  def merge(self, path: epath.PathLike, record_type: type[R], order: Callable[[R], Any] | None = None) -> list[R]:
    """Writes all records to `path`, sorted by `order` where one is given, and returns them."""
    records = list(self.read(record_type))
    if order is not None:
      records.sort(key=order)
    write_jsonl(path, records)
    if self._directory.exists():
      self._directory.rmtree()
    return records

  def _part(self, number: int) -> epath.Path:
    return self._directory / f"part-{number:05d}.jsonl"
