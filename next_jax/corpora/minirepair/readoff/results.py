"""Families without loops: several intermediate results, one of which is wanted."""

from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import program
from next_jax.corpora.minirepair.readoff import question
from next_jax.corpora.minirepair.readoff.question import ReadOffQuestion


def chain(d: Draw) -> ReadOffQuestion:
  """Each result is made of the one before and one of the arguments."""
  f, (n, m, k) = d.function("sum"), d.names("integer", "second_integer", "limit")
  names = question.temporaries(d, d.pick(5, 5, 6), n, m, k)
  lines = [f"    {name} = {before} * {d.pick(n, m)} % {k}" for name, before in zip(names, [n, *names], strict=False)]
  return ReadOffQuestion(
      code=lambda chosen: program(f"def {f}({n}, {m}, {k}):", *lines, f"    return {chosen}"),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Multiply {n} and {m} some times and return a number below {k}.",
      vague=f"Return a certain number below {k}.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def side_by_side(d: Draw) -> ReadOffQuestion:
  """Each result is made of the arguments."""
  f, (n, m, k) = d.function("sum"), d.names("integer", "second_integer", "limit")
  names = question.temporaries(d, 5, n, m, k)
  products = d.rng.sample([*(f"{x} * {factor}" for x in (n, m) for factor in range(2, 7)), f"{n} * {m}"], 5)
  lines = [f"    {name} = {product} % {k}" for name, product in zip(names, products, strict=True)]
  return ReadOffQuestion(
      code=lambda chosen: program(f"def {f}({n}, {m}, {k}):", *lines, f"    return {chosen}"),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Multiply {n} or {m} and return a number below {k}.",
      vague=f"Return a certain number below {k}.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def web(d: Draw) -> ReadOffQuestion:
  """Each result is the product of two earlier values."""
  f, (n, m, k) = d.function("sum"), d.names("integer", "second_integer", "limit")
  names = question.temporaries(d, d.pick(5, 5, 6), n, m, k)
  known, lines = [n, m], []
  for name in names:
    first, second = d.rng.sample(known, 2)
    lines.append(f"    {name} = {first} * {second} % {k}")
    known.append(name)
  return ReadOffQuestion(
      code=lambda chosen: program(f"def {f}({n}, {m}, {k}):", *lines, f"    return {chosen}"),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Combine {n} and {m} and return a number below {k}.",
      vague=f"Return a certain number below {k}.",
      inputs=lambda rng: question.arguments(rng, 2),
  )


def kept_result(d: Draw) -> ReadOffQuestion:
  """The wanted result gets another name before it is returned."""
  f, (n, k) = d.function("sum"), d.names("integer", "limit")
  *names, kept = question.temporaries(d, 6, n, k)
  lines = [f"    {name} = {before} * {d.between(2, 9)} % {k}" for name, before in zip(names, [n, *names], strict=False)]
  return ReadOffQuestion(
      code=lambda chosen: program(f"def {f}({n}, {k}):", *lines, f"    {kept} = {chosen}", f"    return {kept}"),
      candidates=tuple(names),
      kind="wrong_variable",
      entry_point=f,
      precise=f"Multiply {n} some times and keep a number below {k}.",
      vague=f"Keep a certain number below {k}.",
      inputs=lambda rng: question.arguments(rng, 1),
  )


def in_a_pair(d: Draw) -> ReadOffQuestion:
  """The wanted result is returned beside an argument."""
  f, (n, m, k) = d.function("build"), d.names("integer", "second_integer", "limit")
  names = question.temporaries(d, 5, n, m, k)
  lines = [
      f"    {name} = {before} * {d.pick(n, m, d.between(2, 9))} % {k}"
      for name, before in zip(names, [n, *names], strict=False)
  ]
  return ReadOffQuestion(
      code=lambda chosen: program(f"def {f}({n}, {m}, {k}):", *lines, f"    return [{k}, {chosen}]"),
      candidates=tuple(names),
      kind="wrong_variable",
      entry_point=f,
      precise=f"Return {k} and a number below it made from {n} and {m}.",
      vague=f"Return {k} and a certain number below it.",
      inputs=lambda rng: question.arguments(rng, 2),
      wanted=lambda result: result[1],
  )


def calls(d: Draw) -> ReadOffQuestion:
  """A helper is called several times; which call was meant?"""
  f, part, (n, k) = d.function("sum"), d.function("part"), d.names("integer", "limit")
  i, j = d.pick(("i", "j"), ("s", "t"))
  names = question.temporaries(d, 5, n, k)
  factors = d.rng.sample(range(2, 10), 5)
  return ReadOffQuestion(
      code=lambda chosen: program(
          f"def {part}({i}, {j}):",
          f"    return {i} * {j}",
          f"def {f}({n}, {k}):",
          *(f"    {name} = {part}({n}, {factor}) % {k}" for name, factor in zip(names, factors, strict=True)),
          f"    return {chosen}",
      ),
      candidates=tuple(names),
      kind="wrong_return",
      entry_point=f,
      precise=f"Apply {part} to {n} and return a number below {k}.",
      vague=f"Return a certain number below {k}.",
      inputs=lambda rng: question.arguments(rng, 1),
  )


FAMILIES = (chain, side_by_side, web, kept_result, in_a_pair, calls)
