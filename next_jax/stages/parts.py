"""A JSONL file that a stage writes in parts, so that a killed run resumes after the last one.

In a run of several processes each writes its share of the parts. Their numbers and contents are those of one process.
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
    chunks: `chunks(skip, step)` gives every `step`-th chunk from number `skip` on, always the same ones. Each of
      `count` processes asks for every `count`-th chunk.
    order: Key by which the whole file is sorted. None keeps the order of the chunks.
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
  """Number of records of `path` that this process has written to parts, or of the whole file once it is there."""
  written = [path] if path.exists() else _own_parts(path).paths()
  return sum(part.read_bytes().count(b"\n") for part in written)


def batches(items: Iterable[R], size: int, group: Callable[[R], Any]) -> Iterator[list[R]]:
  """Lists of at least `size` items (the last may be shorter) that never separate neighbours of the same group."""
  batch: list[R] = []
  for item in items:
    if len(batch) >= size and group(item) != group(batch[-1]):
      yield batch
      batch = []
    batch.append(item)
  if batch:
    yield batch


def _is_merged(path: epath.Path) -> bool:
  """Whether a run was killed after the file was written and before its parts were removed; removes them."""
  if path.exists() and _parts_directory(path).exists():
    _parts_directory(path).rmtree()
  return path.exists()


def _parts_directory(path: epath.Path) -> epath.Path:
  return path.parent / f"{path.stem}.parts"


def _own_parts(path: epath.Path) -> files.Shards:
  group = processes.current()
  return files.Shards(_parts_directory(path), first=group.index, step=group.count)
