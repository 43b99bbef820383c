"""Families that fill a dict or a list and want one of its values."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import program
from next_jax.corpora.minirepair.readoff import question
from next_jax.corpora.minirepair.readoff.question import ReadOffQuestion


def by_key(d: Draw) -> ReadOffQuestion:
  """Each of some words gets a number."""
  f, (table, word) = d.function("find"), d.names("mapping", "word")
  words = d.rng.sample(inputs.WORDS, 5)
  code = _filling(d, f, f"{table} = {{}}", f"for {word} in {words!r}:", f"{table}[{word}] = {{}}")
  return ReadOffQuestion(
      code=code,
      candidates=tuple(f"{table}[{key!r}]" for key in words),
      kind="wrong_key",
      entry_point=f,
      precise=f"Return what a certain word has in {table}.",
      vague="Return the number of a certain word.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def by_number(d: Draw) -> ReadOffQuestion:
  """Each of some numbers gets another number."""
  f, (table, i) = d.function("find"), d.names("mapping", "index")
  first = d.between(0, 4)
  code = _filling(d, f, f"{table} = {{}}", f"for {i} in range({first}, {first + 5}):", f"{table}[{i}] = {{}}")
  return ReadOffQuestion(
      code=code,
      candidates=tuple(f"{table}[{key}]" for key in range(first, first + 5)),
      kind="wrong_key",
      entry_point=f,
      precise=f"Return what a certain number has in {table}.",
      vague="Return the number of another number.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def by_index(d: Draw) -> ReadOffQuestion:
  """Each round appends a number."""
  f, (xs, i) = d.function("find"), d.names("result", "index")
  code = _filling(d, f, f"{xs} = []", f"for {i} in range(5):", f"{xs}.append({{}})")
  return ReadOffQuestion(
      code=code,
      candidates=tuple(f"{xs}[{index}]" for index in range(5)),
      kind="wrong_index",
      entry_point=f,
      precise=f"Return a certain number of {xs}.",
      vague="Return a certain one of some numbers.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def _filling(d: Draw, f: str, start: str, head: str, put: str):
  """Puts the next number of a chain times another number, so that the value is not that of a name as well."""
  n, m, k = d.names("integer", "second_integer", "limit")
  factor, other = d.between(2, 9), d.pick(m, d.between(2, 9))
  return lambda chosen: program(
      f"def {f}({n}, {m}, {k}):",
      f"    {start}",
      f"    {head}",
      f"        {n} = {n} * {factor} % {k}",
      f"        {put.format(f'{n} * {other} % {k}')}",
      f"    return {chosen}",
  )


FAMILIES = (by_key, by_number, by_index)
