"""The base class of generated corpora: writes the splits and streams demonstrations."""

import abc
import collections
from collections.abc import Iterator, Sequence
import dataclasses
import multiprocessing
from typing import Any, ClassVar

from etils import epath

from next_jax import files
from next_jax import schema

_CHUNK = 250  # demonstrations per piece of work of a process


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demonstration:
  """A worked example to pretrain the base model on.

  Attributes:
    task: The repair task.
    rationale: Quotes the trace; for prompts that show it.
    rationale_without_trace: Says nothing that only the trace tells; for prompts without it.
    fix: A complete program: the reference if `faithful`, else a wrong one that the rationale asserts just as
      confidently.
    faithful: Whether the fix is right.
  """

  task: schema.RepairTask
  rationale: str
  rationale_without_trace: str
  fix: str
  faithful: bool


class GeneratedCorpus(abc.ABC):
  """A corpus that is a pure function of its settings; a `corpora.corpus.Corpus`.

  Attributes:
    name: Name of the corpus.
    seed: Seed of everything that is drawn.
  """

  name: ClassVar[str]
  seed: int

  def build(self, directory: epath.PathLike, executor: Any = None) -> dict[str, int]:
    """Writes <split>.jsonl for each split and statistics.json; returns the number of tasks in each split.

    The programs are this package's own, so they run here and `executor` is not needed.
    """
    del executor
    directory = epath.Path(directory)
    statistics: dict[str, Any] = {"seed": self.seed, "splits": {}}
    counts = {}
    for split in self.split_names():
      rejections: collections.Counter[str] = collections.Counter()
      items = list(self.items(split, rejections))
      files.write_jsonl(directory / f"{split}.jsonl", map(self.task_of, items))
      statistics["splits"][split] = {**self.statistics(items), "rejected": dict(sorted(rejections.items()))}
      counts[split] = len(items)
    files.write_json(directory / "statistics.json", statistics)
    return counts

  def demonstrations(self, num: int, *, start: int = 0, num_workers: int = 0) -> Iterator[Demonstration]:
    """Demonstrations number `start` to `start + num - 1`, streamed, in order.

    Number i depends only on the settings and i. So the first n are the same for any total, and several machines can
    each make a range.

    Args:
      num: Number of demonstrations.
      start: Number of the first one.
      num_workers: Number of processes; 0 makes them in this one. Processes are spawned, not forked, which is safe
        beside JAX; the caller's main module must be importable.
    """
    numbers = range(start, start + num)
    if num_workers == 0:
      yield from map(self.demonstration, numbers)
      return
    with multiprocessing.get_context("spawn").Pool(num_workers) as pool:
      yield from pool.imap(self.demonstration, numbers, chunksize=_CHUNK)

  @abc.abstractmethod
  def split_names(self) -> Sequence[str]:
    """Splits that `build` writes."""

  @abc.abstractmethod
  def items(self, split: str, rejections: collections.Counter[str] | None = None) -> Iterator[Any]:
    """The tasks of a split with what they came from, streamed; no (bug, fix) pair occurs twice.

    Args:
      split: Name of the split.
      rejections: Counts the draws that were rejected, by reason.

    Raises:
      CorpusError: An unknown split, or more tasks wanted than can be found.
    """

  @abc.abstractmethod
  def task_of(self, item: Any) -> schema.RepairTask:
    """The repair task of one of the `items`."""

  @abc.abstractmethod
  def statistics(self, items: Sequence[Any]) -> dict[str, Any]:
    """What statistics.json says about a split."""

  @abc.abstractmethod
  def demonstration(self, number: int) -> Demonstration:
    """The demonstration with this number. No demonstration has a (bug, fix) pair of dev or unseen."""


def count(values: Any) -> dict[str, int]:
  """Value -> how often it occurs, in the order of the values."""
  return dict(sorted(collections.Counter(values).items()))
