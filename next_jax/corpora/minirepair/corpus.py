"""The MiniRepair corpus: any number of tasks and demonstrations from a seed."""

import collections
from collections.abc import Callable, Iterator
import dataclasses
import multiprocessing
import random
from typing import Any, ClassVar

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora import mutations
from next_jax.corpora.minirepair import generator as generator_lib
from next_jax.corpora.minirepair import rationales
from next_jax.corpora.minirepair import splits as splits_lib

_CHUNK = 250  # demonstrations that a process makes at once
_PARTS = {
    "train": splits_lib.TRAIN, "dev": splits_lib.LOOP, "unseen": splits_lib.UNSEEN, "other": splits_lib.OTHER,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demonstration:
  """A worked example to pretrain the base model on.

  Attributes:
    rationale: quotes the trace; for prompts that show it.
    rationale_without_trace: says nothing that only the trace tells; for prompts without it.
    fix: complete program. The reference if `faithful`, else the buggy code with a random edit that
      the rationale asserts just as confidently.
  """

  task: schema.RepairTask
  rationale: str
  rationale_without_trace: str
  fix: str
  faithful: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class MiniRepair:
  """Short Python functions with bugs; everything is a pure function of these settings.

  Attributes:
    num_train, num_dev, num_unseen: tasks that `build` writes.
    num_other: tasks of families that neither pretraining nor the loop has, a second corpus in the style of this one;
      with 0 there is no such split.
    faithful_share: of demonstrations whose fix is right. METHOD: the base model should fix little
      at the first try but something in eight.
    open_names_share: of demonstrations whose names are made up (see draw.Draw); the tasks of the splits
      have names of the pools.
    max_attempts: draws for one task before the settings count as impossible.
  """

  name: ClassVar[str] = "minirepair"

  seed: int = 0
  num_train: int = 1200
  num_dev: int = 400
  num_unseen: int = 300
  num_other: int = 0
  faithful_share: float = 0.5
  open_names_share: float = 0.3
  max_attempts: int = 2000
  generator: generator_lib.Generator = generator_lib.Generator()
  splits: splits_lib.Splits = splits_lib.Splits()

  def build(self, directory: epath.PathLike, executor: Any = None) -> dict[str, int]:
    """Writes train.jsonl, dev.jsonl, unseen.jsonl, other.jsonl if it has tasks, and statistics.json.

    Returns the tasks of each split.

    The programs are this package's own, so they run here and `executor` is not needed.
    """
    del executor
    directory = epath.Path(directory)
    statistics: dict[str, Any] = {"seed": self.seed, "splits": {}}
    counts = {}
    for split in _PARTS:
      if split == "other" and self.num_other == 0:
        continue
      rejections: collections.Counter[str] = collections.Counter()
      cases = list(self.cases(split, rejections))
      files.write_jsonl(directory / f"{split}.jsonl", (case.task for case in cases))
      statistics["splits"][split] = _statistics(cases, rejections)
      counts[split] = len(cases)
    files.write_json(directory / "statistics.json", statistics)
    return counts

  def cases(
      self, split: str, rejections: collections.Counter[str] | None = None
  ) -> Iterator[generator_lib.Case]:
    """The tasks of "train", "dev", "unseen" or "other" with no (bug, fix) pair twice, streamed.

    Raises:
      CorpusError: an unknown split, or more tasks wanted than can be found.
    """
    if split not in _PARTS:
      raise errors.CorpusError(f"unknown split {split!r} of minirepair; known: {', '.join(_PARTS)}")
    num = {
        "train": self.num_train, "dev": self.num_dev, "unseen": self.num_unseen, "other": self.num_other,
    }[split]
    combinations = self.splits.combinations(_PARTS[split])
    owner = "unseen" if split == "other" else split
    seen: set[str] = set()

    def accepts(pair_key: str) -> bool:
      return self.splits.owner(pair_key) == owner and pair_key not in seen

    for number in range(num):
      rng = random.Random(f"minirepair/{self.seed}/{split}/{number}")
      case = self._case(rng, combinations, accepts, split=split, number=number, rejections=rejections)
      seen.add(case.pair_key)
      yield case

  def demonstrations(self, num: int, *, start: int = 0, num_workers: int = 0) -> Iterator[Demonstration]:
    """Demonstrations number `start` to `start + num - 1`, streamed, in order.

    Number i depends on the settings and i alone: the first n are the same whatever the total, and
    several machines can make a range each. Its combination is one of pretraining, and no pair of
    dev or unseen is among them.

    Args:
      num_workers: processes; 0 makes them in this one. They are spawned, not forked, so that it is
        safe beside JAX; the caller's main module must be importable.
    """
    numbers = range(start, start + num)
    if num_workers == 0:
      yield from map(self.demonstration, numbers)
      return
    with multiprocessing.get_context("spawn").Pool(num_workers) as pool:
      yield from pool.imap(self.demonstration, numbers, chunksize=_CHUNK)

  def demonstration(self, number: int) -> Demonstration:
    rng = random.Random(f"minirepair/{self.seed}/demonstration/{number}")
    combinations = self.splits.combinations(splits_lib.PRETRAINING)
    faithful = rng.random() < self.faithful_share
    open_names = self.open_names_share > 0 and rng.random() < self.open_names_share
    for _ in range(self.max_attempts):
      case = self._case(
          rng, combinations, self._for_training, split="pretraining", number=number, open_names=open_names
      )
      fix = case.task.reference_code if faithful else self._random_edit(rng, case)
      if fix is not None:
        rationale, without_trace = rationales.write(rng, case.task, fix)
        return Demonstration(
            task=case.task,
            rationale=rationale,
            rationale_without_trace=without_trace,
            fix=fix,
            faithful=faithful,
        )
    raise errors.CorpusError(
        f"minirepair: no random edit found in {self.max_attempts} programs; give training a larger share of the pairs"
    )

  def _for_training(self, pair_key: str) -> bool:
    return self.splits.owner(pair_key) == "train"

  def _random_edit(self, rng: random.Random, case: generator_lib.Case) -> str | None:
    """The buggy code with one more random change, which is neither the fix nor a pair of dev or unseen."""
    for mutant in mutations.mutants(case.task.buggy_code, rng):
      pair_key = canonical.pair_key(case.canonical_bug, mutant.canonical)
      if mutant.canonical != case.canonical_fix and self._for_training(pair_key):
        return mutant.code
    return None

  def _case(
      self,
      rng: random.Random,
      combinations: tuple[splits_lib.Combination, ...],
      accepts: Callable[[str], bool],
      *,
      split: str,
      number: int,
      rejections: collections.Counter[str] | None = None,
      open_names: bool = False,
  ) -> generator_lib.Case:
    if not combinations:
      raise errors.CorpusError(f"minirepair: no combinations for {split!r}; change the shares of the splits")
    for _ in range(self.max_attempts):
      combination = rng.choice(combinations)
      case = self.generator.make(rng, combination, accepts, split=split, number=number, open_names=open_names)
      if isinstance(case, generator_lib.Case):
        return case
      if rejections is not None:
        rejections[case.reason] += 1
    raise errors.CorpusError(
        f"minirepair: no task number {number} for {split!r} found in {self.max_attempts} attempts;"
        " ask for fewer tasks or change the shares of the splits"
    )


def _statistics(cases: list[generator_lib.Case], rejections: collections.Counter[str]) -> dict[str, Any]:
  def count(values) -> dict[str, int]:
    return dict(sorted(collections.Counter(values).items()))

  return {
      "tasks": len(cases),
      "vague_share": round(sum(case.vague for case in cases) / max(1, len(cases)), 4),
      "shows": count(case.shows for case in cases),
      "bug_kinds": count(case.task.bug_kind for case in cases),
      "bug_origins": count(case.task.bug_origin for case in cases),
      "families": count(case.family for case in cases),
      "combinations": len({(case.family, case.task.bug_kind) for case in cases}),
      "rejected": dict(sorted(rejections.items())),
  }
