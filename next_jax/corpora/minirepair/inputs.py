"""Random arguments: small values, often close to the constants of the program, where bugs show up."""

import random

LETTERS = "abcdeo"
WORDS = (
    "ant", "apple", "bee", "blue", "cat", "cow", "dog", "door", "egg", "fish", "hat", "ice", "key", "lake", "leaf",
    "moon", "noon", "oak", "owl", "pear", "pig", "red", "road", "sea", "sky", "sun", "tea", "tree", "up", "we", "zoo",
)


def integer(rng: random.Random, low: int = 0, high: int = 20, near: tuple[int, ...] = ()) -> int:
  """A number close to one of `near` in half of the cases, else anywhere from `low` to `high`."""
  if near and rng.random() < 0.5:
    return min(max(rng.choice(near) + rng.choice((-1, 0, 0, 1)), low), high)
  return rng.randint(low, high)


def integers(
    rng: random.Random, low: int = 0, high: int = 20, near: tuple[int, ...] = (), shortest: int = 0, longest: int = 4
) -> list[int]:
  return [integer(rng, low, high, near) for _ in range(rng.randint(shortest, longest))]


def repeating(rng: random.Random, shortest: int = 0, longest: int = 6, kinds: int = 3) -> list[int]:
  """A list with repeated values."""
  values = [rng.randint(0, 9) for _ in range(kinds)]
  return [rng.choice(values) for _ in range(rng.randint(shortest, longest))]


def text(rng: random.Random, letters: str = LETTERS, shortest: int = 0, longest: int = 5) -> str:
  return "".join(rng.choice(letters) for _ in range(rng.randint(shortest, longest)))


def word(rng: random.Random) -> str:
  return rng.choice(WORDS)


def words(rng: random.Random, shortest: int = 0, longest: int = 3) -> list[str]:
  chosen = [rng.choice(WORDS) for _ in range(rng.randint(shortest, longest))]
  if len(chosen) > 1 and rng.random() < 0.3:
    chosen[-1] = chosen[0]
  return chosen


def mapping(rng: random.Random, low: int = 0, high: int = 20, near: tuple[int, ...] = (), longest: int = 3) -> dict:
  return {key: integer(rng, low, high, near) for key in rng.sample(WORDS, rng.randint(0, longest))}
