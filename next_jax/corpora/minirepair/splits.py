"""Assigns (family, mutation) combinations and (bug, fix) pairs to splits."""

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

  1. A combination of family and mutation kind is in pretraining only, in the loop only ("train" and "dev"), or in
     neither ("unseen"). The shares apply within each family, so each family appears in pretraining with some kinds.
     "train" may also have a share of pretraining's combinations; "dev" and "unseen" have none of them.
  2. A canonical (bug, fix) pair belongs to "dev", to "unseen" or to training ("train" and the demonstrations),
     independent of its description and combination. So no development pair can be in training, even if two families
     make the same program.

  Split "other" has its own families, `families.OTHERS`, with all mutation kinds. Its pairs are among those that
  "unseen" may have, so rule 2 keeps them out of training and "dev". "unseen" has no fix of "other", because no two
  families of theirs compute the same thing.

  Attributes:
    pretraining_share, loop_share: Shares of each family's mutation kinds; the rest is unseen.
    revisited_share: Share of pretraining's kinds that "train" has in addition to the loop's own.
    dev_pair_share, unseen_pair_share: Shares of all pairs; the rest is for training.
    salt: Salt of the hashes; another salt gives other splits.
  """

  pretraining_share: float = 0.5
  loop_share: float = 0.35
  revisited_share: float = 0.0
  dev_pair_share: float = 0.15
  unseen_pair_share: float = 0.15
  salt: str = "minirepair-1"

  def combinations(self, part: str) -> tuple[Combination, ...]:
    """All (family, kind) combinations of a part, even if the kind finds no place in the family.

    Args:
      part: PRETRAINING, LOOP (for "dev"), TRAIN, UNSEEN or OTHER.
    """
    return _combinations(self)[part]

  def owner(self, pair_key: str) -> str:
    """The split that may have the pair: "dev", "unseen" or "train". "other" may have the pairs of "unseen"."""
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
