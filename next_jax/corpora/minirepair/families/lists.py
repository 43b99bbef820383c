"""Families that make lists of lists of whole numbers."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def keep_where(d: Draw) -> DrawnProblem:
  f, xs, result = d.function("select"), *d.names("numbers", "result")
  head, x = d.each(xs)
  op, phrase = d.comparison()
  k, plus = d.between(3, 30), d.pick(0, 0, 1, 2)
  value = f"{x} + {plus}" if plus else x
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    {head}",
          f"        if {x} {op} {k}:",
          f"            {result}.append({value})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the numbers in {xs} that are {phrase} {k}" + (f", plus {plus}." if plus else "."),
      vague=f"List the numbers in {xs} on one side of a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 40, (k,)),),
  )


def change_each(d: Draw) -> DrawnProblem:
  f, xs, result = d.function("change"), *d.names("numbers", "result")
  head, x = d.each(xs)
  k, c = d.between(2, 5), d.between(1, 9)
  sign, word = d.pick(("+", "plus"), ("-", "minus"))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    {head}",
          f"        {result}.append({x} * {k} {sign} {c})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List every number in {xs} times {k} {word} {c}.",
      vague=f"List every number in {xs} times one constant {word} another.",
      inputs=lambda rng: (inputs.integers(rng, 0, 12, longest=4),),
  )


def running_total(d: Draw) -> DrawnProblem:
  f, xs, total, result = d.function("build"), *d.names("numbers", "total", "result")
  x = d.name("element")
  start = d.pick(0, 0, d.between(1, 9))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {total} = {start}",
          f"    {result} = []",
          f"    for {x} in {xs}:",
          f"        {d.update(total, '+', x)}",
          f"        {result}.append({total})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the running totals of {xs}, starting from {start}.",
      vague=f"List the running totals of {xs}.",
      inputs=lambda rng: (inputs.integers(rng, 0, 15, longest=4),),
  )


def differences(d: Draw) -> DrawnProblem:
  f, xs, result, i = d.function("build"), *d.names("numbers", "result", "index")
  gap = d.pick(1, 1, 2)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    for {i} in range({gap}, len({xs})):",
          f"        {result}.append({xs}[{i}] - {xs}[{i} - {gap}])",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List each number in {xs} minus the one {gap} before it.",
      vague=f"List each number in {xs} minus an earlier one.",
      inputs=lambda rng: (inputs.integers(rng, 0, 20, shortest=1),),
  )


def without_repeats(d: Draw) -> DrawnProblem:
  f, xs, result = d.function("select"), *d.names("numbers", "result")
  x = d.name("element")
  times = d.pick(1, 1, 2)
  test = f"{x} not in {result}" if times == 1 else f"{result}.count({x}) < {times}"
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    for {x} in {xs}:",
          f"        if {test}:",
          f"            {result}.append({x})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the numbers in {xs}, each at most {'once' if times == 1 else 'twice'}, in order.",
      vague=f"List the numbers in {xs} without too many repeats.",
      inputs=lambda rng: (inputs.repeating(rng, 1, 5),),
  )


def separate(d: Draw) -> DrawnProblem:
  f, xs, a, b = d.function("build"), *d.names("numbers", "result", "second_result")
  x = d.name("element")
  if d.flip():
    k = d.between(2, 4)
    test, phrase, vague = f"{x} % {k} == 0", f"divisible by {k}", "with a certain divisor"
    near: tuple[int, ...] = (k, 2 * k)
  else:
    op, phrase = d.comparison()
    k = d.between(4, 20)
    test, phrase, vague, near = f"{x} {op} {k}", f"{phrase} {k}", "on one side of a limit", (k,)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {a}, {b} = [], []",
          f"    for {x} in {xs}:",
          f"        if {test}:",
          f"            {a}.append({x})",
          "        else:",
          f"            {b}.append({x})",
          f"    return {a}, {b}",
      ),
      entry_point=f,
      precise=f"Split {xs} into the numbers {phrase} and the rest.",
      vague=f"Split {xs} into the numbers {vague} and the rest.",
      inputs=lambda rng: (inputs.integers(rng, 0, 25, near, longest=4),),
  )


def take_turns(d: Draw) -> DrawnProblem:
  f, xs, ys, result, i = d.function("build"), *d.names("numbers", "others", "result", "index")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}, {ys}):",
          f"    {result} = []",
          f"    for {i} in range(min(len({xs}), len({ys}))):",
          f"        {result}.append({xs}[{i}])",
          f"        {result}.append({ys}[{i}])",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Take a number from {xs} and one from {ys} in turn until one ends.",
      vague=f"Combine the numbers of {xs} and {ys} in turn.",
      inputs=lambda rng: (inputs.integers(rng, 0, 9, shortest=1, longest=3), inputs.integers(rng, 10, 20, longest=3)),
  )


def take_while(d: Draw) -> DrawnProblem:
  f, xs, result = d.function("select"), *d.names("numbers", "result")
  x = d.name("element")
  op, phrase = d.comparison()
  k = d.between(4, 20)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    for {x} in {xs}:",
          f"        if {x} {op} {k}:",
          "            break",
          f"        {result}.append({x})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the numbers in {xs} before the first that is {phrase} {k}.",
      vague=f"List the numbers in {xs} before the first beyond a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 25, (k,), shortest=1),),
  )


def rotate(d: Draw) -> DrawnProblem:
  f, xs = d.function("change"), d.name("numbers")
  k = d.between(1, 3)
  if d.flip():
    first, second = d.names("result", "second_result")
    lines = (f"    {first} = {xs}[:{k}]", f"    {second} = {xs}[{k}:]", f"    return {second} + {first}")
  else:
    lines = (f"    if len({xs}) <= {k}:", f"        return {xs}", f"    return {xs}[{k}:] + {xs}[:{k}]")
  return DrawnProblem(
      code=program(f"def {f}({xs}):", *lines),
      entry_point=f,
      precise=f"Move the first {k} numbers of {xs} to the end.",
      vague=f"Move the first numbers of {xs} to the end.",
      inputs=lambda rng: (inputs.integers(rng, 0, 20, shortest=1),),
  )


def pieces(d: Draw) -> DrawnProblem:
  f, xs, result, i = d.function("build"), *d.names("numbers", "result", "index")
  k = d.pick(2, 2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    for {i} in range(0, len({xs}), {k}):",
          f"        {result}.append({xs}[{i}:{i} + {k}])",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Cut {xs} into pieces of {k} numbers.",
      vague=f"Cut {xs} into pieces.",
      inputs=lambda rng: (inputs.integers(rng, 0, 20, shortest=1, longest=6),),
  )


def cap_each(d: Draw) -> DrawnProblem:
  f, xs, result = d.function("change"), *d.names("numbers", "result")
  x = d.name("element")
  k = d.between(5, 25)
  if d.flip():
    lines: tuple[str, ...] = (
        f"        if {x} > {k}:", f"            {result}.append({k})", "        else:",
        f"            {result}.append({x})",
    )
  else:
    lines = (f"        if {x} > {k}:", f"            {x} = {k}", f"        {result}.append({x})")
  return DrawnProblem(
      code=program(f"def {f}({xs}):", f"    {result} = []", f"    for {x} in {xs}:", *lines, f"    return {result}"),
      entry_point=f,
      precise=f"List the numbers in {xs}, with {k} for all that are greater.",
      vague=f"List the numbers in {xs}, none above a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 35, (k,), longest=4),),
  )


def flatten(d: Draw) -> DrawnProblem:
  f, rows, result = d.function("build"), "rows", d.name("result")
  row, x = "row", d.name("element")
  op, phrase = d.comparison()
  k = d.between(2, 12)
  return DrawnProblem(
      code=program(
          f"def {f}({rows}):",
          f"    {result} = []",
          f"    for {row} in {rows}:",
          f"        for {x} in {row}:",
          f"            if {x} {op} {k}:",
          f"                {result}.append({x})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List all numbers in the rows that are {phrase} {k}.",
      vague="List all numbers in the rows on one side of a limit.",
      inputs=lambda rng: ([inputs.integers(rng, 0, 15, (k,), 0, 3) for _ in range(rng.randint(1, 3))],),
  )


def best_row(d: Draw) -> DrawnProblem:
  f, best, total = d.function("find"), *d.names("best", "total")
  op, word = d.pick((">", "largest"), ("<", "smallest"))
  return DrawnProblem(
      code=program(
          f"def {f}(rows):",
          f"    {best} = rows[0]",
          "    for row in rows:",
          f"        {total} = sum(row)",
          f"        if {total} {op} sum({best}):",
          f"            {best} = row",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the first row with the {word} sum.",
      vague="Return the row with the extreme sum.",
      inputs=lambda rng: ([inputs.integers(rng, 0, 9, (), 1, 2) for _ in range(rng.randint(1, 3))],),
  )


def every_second(d: Draw) -> DrawnProblem:
  f, xs, total, i = d.function("sum"), *d.names("numbers", "total", "index")
  start, step = d.pick(0, 1), d.pick(2, 2, 3)
  if d.flip():
    lines = (f"    for {i} in range({start}, len({xs}), {step}):", f"        {total} += {xs}[{i}]")
  else:
    x = d.name("element")
    lines = (f"    for {x} in {xs}[{start}::{step}]:", f"        {total} += {x}")
  return DrawnProblem(
      code=program(f"def {f}({xs}):", f"    {total} = 0", *lines, f"    return {total}"),
      entry_point=f,
      precise=f"Add the numbers of {xs} at index {start} and every {step} after it.",
      vague=f"Add the numbers of {xs} at regular places.",
      inputs=lambda rng: (inputs.integers(rng, 0, 20, shortest=2, longest=6),),
  )


def running_best(d: Draw) -> DrawnProblem:
  f, xs, best, result, x = d.function("build"), *d.names("numbers", "best", "result", "element")
  op, word = d.pick((">", "largest"), ("<", "smallest"))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {best} = {xs}[0]",
          f"    {result} = []",
          f"    for {x} in {xs}:",
          f"        if {x} {op} {best}:",
          f"            {best} = {x}",
          f"        {result}.append({best})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"For each place in {xs}, list the {word} number so far.",
      vague=f"For each place in {xs}, list the extreme number so far.",
      inputs=lambda rng: (inputs.integers(rng, 0, 30, shortest=1, longest=4),),
  )


def select_with_helper(d: Draw) -> DrawnProblem:
  g, f, xs, result = d.function("part"), d.function("select"), *d.names("numbers", "result")
  x, y = d.names("element", "second_element")
  low = d.between(2, 10)
  high = low + d.between(3, 12)
  return DrawnProblem(
      code=program(
          f"def {g}({y}):",
          f"    return {y} > {low} and {y} < {high}",
          f"def {f}({xs}):",
          f"    {result} = []",
          f"    for {x} in {xs}:",
          f"        if {g}({x}):",
          f"            {result}.append({x})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the numbers in {xs} greater than {low} and less than {high}.",
      vague=f"List the numbers in {xs} between two bounds.",
      inputs=lambda rng: (inputs.integers(rng, 0, 25, (low, high), shortest=1, longest=3),),
  )


def in_both(d: Draw) -> DrawnProblem:
  f, xs, ys, result = d.function("select"), *d.names("numbers", "others", "result")
  x = d.name("element")
  op, phrase = d.pick(("in", "also"), ("not in", "not"))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}, {ys}):",
          f"    {result} = []",
          f"    for {x} in {xs}:",
          f"        if {x} {op} {ys}:",
          f"            {result}.append({x})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the numbers in {xs} that are {phrase} in {ys}.",
      vague=f"List the numbers in {xs} by whether they are in {ys}.",
      inputs=lambda rng: (inputs.integers(rng, 1, 6, shortest=1, longest=4), inputs.integers(rng, 1, 6, longest=3)),
  )
