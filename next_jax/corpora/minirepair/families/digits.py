"""Families over the digits of a whole number."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def sum_digits(d: Draw) -> DrawnProblem:
  f, n, total = d.function("sum"), *d.names("integer", "total")
  k = d.pick(1, 1, 2, 3)
  step = f"{n} % 10" if k == 1 else f"{n} % 10 * {k}"
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {total} = 0",
          f"    while {n} > 0:",
          f"        {d.update(total, '+', step)}",
          f"        {n} //= 10",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add up the digits of {n}" + ("." if k == 1 else f", each times {k}."),
      vague=f"Add up the digits of {n}, with a factor.",
      inputs=lambda rng: (rng.choice((rng.randint(0, 99), rng.randint(100, 999))),),
  )


def count_digit(d: Draw) -> DrawnProblem:
  f, n, count, digit = d.function("count"), *d.names("integer", "count", "digit")
  op, phrase = d.pick(("==", "equal to"), (">", "greater than"), ("<", "less than"))
  k = d.between(2, 7)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {count} = 0",
          f"    while {n} > 0:",
          f"        {digit} = {n} % 10",
          f"        if {digit} {op} {k}:",
          f"            {count} += 1",
          f"        {n} = {n} // 10",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the digits of {n} that are {phrase} {k}.",
      vague=f"Count the digits of {n} that meet a condition.",
      inputs=lambda rng: (int("".join(str(inputs.integer(rng, 1, 9, (k,))) for _ in range(rng.randint(1, 3)))),),
  )


def reverse_digits(d: Draw) -> DrawnProblem:
  f, n, result = d.function("change"), *d.names("integer", "built")
  plus = d.pick(0, 0, 1, 2)
  digit = f"{n} % 10" if plus == 0 else f"{n} % 10 + {plus}"
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {result} = 0",
          f"    while {n} > 0:",
          f"        {result} = {result} * 10 + {digit}",
          f"        {n} = {n} // 10",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Return {n} with its digits in reverse order" + ("." if plus == 0 else f", {plus} added to each."),
      vague=f"Return {n} with its digits in reverse order, maybe with an addition.",
      inputs=lambda rng: (rng.choice((rng.randint(0, 99), rng.randint(100, 777))),),
  )


def digits_in_base(d: Draw) -> DrawnProblem:
  f, n, result = d.function("build"), *d.names("integer", "result")
  base = d.between(2, 5)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {result} = []",
          f"    while {n} > 0:",
          f"        {result}.append({n} % {base})",
          f"        {n} //= {base}",
          f"    return {result}" + ("[::-1]" if (turned := d.flip()) else ""),
      ),
      entry_point=f,
      precise=f"List the digits of {n} in base {base}, {'first' if turned else 'last'} digit first.",
      vague=f"List the digits of {n} in another base.",
      inputs=lambda rng: (rng.randint(0, base**4 - 1),),
  )
