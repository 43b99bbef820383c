"""Families over whole numbers, but for those that look at their digits."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def halvings(d: Draw) -> DrawnProblem:
  f, n, count = d.function("count"), *d.names("integer", "count")
  k, part = d.between(1, 6), d.pick(2, 2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {count} = 0",
          f"    while {n} > {k}:",
          f"        {n} = {n} // {part}",
          f"        {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count how often {n} is divided by {part} until it is at most {k}.",
      vague=f"Count how often {n} is divided until it is small.",
      inputs=lambda rng: (inputs.integer(rng, 0, 99, (k, k * part)),),
  )


def clamp(d: Draw) -> DrawnProblem:
  f, n = d.function("change"), d.name("integer")
  low = d.between(2, 20)
  high = low + d.between(5, 40)
  first = (f"    if {n} < {low}:", f"        return {low}")
  second = (f"    if {n} > {high}:", f"        return {high}")
  parts = first + second if d.flip() else second + first
  return DrawnProblem(
      code=program(f"def {f}({n}):", *parts, f"    return {n}"),
      entry_point=f,
      precise=f"Return {n}, but no less than {low} and no more than {high}.",
      vague=f"Return {n}, kept between two bounds.",
      inputs=lambda rng: (inputs.integer(rng, 0, 70, (low, high)),),
  )


def three_levels(d: Draw) -> DrawnProblem:
  f, n = d.function("rate"), d.name("integer")
  low = d.between(3, 30)
  high = low + d.between(4, 30)
  names = d.pick(("low", "mid", "high"), ("cold", "warm", "hot"), ("bad", "fair", "good"))
  if d.flip():
    lines: tuple[str, ...] = (
        f"    if {n} < {low}:", f"        return {names[0]!r}", f"    if {n} < {high}:", f"        return {names[1]!r}",
        f"    return {names[2]!r}",
    )
    bounds = f"below {low}, {names[1]!r} below {high}"
  else:
    lines = (
        f"    if {n} <= {low}:", f"        result = {names[0]!r}", f"    elif {n} <= {high}:",
        f"        result = {names[1]!r}", "    else:", f"        result = {names[2]!r}", "    return result",
    )
    bounds = f"up to {low}, {names[1]!r} up to {high}"
  return DrawnProblem(
      code=program(f"def {f}({n}):", *lines),
      entry_point=f,
      precise=f"Return {names[0]!r} for {n} {bounds}, else {names[2]!r}.",
      vague=f"Return {names[0]!r}, {names[1]!r} or {names[2]!r} by the size of {n}.",
      inputs=lambda rng: (inputs.integer(rng, 0, 70, (low, high)),),
  )


def sum_multiples(d: Draw) -> DrawnProblem:
  f, n, total, i = d.function("sum"), *d.names("integer", "total", "index")
  k = d.between(2, 4)
  rest = d.pick(0, 0, 1)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {total} = 0",
          f"    for {i} in range(1, {n} + 1):",
          f"        if {i} % {k} == {rest}:",
          f"            {d.update(total, '+', i)}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add the numbers from 1 to {n} whose remainder by {k} is {rest}.",
      vague=f"Add the numbers from 1 to {n} with a certain remainder.",
      inputs=lambda rng: (rng.randint(0, 8),),
  )


def power(d: Draw) -> DrawnProblem:
  f, base, n, result, i = d.function("sum"), *d.names("second_integer", "integer", "built", "index")
  start = d.pick(1, 1, 2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({base}, {n}):",
          f"    {result} = {start}",
          f"    for {i} in range({n}):",
          f"        {d.update(result, '*', base)}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Multiply {start} by {base}, {n} times.",
      vague=f"Multiply a number by {base}, {n} times.",
      inputs=lambda rng: (rng.randint(2, 5), rng.randint(0, 4)),
  )


def sequence_of_sums(d: Draw) -> DrawnProblem:
  f, n, i = d.function("build"), *d.names("integer", "index")
  a, b = d.pick(("a", "b"), ("x", "y"), ("p", "q"))
  first, second = d.pick((0, 1), (1, 1), (2, 1), (1, 2), (1, 3))
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {a} = {first}",
          f"    {b} = {second}",
          f"    for {i} in range({n}):",
          f"        {a}, {b} = {b}, {a} + {b}",
          f"    return {a}",
      ),
      entry_point=f,
      precise=f"Start with {first} and {second}, each next number is the sum of two; return number {n}.",
      vague=f"Each next number is the sum of the two before; return number {n}.",
      inputs=lambda rng: (rng.randint(0, 7),),
  )


def fizz(d: Draw) -> DrawnProblem:
  f, n = d.function("rate"), d.name("integer")
  a, b = d.pick((2, 5), (3, 5), (2, 7), (3, 4), (4, 5))
  one, two = d.pick(("fizz", "buzz"), ("tick", "tock"), ("ping", "pong"))
  result = d.name("built")
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {result} = ''",
          f"    if {n} % {a} == 0:",
          f"        {result} += {one!r}",
          f"    if {n} % {b} == 0:",
          f"        {result} += {two!r}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Write {one!r} if {n} is divisible by {a}, then {two!r} if divisible by {b}.",
      vague=f"Write {one!r} or {two!r} or both, by what divides {n}.",
      inputs=lambda rng: (inputs.integer(rng, 0, 40, (a * b, 2 * a, 3 * b)),),
  )


def count_divisors(d: Draw) -> DrawnProblem:
  f, n, count, i = d.function("count"), *d.names("integer", "count", "index")
  low = d.pick(1, 2)
  if d.flip():
    lines = (f"    {count} = 0", f"        if {n} % {i} == 0:", f"            {count} += 1", f"    return {count}")
    what, vague = f"Count the divisors of {n} from {low} to {n}.", f"Count the divisors of {n}."
  else:
    count = d.name("result")
    found = f"            {count}.append({i})"
    lines = (f"    {count} = []", f"        if {n} % {i} == 0:", found, f"    return {count}")
    what, vague = f"List the divisors of {n} from {low} to {n}.", f"List the divisors of {n}."
  return DrawnProblem(
      code=program(f"def {f}({n}):", lines[0], f"    for {i} in range({low}, {n} + 1):", *lines[1:]),
      entry_point=f,
      precise=what,
      vague=vague,
      inputs=lambda rng: (rng.randint(1, 9),),
  )


def no_divisor(d: Draw) -> DrawnProblem:
  f, n, i = d.function("check"), *d.names("integer", "index")
  k = d.pick(1, 1, 2, 4)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    for {i} in range(2, {n}):",
          f"        if {n} % {i} == 0:",
          "            return False",
          f"    return {n} > {k}",
      ),
      entry_point=f,
      precise=f"Say whether {n} is greater than {k} and has no divisor from 2 to {n} - 1.",
      vague=f"Say whether {n} is large enough and has no divisor of its own.",
      inputs=lambda rng: (inputs.integer(rng, 0, 13, (k,)),),
  )


def price_with_discount(d: Draw) -> DrawnProblem:
  f, n, cost = d.function("sum"), *d.names("integer", "total")
  price, limit, off = d.between(2, 6), d.between(3, 8), d.between(2, 9)
  op, phrase = d.pick((">", "more than"), (">=", "at least"))
  sign, word = d.pick(("-", "minus"), ("+", "plus"))
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {cost} = {n} * {price}",
          f"    if {n} {op} {limit}:",
          f"        {d.update(cost, sign, str(off))}",
          f"    return {cost}",
      ),
      entry_point=f,
      precise=f"Price of {n} pieces at {price} each, {word} {off} for {phrase} {limit} pieces.",
      vague=f"Price of {n} pieces, {word} something for many pieces.",
      inputs=lambda rng: (inputs.integer(rng, 0, 15, (limit,)),),
  )


def sum_of_changed(d: Draw) -> DrawnProblem:
  g, f, x, n, total, i = d.function("part"), d.function("sum"), *d.names("element", "integer", "total", "index")
  k, c = d.between(2, 5), d.between(1, 6)
  sign = d.pick("+", "-")
  return DrawnProblem(
      code=program(
          f"def {g}({x}):",
          f"    return {x} * {k} {sign} {c}",
          f"def {f}({n}):",
          f"    {total} = 0",
          f"    for {i} in range({n}):",
          f"        {total} += {g}({i})",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add {x} * {k} {sign} {c} for every {x} from 0 to {n} - 1.",
      vague=f"Add a changed {x} for every {x} from 0 to {n} - 1.",
      inputs=lambda rng: (rng.randint(0, 5),),
  )


def largest_of_three(d: Draw) -> DrawnProblem:
  f, best = d.function("find"), d.name("best")
  a, b, c = d.pick(("a", "b", "c"), ("x", "y", "z"), ("p", "q", "r"))
  op, word = d.pick((">", "largest"), ("<", "smallest"))
  return DrawnProblem(
      code=program(
          f"def {f}({a}, {b}, {c}):",
          f"    {best} = {a}",
          f"    if {b} {op} {best}:",
          f"        {best} = {b}",
          f"    if {c} {op} {best}:",
          f"        {best} = {c}",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the {word} of {a}, {b} and {c}.",
      vague=f"Return one of {a}, {b} and {c} by size.",
      inputs=lambda rng: tuple(rng.randint(0, 30) for _ in range(3)),
  )


def countdown(d: Draw) -> DrawnProblem:
  f, n, result = d.function("build"), *d.names("integer", "result")
  step, stop = d.between(2, 5), d.between(0, 9)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {result} = []",
          f"    while {n} > {stop}:",
          f"        {result}.append({n})",
          f"        {d.update(n, '-', str(step))}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List {n} and on down in steps of {step} while greater than {stop}.",
      vague=f"List {n} and on down in steps to a limit.",
      inputs=lambda rng: (inputs.integer(rng, 0, 20, (stop, stop + step)),),
  )


def calendar_rule(d: Draw) -> DrawnProblem:
  f, n = d.function("check"), d.name("integer")
  a, b = d.pick((2, 5), (2, 3), (3, 4), (4, 10), (3, 5))
  limit = d.between(10, 30)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    if {n} % {a} == 0 and {n} % {b} != 0:",
          "        return True",
          f"    return {n} > {limit}",
      ),
      entry_point=f,
      precise=f"True if {n} is divisible by {a} but not by {b}, or is greater than {limit}.",
      vague=f"True if {n} has one divisor but not another, or is large.",
      inputs=lambda rng: (inputs.integer(rng, 1, 40, (limit, a * b, a * 2)),),
  )


def common_divisor(d: Draw) -> DrawnProblem:
  f, n, m = d.function("find"), *d.names("integer", "second_integer")
  plus = d.pick(0, 0, 1, 2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({n}, {m}):",
          f"    while {m} > 0:",
          f"        {n}, {m} = {m}, {n} % {m}",
          f"    return {n}" + (f" + {plus}" if plus else ""),
      ),
      entry_point=f,
      precise=f"Return the greatest common divisor of {n} and {m}" + (f", plus {plus}." if plus else "."),
      vague=f"Return a number from the greatest common divisor of {n} and {m}.",
      inputs=lambda rng: (lambda k: (k * rng.randint(1, 6), k * rng.randint(0, 6)))(rng.randint(1, 7)),
  )


def save_until(d: Draw) -> DrawnProblem:
  f, goal, total, count = d.function("count"), *d.names("limit", "total", "count")
  start, gain, growth = d.between(0, 5), d.between(2, 6), d.between(1, 3)
  amount = d.name("run")
  return DrawnProblem(
      code=program(
          f"def {f}({goal}):",
          f"    {total} = {start}",
          f"    {amount} = {gain}",
          f"    {count} = 0",
          f"    while {total} < {goal}:",
          f"        {total} += {amount}",
          f"        {amount} += {growth}",
          f"        {count} += 1",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"From {start}, add {gain}, then {growth} more each time; count the steps to {goal}.",
      vague=f"Add a growing amount each time; count the steps to {goal}.",
      inputs=lambda rng: (inputs.integer(rng, 0, 40, (start, start + gain, start + 2 * gain + growth)),),
  )
