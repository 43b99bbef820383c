"""Which (family, mutation) combination and which (bug, fix) pair belongs where."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable

from next_jax.corpora import mutations
from next_jax.corpora.minirepair import families

PRETRAINING, LOOP, UNSEEN = "pretraining", "loop", "unseen"

Combination = tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Splits:
  """Two independent rules, both by hash, so that they hold for any number of tasks.

  1. A combination of family and mutation kind is in pretraining only, in the loop only ("train" and
     "dev"), or in neither ("unseen"). Pretraining has some kinds of each family. Whether the others
     are the loop's or unseen is decided for all of a family at once: did the loop see a family with
     some kinds only, it would learn that the family never has the others, and what is measured on
     those would be this and not what it learned of repairing.
  2. A canonical (bug, fix) pair belongs to "dev", to "unseen" or to training ("train" and the
     demonstrations), whatever its description and combination. So no development pair can be in
     training, even where two families make the same program.

  Attributes:
    pretraining_share: of a family's mutation kinds.
    unseen_family_share: of the families; their other kinds are unseen, those of the rest are the loop's.
    dev_pair_share, unseen_pair_share: of all pairs; the rest is for training.
    salt: another one gives other splits.
  """

  pretraining_share: float = 0.5
  unseen_family_share: float = 0.25
  dev_pair_share: float = 0.15
  unseen_pair_share: float = 0.15
  salt: str = "minirepair-1"

  def combinations(self, part: str) -> tuple[Combination, ...]:
    """All (family, kind) of "pretraining", "loop" or "unseen", whether or not the kind finds a place in it."""
    return _combinations(self)[part]

  def owner(self, pair_key: str) -> str:
    """The one of "dev", "unseen" and "train" that may have the pair."""
    place = int(pair_key[:8], 16) / 2**32
    if place < self.dev_pair_share:
      return "dev"
    return "unseen" if place < self.dev_pair_share + self.unseen_pair_share else "train"


@functools.lru_cache(maxsize=8)
def _combinations(splits: Splits) -> dict[str, tuple[Combination, ...]]:
  parts: dict[str, list[Combination]] = {PRETRAINING: [], LOOP: [], UNSEEN: []}
  by_hash = _shuffled(families.FAMILIES, splits.salt)
  unseen_families = by_hash[: round(len(by_hash) * splits.unseen_family_share)]
  for family in families.FAMILIES:
    kinds = _shuffled(mutations.KINDS, f"{splits.salt}/{family}")
    first = round(len(kinds) * splits.pretraining_share)
    parts[PRETRAINING] += [(family, kind) for kind in kinds[:first]]
    parts[UNSEEN if family in unseen_families else LOOP] += [(family, kind) for kind in kinds[first:]]
  return {part: tuple(combinations) for part, combinations in parts.items()}


def _shuffled(names: Iterable[str], salt: str) -> list[str]:
  """The names in an order that depends on the salt and on each name alone."""
  return sorted(names, key=lambda name: hashlib.sha256(f"{salt}/{name}".encode()).hexdigest())
