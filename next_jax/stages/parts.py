"""A JSONL file that a stage writes in parts, so that a killed run resumes after the last one.

In a run of several processes, each writes its share of the parts. The parts have the same numbers and contents as in a
run of one process.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.stages import processes

R = TypeVar("R", bound=schema.Record)


def write(
    path: epath.Path,
    record_type: type[R],
    chunks: Callable[[int, int], Iterable[list[R]]],
    *,
    order: Callable[[R], Any] | None = None,
) -> list[R]:
  """Writes the records of all chunks to `path` and returns them; resumes from the parts of a killed run.

  Args:
    path: The file to write.
    record_type: Type of the records.
    chunks: `chunks(skip, step)` yields every `step`-th chunk from number `skip` on. The same call must yield the same
      chunks. With n processes, each asks for every n-th chunk.
    order: Sort key of the whole file. None keeps the order of the chunks.
  """
  group = processes.current()
  if group.broadcast(lambda: _is_merged(path)):
    return files.read_jsonl(path, record_type)
  parts = _own_parts(path)
  for records in chunks(parts.next_number, group.count):
    parts.append(records)
  group.gather(None)
  merged = files.Shards(_parts_directory(path)).merge(path, record_type, order) if group.index == 0 else None
  group.gather(None)
  return files.read_jsonl(path, record_type) if merged is None else merged


def count(path: epath.Path) -> int:
  """Number of records that this process has written to parts of `path`, or that `path` holds once it exists."""
  written = [path] if path.exists() else _own_parts(path).paths()
  return sum(part.read_bytes().count(b"\n") for part in written)


def batches(items: Iterable[R], size: int, group: Callable[[R], Any]) -> Iterator[list[R]]:
  """Yields lists of at least `size` items; the last may be shorter. Neighbours of the same group stay in one list."""
  batch: list[R] = []
  for item in items:
    if len(batch) >= size and group(item) != group(batch[-1]):
      yield batch
      batch = []
    batch.append(item)
  if batch:
    yield batch


def _is_merged(path: epath.Path) -> bool:
  """Whether the file is complete. Removes its parts if a run was killed between writing it and removing them."""
  if path.exists() and _parts_directory(path).exists():
    _parts_directory(path).rmtree()
  return path.exists()


def _parts_directory(path: epath.Path) -> epath.Path:
  return path.parent / f"{path.stem}.parts"


def _own_parts(path: epath.Path) -> files.Shards:
  group = processes.current()
  return files.Shards(_parts_directory(path), first=group.index, step=group.count)
