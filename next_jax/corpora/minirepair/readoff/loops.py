"""Families with a loop: it changes several numbers or lists, one of which is wanted."""

import random

from next_jax.corpora.minirepair.draw import Draw, program
from next_jax.corpora.minirepair.readoff import question
from next_jax.corpora.minirepair.readoff.question import Question


def rounds(d: Draw) -> Question:
  """Numbers that change in each of several rounds."""
  f, (n, k), i = d.function("sum"), d.names("integer", "limit"), d.name("index")
  names = question.temporaries(d, 5, n, k, i)
  num_rounds = d.between(3, 6)
  return Question(
      code=_accumulating(d, f"def {f}({n}, {k}):", f"for {i} in range({num_rounds}):", names, n, k),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Multiply by {n} {num_rounds} times and return a number below {k}.",
      vague=f"Return a certain number below {k}.",
      inputs=lambda rng: question.arguments(rng, 1),
  )


def over_numbers(d: Draw) -> Question:
  """Products over a list, to a modulus."""
  f, (xs, x, k) = d.function("sum"), d.names("numbers", "element", "limit")
  names = question.temporaries(d, 5, xs, x, k)
  return Question(
      code=_accumulating(d, f"def {f}({xs}, {k}):", f"for {x} in {xs}:", names, x, k),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Multiply the numbers in {xs} and return a number below {k}.",
      vague=f"Return a certain number below {k}.",
      inputs=_numbers_and_modulus,
  )


def buckets(d: Draw) -> Question:
  """Numbers are put into lists, which a list of lists has under other names: which list a number goes to is computed."""
  f, (xs, x, k) = d.function("select"), d.names("numbers", "element", "limit")
  *names, rows = question.temporaries(d, 6, xs, x, k)
  factor, order = d.between(2, 9), d.rng.sample(names, 5)
  return Question(
      code=lambda chosen: program(
          f"def {f}({xs}, {k}):",
          f"    {', '.join(names)} = [], [], [], [], []",
          f"    {rows} = [{', '.join(order)}]",
          f"    for {x} in {xs}:",
          f"        {rows}[{x} * {factor} % {k} % 5].append({x})",
          f"    return {chosen}",
      ),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Keep the numbers in {xs} that have a certain remainder by {k}.",
      vague=f"Keep certain numbers in {xs}.",
      inputs=_numbers_and_modulus,
  )


def _accumulating(d: Draw, definition: str, head: str, names: list[str], argument: str, modulus: str):
  """In each round every number is multiplied by the one before, and the first by the argument."""
  starts = ", ".join(str(start) for start in d.rng.sample(range(1, 10), len(names)))
  updates = [f"        {name} = {name} * {before} % {modulus}" for name, before in zip(names, [argument, *names])]
  return lambda chosen: program(
      definition, f"    {', '.join(names)} = {starts}", f"    {head}", *updates, f"    return {chosen}"
  )


def _numbers_and_modulus(rng: random.Random) -> tuple[list[int], int]:
  """Three numbers: the prompt leaves out no visit of a line that runs three times, so it shows each change."""
  *numbers, modulus = question.arguments(rng, 3)
  return numbers, modulus


FAMILIES = (rounds, over_numbers, buckets)
