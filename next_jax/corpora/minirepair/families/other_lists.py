"""Families over lists of whole numbers for split "other" only; see `families.OTHERS`."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def crossings(d: Draw) -> DrawnProblem:
  f, xs, count, i = d.function("count"), *d.names("numbers", "count", "index")
  op, phrase = d.comparison()
  k = d.between(3, 20)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {count} = 0",
          f"    for {i} in range(1, len({xs})):",
          f"        if ({xs}[{i} - 1] {op} {k}) != ({xs}[{i}] {op} {k}):",
          f"            {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the neighbours in {xs} of which only one is {phrase} {k}.",
      vague=f"Count the neighbours in {xs} on two sides of a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 25, (k,), shortest=1, longest=5),),
  )


def runs_out(d: Draw) -> DrawnProblem:
  f, xs, total, i = d.function("find"), *d.names("numbers", "total", "index")
  start, low = d.between(10, 30), d.between(0, 6)
  op, phrase = d.pick(("<", "less than"), ("<=", "at most"))
  other = d.pick("-1", "-1", "None", f"len({xs})")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {total} = {start}",
          f"    for {i} in range(len({xs})):",
          f"        {d.update(total, '-', f'{xs}[{i}]')}",
          f"        if {total} {op} {low}:",
          f"            return {i}",
          f"    return {other}",
      ),
      entry_point=f,
      precise=f"From {start} minus each number in {xs}, return the index with a rest {phrase} {low}, else {other}.",
      vague=f"From a start minus each number in {xs}, return the index with a small rest.",
      inputs=lambda rng: (inputs.integers(rng, 1, 20, (start // 2, start - low), shortest=1),),
  )


def run_lengths(d: Draw) -> DrawnProblem:
  f, xs, result, run, i = d.function("build"), *d.names("numbers", "result", "run", "index")
  step = d.pick("1", "1", "2", f"{xs}[{i}]")
  what = {"1": "length", "2": "doubled length"}.get(step, "sum")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    {run} = 0",
          f"    for {i} in range(len({xs})):",
          f"        {d.update(run, '+', step)}",
          f"        if {i} + 1 == len({xs}) or {xs}[{i} + 1] != {xs}[{i}]:",
          f"            {result}.append({run})",
          f"            {run} = 0",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the {what} of each run of equal neighbours in {xs}.",
      vague=f"List a number for each run of equal neighbours in {xs}.",
      inputs=lambda rng: (inputs.repeating(rng, 1, 4, 2),),
  )


def diagonal(d: Draw) -> DrawnProblem:
  f, total, i = d.function("sum"), *d.names("total", "index")
  place, end = d.pick((i, ""), (f"-1 - {i}", ", from the end"), (f"len(rows) - 1 - {i}", ", from the end"))
  op, phrase = d.comparison()
  k = d.between(2, 7)
  size = d.pick(2, 3)

  def square(rng):
    width = rng.randint(1, size)
    return ([inputs.integers(rng, 0, 9, (k,), width, width) for _ in range(width)],)

  return DrawnProblem(
      code=program(
          f"def {f}(rows):",
          f"    {total} = 0",
          f"    for {i} in range(len(rows)):",
          f"        if rows[{i}][{place}] {op} {k}:",
          f"            {d.update(total, '+', f'rows[{i}][{place}]')}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add the numbers that are {phrase} {k} and at the index of their row in rows{end}.",
      vague="Add the numbers at one index of each row on one side of a limit.",
      inputs=square,
  )


def nearest(d: Draw) -> DrawnProblem:
  f, xs, best, x = d.function("find"), *d.names("numbers", "best", "element")
  op, which, size = d.pick(
      ("<", "first", "smallest"), ("<=", "last", "smallest"), (">", "first", "largest"), (">=", "last", "largest")
  )
  k = d.between(4, 25)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {best} = {xs}[0]",
          f"    for {x} in {xs}:",
          f"        if abs({x} - {k}) {op} abs({best} - {k}):",
          f"            {best} = {x}",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the {which} number in {xs} with the {size} difference from {k}.",
      vague=f"Return the number in {xs} with the extreme difference from a certain one.",
      inputs=lambda rng: (inputs.integers(rng, max(0, k - 9), k + 9, shortest=1),),
  )


def insert_in_order(d: Draw) -> DrawnProblem:
  f, xs, n, i = d.function("build"), *d.names("numbers", "integer", "index")
  # The loop continues while the operator holds, so the place is before the first number that the phrase describes.
  op, phrase, turned = d.pick(
      ("<", "at least", False), ("<=", "greater than", False), (">", "at most", True), (">=", "less than", True)
  )
  plus = d.pick(0, 0, 1, 2)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}, {n}):",
          f"    {i} = 0",
          f"    while {i} < len({xs}) and {xs}[{i}] {op} {n}:",
          f"        {d.update(i, '+', '1')}",
          f"    return {xs}[:{i}] + [{n}" + (f" + {plus}" if plus else "") + f"] + {xs}[{i}:]",
      ),
      entry_point=f,
      precise=f"Insert {n}" + (f" plus {plus}" if plus else "") + f" into {xs} before the first number {phrase} {n}.",
      vague=f"Insert a number from {n} into {xs} by its size.",
      inputs=lambda rng: (sorted(inputs.integers(rng, 0, 9), reverse=turned), rng.randint(1, 9)),
  )


def way_length(d: Draw) -> DrawnProblem:
  f, xs, total, previous, x = d.function("sum"), *d.names("numbers", "total", "previous", "element")
  start, cost = d.between(0, 9), d.pick(1, 1, 2, 3)
  distance = f"abs({x} - {previous})"
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {total} = 0",
          f"    {previous} = {start}",
          f"    for {x} in {xs}:",
          f"        {d.update(total, '+', distance if cost == 1 else f'{distance} * {cost}')}",
          f"        {previous} = {x}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add how far it is from {start} to each number in {xs} in turn"
      + ("." if cost == 1 else f", times {cost}."),
      vague=f"Add how far it is from some start to each number in {xs} in turn, with a factor.",
      inputs=lambda rng: (inputs.integers(rng, 0, 15, longest=4),),
  )


def one_pass(d: Draw) -> DrawnProblem:
  f, xs, i = d.function("change"), *d.names("numbers", "index")
  k = d.pick(0, 0, 1, 2, 3)
  op, word, sign, sign_word = d.pick((">", "greater", "+", "plus"), ("<", "less", "-", "minus"))
  other = f"{xs}[{i} + 1]" + (f" {sign} {k}" if k else "")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    for {i} in range(len({xs}) - 1):",
          f"        if {xs}[{i}] {op} {other}:",
          f"            {xs}[{i}], {xs}[{i} + 1] = {xs}[{i} + 1], {xs}[{i}]",
          f"    return {xs}",
      ),
      entry_point=f,
      precise=f"Swap each number in {xs} with the next one if it is {word} than that"
      + (f" {sign_word} {k}." if k else "."),
      vague=f"Swap some numbers in {xs} with the next one.",
      inputs=lambda rng: (inputs.integers(rng, 0, 9, shortest=1),),
  )


def widest_gap(d: Draw) -> DrawnProblem:
  f, xs, seen, best = d.function("find"), *d.names("numbers", "counts", "best")
  i, x = d.names("index", "element")
  none = d.pick("0", "0", "-1")
  gap = f"            {best} = max({best}, {i} - {seen}[{x}])"
  if d.flip():
    lines: tuple[str, ...] = (f"        if {x} in {seen}:", gap, "        else:", f"            {seen}[{x}] = {i}")
    what = "from the first of equal numbers to the last"
  else:
    lines = (f"        if {x} in {seen}:", gap, f"        {seen}[{x}] = {i}")
    what = "from a number to the next that equals it"
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {seen} = {{}}",
          f"    {best} = {none}",
          f"    for {i}, {x} in enumerate({xs}):",
          *lines,
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the largest step in {xs} {what}, else {none}.",
      vague=f"Return the largest step in {xs} between equal numbers.",
      inputs=lambda rng: (inputs.repeating(rng, 2, 4, 3),),
  )


FAMILIES = (
    crossings, runs_out, run_lengths, diagonal, nearest, insert_in_order, way_length, one_pass, widest_gap,
)
