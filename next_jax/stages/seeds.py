"""Seeds for the parts of a run, derived from the seed that the user gave."""

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
  """Returns a seed in [0, 2**31) that depends only on `seed` and `purpose`, as in derive(0, "sample", 1)."""
  text = "/".join([str(seed), *map(str, purpose)])
  return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:4], "big") >> 1


def rank(seed: int, *item: str | int) -> str:
  """Returns a sort key that shuffles. The shuffled order does not depend on the original order."""
  return hashlib.sha256("/".join([str(seed), *map(str, item)]).encode("utf-8")).hexdigest()
