"""The MiniRepair corpus: any number of tasks and demonstrations from a seed."""

import collections
from collections.abc import Callable, Iterator, Sequence
import dataclasses
import random
from typing import Any, ClassVar

from next_jax import errors
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora import mutations
from next_jax.corpora.minirepair import generated
from next_jax.corpora.minirepair import generator as generator_lib
from next_jax.corpora.minirepair import rationales
from next_jax.corpora.minirepair import splits as splits_lib

_PARTS = {
    "train": splits_lib.TRAIN, "dev": splits_lib.LOOP, "unseen": splits_lib.UNSEEN, "other": splits_lib.OTHER,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MiniRepair(generated.GeneratedCorpus):
  """Short Python functions with bugs; everything is a pure function of these settings.

  Attributes:
    seed: Seed of everything that is drawn.
    num_train, num_dev, num_unseen: Number of tasks that `build` writes.
    num_other: Number of tasks from families that neither pretraining nor the loop has: a second corpus in the same
      style. With 0 there is no such split.
    faithful_share: Share of demonstrations whose fix is right; the fix of the others is the buggy code with a random
      edit. The base model should rarely fix a task in one try, but sometimes in eight (docs/method.md).
    open_names_share: Share of demonstrations whose names are made up (see `draw.Draw`); the splits use pooled names.
    max_attempts: Maximum draws for one task; if none succeeds, the settings count as impossible.
    generator: Makes a task from a combination of family and mutation.
    splits: Assigns combinations and pairs to splits.
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

  def split_names(self) -> list[str]:
    return [split for split in _PARTS if split != "other" or self.num_other]

  def items(
      self, split: str, rejections: collections.Counter[str] | None = None
  ) -> Iterator[generator_lib.Case]:
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

  def task_of(self, item: generator_lib.Case) -> schema.RepairTask:
    return item.task

  def statistics(self, items: Sequence[generator_lib.Case]) -> dict[str, Any]:
    return {
        "tasks": len(items),
        "vague_share": round(sum(case.vague for case in items) / max(1, len(items)), 4),
        "shows": generated.count(case.shows for case in items),
        "bug_kinds": generated.count(case.task.bug_kind for case in items),
        "bug_origins": generated.count(case.task.bug_origin for case in items),
        "families": generated.count(case.family for case in items),
        "combinations": len({(case.family, case.task.bug_kind) for case in items}),
    }

  def demonstration(self, number: int) -> generated.Demonstration:
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
        return generated.Demonstration(
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
    """The buggy code with a random change that is neither the fix nor a pair of dev or unseen, if there is one."""
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
