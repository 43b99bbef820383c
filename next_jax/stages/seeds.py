"""Seeds for the parts of a run, derived from the one that the user gave."""

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
  """A seed in [0, 2**31) that depends only on `seed` and `purpose`: derive(0, "sample", 1)."""
  text = "/".join([str(seed), *map(str, purpose)])
  return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:4], "big") >> 1


def rank(seed: int, *item: str | int) -> str:
  """A sort key that shuffles; the result does not depend on the order of the items."""
  return hashlib.sha256("/".join([str(seed), *map(str, item)]).encode("utf-8")).hexdigest()
