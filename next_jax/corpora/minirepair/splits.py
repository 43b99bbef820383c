"""Which (family, mutation) combination and which (bug, fix) pair belongs where."""

import dataclasses
import functools
import hashlib

from next_jax.corpora import mutations
from next_jax.corpora.minirepair import families

PRETRAINING, LOOP, TRAIN, UNSEEN, OTHER = "pretraining", "loop", "train", "unseen", "other"

Combination = tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Splits:
  """Two independent rules, both by hash, so that they hold for any number of tasks.

  1. A combination of family and mutation kind is in pretraining only, in the loop only ("train" and
     "dev"), or in neither ("unseen"). The shares are taken within each family, so that each family
     appears in pretraining with some kinds. Of pretraining's, "train" may have a share as well;
     "dev" and "unseen" have none.
  2. A canonical (bug, fix) pair belongs to "dev", to "unseen" or to training ("train" and the
     demonstrations), whatever its description and combination. So no development pair can be in
     training, even where two families make the same program.

  Split "other" has families of its own, `families.OTHERS`, with all mutation kinds. Its pairs are among those that
  "unseen" may have, so rule 2 keeps them out of training and "dev"; those of "unseen" have other fixes, as no family
  of one is the same computation as one of the other.

  Attributes:
    pretraining_share, loop_share: of a family's mutation kinds; the rest is unseen.
    revisited_share: of pretraining's kinds, those that "train" has beside the loop's own.
    dev_pair_share, unseen_pair_share: of all pairs; the rest is for training.
    salt: another one gives other splits.
  """

  pretraining_share: float = 0.5
  loop_share: float = 0.35
  revisited_share: float = 0.0
  dev_pair_share: float = 0.15
  unseen_pair_share: float = 0.15
  salt: str = "minirepair-1"

  def combinations(self, part: str) -> tuple[Combination, ...]:
    """All (family, kind) of a part, whether or not the kind finds a place in the family.

    Args:
      part: PRETRAINING, LOOP (of "dev"), TRAIN, UNSEEN or OTHER.
    """
    return _combinations(self)[part]

  def owner(self, pair_key: str) -> str:
    """The one of "dev", "unseen" and "train" that may have the pair; "other" may have what "unseen" may."""
    place = int(pair_key[:8], 16) / 2**32
    if place < self.dev_pair_share:
      return "dev"
    return "unseen" if place < self.dev_pair_share + self.unseen_pair_share else "train"


@functools.lru_cache(maxsize=8)
def _combinations(splits: Splits) -> dict[str, tuple[Combination, ...]]:
  parts: dict[str, list[Combination]] = {PRETRAINING: [], LOOP: [], TRAIN: [], UNSEEN: []}
  for family in families.FAMILIES:
    kinds = sorted(
        mutations.KINDS, key=lambda kind: hashlib.sha256(f"{splits.salt}/{family}/{kind}".encode()).hexdigest()
    )
    first = round(len(kinds) * splits.pretraining_share)
    second = round(len(kinds) * (splits.pretraining_share + splits.loop_share))
    parts[PRETRAINING] += [(family, kind) for kind in kinds[:first]]
    parts[LOOP] += [(family, kind) for kind in kinds[first:second]]
    parts[TRAIN] += [(family, kind) for kind in kinds[round(first * (1 - splits.revisited_share)) : second]]
    parts[UNSEEN] += [(family, kind) for kind in kinds[second:]]
  parts[OTHER] = [(family, kind) for family in families.OTHERS for kind in mutations.KINDS]
  return {part: tuple(combinations) for part, combinations in parts.items()}
