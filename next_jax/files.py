"""Atomic JSON and JSONL files on any path `etils.epath` knows (local disk, gs://)."""

from collections.abc import Callable, Iterable, Iterator
import contextlib
import gzip
import hashlib
import json
import os
import shutil
from typing import Any, TypeVar
import uuid
import zlib

from etils import epath

from next_jax import errors
from next_jax import schema

R = TypeVar("R", bound=schema.Record)


class FileError(errors.UserError):
  """A file that is missing or does not hold what it should; the message names file and line."""


def write_text(path: epath.PathLike, text: str) -> None:
  """Writes the whole file. If anything fails, the previous file stays as it was."""
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
    if isinstance(error, OSError) and error.filename is None:  # the error of a full disk names no file
      error.filename = os.fspath(path)
    partial.unlink(missing_ok=True)
    raise


@contextlib.contextmanager
def whole_directory(path: epath.PathLike) -> Iterator[epath.Path]:
  """Inside, a directory to write to; it becomes `path`, on a local disk, at the end, and is removed if anything fails.

  Raises:
    FileError: There is something at `path`.
  """
  path = epath.Path(os.path.abspath(os.fspath(path)))
  if path.exists():
    raise FileError(f"{os.fspath(path)}: exists; give another directory, or remove it")
  partial = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
  partial.mkdir(parents=True)
  try:
    yield partial
    partial.rename(path)
  except BaseException as error:
    if isinstance(error, OSError) and error.filename is None:  # the error of a full disk names no file
      error.filename = os.fspath(path)
    shutil.rmtree(partial, ignore_errors=True)
    raise


def dumps(value: Any) -> str:
  """Returns `value` as JSON on one line. All JSONL is written this way: the same value gives the same bytes."""
  return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write_json(path: epath.PathLike, value: Any) -> None:
  """Writes an indented JSON file."""
  write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def read_json(path: epath.PathLike) -> Any:
  """Reads a JSON file. Raises FileError if it is missing or is not JSON."""
  try:
    return json.loads(_read_text(path))
  except (ValueError, RecursionError) as error:
    if isinstance(error, FileError):
      raise
    raise FileError(f"{os.fspath(path)}: expected JSON, found {error}; make the file again") from None


def write_jsonl(path: epath.PathLike, records: Iterable[schema.Record]) -> None:
  """Writes one record a line."""
  write_text(path, "".join(dumps(record.to_json()) + "\n" for record in records))


def read_jsonl(path: epath.PathLike, record_type: type[R]) -> list[R]:
  """Reads one record a line. Raises FileError at the first bad line; the message names file, line and key."""
  return [_parse_line(path, number, line, record_type.from_json) for number, line in _lines(path)]


def read_jsonl_objects(path: epath.PathLike) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (line number, object) from a JSONL file that this project did not write, such as MBPP's.

  Raises FileError at a line that is not a JSON object.
  """

  def expect_object(value):
    if not isinstance(value, dict):
      raise schema.RecordError(f"expected a JSON object, found {type(value).__name__}")
    return value

  for number, line in _lines(path):
    yield number, _parse_line(path, number, line, expect_object)


def _lines(path: epath.PathLike) -> Iterator[tuple[int, str]]:
  # Not splitlines(): it also splits at U+2028 and the like, which a JSON string may hold unescaped.
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


def digest(path: epath.PathLike) -> str:
  """Hash of a file's bytes, or of the names, sizes and first MiB of the files in a directory; 16 hexadecimal digits.

  A directory may hold the checkpoint of a large model, which takes too long to read whole whenever a run starts.
  """
  path = epath.Path(path)
  sha = hashlib.sha256()
  if not path.is_dir():
    with path.open("rb") as file:
      while block := file.read(1 << 20):
        sha.update(block)
    return sha.hexdigest()[:16]
  for file in sorted(_files(path), key=os.fspath):
    with file.open("rb") as opened:
      head = opened.read(1 << 20)
    sha.update(f"{file.relative_to(path)}\0{file.stat().length}\0".encode())
    sha.update(hashlib.sha256(head).digest())
  return sha.hexdigest()[:16]


def _files(directory: epath.Path) -> Iterator[epath.Path]:
  for path in directory.iterdir():
    if path.is_dir():
      yield from _files(path)
    else:
      yield path


class Shards:
  """A JSONL file written in numbered parts, so that a killed writer resumes after its last part.

  Each part is one atomic file, so this works on object stores, which cannot append. `merge` joins the parts into one
  file and removes them. Where several processes write, each writes the parts `first`, `first + step`, ...
  """

  def __init__(self, directory: epath.PathLike, *, first: int = 0, step: int = 1):
    self._directory = epath.Path(directory)
    self._first = first
    self._step = step
    self._count: int | None = None

  def __len__(self) -> int:
    """Number of parts this writer has: those it found, up to the first gap, and those it wrote."""
    if self._count is None:
      count = 0
      while self._part(self._first + count * self._step).exists():
        count += 1
      self._count = count
    return self._count

  @property
  def next_number(self) -> int:
    """The number of the part that `append` writes next."""
    return self._first + len(self) * self._step

  def append(self, records: Iterable[schema.Record]) -> None:
    """Writes the next part. It replaces a part beyond a gap, which a run with another number of writers left."""
    write_jsonl(self._part(self.next_number), records)
    self._count = len(self) + 1

  def paths(self) -> list[epath.Path]:
    """Paths of this writer's parts, in order."""
    return [self._part(self._first + place * self._step) for place in range(len(self))]

  def read(self, record_type: type[R]) -> Iterator[R]:
    """Yields the records of this writer's parts, in order."""
    for path in self.paths():
      yield from read_jsonl(path, record_type)

  def merge(self, path: epath.PathLike, record_type: type[R], order: Callable[[R], Any] | None = None) -> list[R]:
    """Writes the records of this writer's parts to `path`, removes the directory of parts and returns the records.

    Args:
      path: The file to write.
      record_type: Type of the records.
      order: Sort key of the records. None keeps the order of the parts.
    """
    records = list(self.read(record_type))
    if order is not None:
      records.sort(key=order)
    write_jsonl(path, records)
    if self._directory.exists():
      self._directory.rmtree()
    return records

  def _part(self, number: int) -> epath.Path:
    return self._directory / f"part-{number:05d}.jsonl"
