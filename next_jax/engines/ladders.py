"""Rounds lengths up to a few sizes, so that few programs are compiled."""

PROMPT_STEP = 64  # tokens


def ladder(needed: int, step: int, limit: int | None = None) -> int:
  """Smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24, ... times `step` that is at least `needed`; never above `limit`."""
  size, stride, number = step, step, 1
  while size < needed:
    number += 1
    size += stride
    if number >= 4 and number % 2 == 0:
      stride *= 2
  return size if limit is None else min(size, limit)
