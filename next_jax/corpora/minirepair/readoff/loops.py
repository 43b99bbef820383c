"""Families with a loop that changes several numbers or lists, one of which is wanted."""

import random

from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import program
from next_jax.corpora.minirepair.readoff import question
from next_jax.corpora.minirepair.readoff.question import ReadOffQuestion


def rounds(d: Draw) -> ReadOffQuestion:
  """In each of several rounds, numbers move one place on and one of them is multiplied."""
  f, (n, m, k), i = d.function("sum"), d.names("integer", "second_integer", "limit"), d.name("index")
  names = question.temporaries(d, 5, n, m, k, i)
  num_rounds, factor = d.between(5, 9), d.pick(n, m, d.between(2, 9))
  starts = [n, m, *map(str, d.rng.sample(range(1, 10), 3))]
  return ReadOffQuestion(
      code=lambda chosen: program(
          f"def {f}({n}, {m}, {k}):",
          f"    {', '.join(names)} = {', '.join(starts)}",
          f"    for {i} in range({num_rounds}):",
          f"        {', '.join(names)} = {', '.join(names[1:])}, {names[0]} * {factor} % {k}",
          f"    return {chosen}",
      ),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Multiply numbers {num_rounds} times and return one below {k}.",
      vague=f"Return a certain number below {k}.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def unpacked(d: Draw) -> ReadOffQuestion:
  """Each round makes a number; after the loop the numbers get names."""
  f, (n, m, k), (built, i) = d.function("sum"), d.names("integer", "second_integer", "limit"), d.names("built", "index")
  names = question.temporaries(d, 5, n, m, k, built, i)
  factor, added = d.pick(n, m, d.between(2, 9)), d.between(1, 9)
  return ReadOffQuestion(
      code=lambda chosen: program(
          f"def {f}({n}, {m}, {k}):",
          f"    {built} = [{m}]",
          f"    for {i} in range(5):",
          f"        {built}.append({built}[{i}] * {factor} % {k} + {added})",
          f"    {m}, {', '.join(names)} = {built}",
          f"    return {chosen}",
      ),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Multiply {m} some times and return one of the numbers.",
      vague="Return a certain one of some numbers.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def buckets(d: Draw) -> ReadOffQuestion:
  """Numbers go into lists by a computed index in a list of lists; each list has a name too."""
  f, (xs, x, k) = d.function("select"), d.names("numbers", "element", "limit")
  *names, rows = question.temporaries(d, 6, xs, x, k)
  factor, order = d.between(2, 9), d.rng.sample(names, 5)
  return ReadOffQuestion(
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


def _numbers_and_modulus(rng: random.Random) -> tuple[list[int], int]:
  """Three numbers and a modulus. The prompt shows all visits of a line that runs three times, so each change shows."""
  *numbers, modulus = question.arguments(rng, 3)
  return numbers, modulus


FAMILIES = (rounds, unpacked, buckets)
