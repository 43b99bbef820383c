"""Families that make one value of a list of whole numbers: a count, a sum, an index, an answer."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def count_compare(d: Draw) -> DrawnProblem:
  f, xs, count = d.function("count"), *d.names("numbers", "count")
  head, x = d.each(xs)
  op, phrase = d.comparison()
  k = d.between(3, 40)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {count} = 0",
          f"    {head}",
          f"        if {x} {op} {k}:",
          f"            {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the numbers in {xs} that are {phrase} {k}.",
      vague=f"Count the numbers in {xs} on one side of a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 50, (k,)),),
  )


def count_over_limit(d: Draw) -> DrawnProblem:
  f, xs, limit, count = d.function("count"), *d.names("numbers", "limit", "count")
  head, x = d.each(xs)
  op, phrase = d.comparison()
  start = d.pick(0, 0, 1, 2)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}, {limit}):",
          f"    {count} = {start}",
          f"    {head}",
          f"        if {x} {op} {limit}:",
          f"            {count} += 1",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the numbers in {xs} that are {phrase} {limit}, counting from {start}.",
      vague=f"Count the numbers in {xs} on one side of {limit}, from some start.",
      inputs=lambda rng: (lambda k: (inputs.integers(rng, 0, 20, (k,)), k))(rng.randint(2, 15)),
  )


def sum_where(d: Draw) -> DrawnProblem:
  f, xs, total = d.function("sum"), *d.names("numbers", "total")
  head, x = d.each(xs)
  k = d.between(2, 4)
  rest = d.between(0, 1)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {total} = 0",
          f"    {head}",
          f"        if {x} % {k} == {rest}:",
          f"            {d.update(total, '+', x)}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add the numbers in {xs} whose remainder by {k} is {rest}.",
      vague=f"Add the numbers in {xs} with a certain remainder.",
      inputs=lambda rng: (inputs.integers(rng, 0, 20, (k, 2 * k + rest)),),
  )


def best_element(d: Draw) -> DrawnProblem:
  f, xs, best = d.function("find"), *d.names("numbers", "best")
  x = d.name("element")
  op, word = d.pick((">", "largest"), ("<", "smallest"))
  part = d.pick("", "[1:]")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {best} = {xs}[0]",
          f"    for {x} in {xs}{part}:",
          f"        if {x} {op} {best}:",
          f"            {best} = {x}",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the {word} number in {xs}.",
      vague=f"Return the extreme number in {xs}.",
      inputs=lambda rng: (inputs.integers(rng, 0, 60, shortest=1),),
  )


def first_index(d: Draw) -> DrawnProblem:
  f, xs, i = d.function("find"), *d.names("numbers", "index")
  op, phrase = d.comparison()
  k = d.between(3, 30)
  if d.flip():
    lines = (f"    for {i} in range(len({xs})):", f"        if {xs}[{i}] {op} {k}:")
  else:
    x = d.name("element")
    lines = (f"    for {i}, {x} in enumerate({xs}):", f"        if {x} {op} {k}:")
  other = d.pick("-1", "-1", "None", f"len({xs})")
  return DrawnProblem(
      code=program(f"def {f}({xs}):", *lines, f"            return {i}", f"    return {other}"),
      entry_point=f,
      precise=f"Return the index of the first number in {xs} that is {phrase} {k}, else {other}.",
      vague=f"Return the index of the first number in {xs} beyond a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 40, (k,)),),
  )


def last_index(d: Draw) -> DrawnProblem:
  f, xs, target, found, i = d.function("find"), *d.names("numbers", "limit", "best", "index")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}, {target}):",
          f"    {found} = -1",
          f"    for {i} in range(len({xs})):",
          f"        if {xs}[{i}] == {target}:",
          f"            {found} = {i}",
          f"    return {found}",
      ),
      entry_point=f,
      precise=f"Return the index of the last number in {xs} that equals {target}, else -1.",
      vague=f"Return where {target} is in {xs}.",
      inputs=lambda rng: (lambda xs: (xs, rng.choice(xs + [7])))(inputs.repeating(rng, 1, 5, 2)),
  )


def longest_run(d: Draw) -> DrawnProblem:
  f, xs, best, run, x = d.function("count"), *d.names("numbers", "best", "run", "element")
  op, phrase = d.comparison()
  k = d.between(3, 20)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {best} = 0",
          f"    {run} = 0",
          f"    for {x} in {xs}:",
          f"        if {x} {op} {k}:",
          f"            {run} += 1",
          f"            {best} = max({best}, {run})",
          "        else:",
          f"            {run} = 0",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Length of the longest run of numbers in {xs} that are {phrase} {k}.",
      vague=f"Length of the longest run in {xs} on one side of a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 25, (k,), shortest=2),),
  )


def adjacent_pairs(d: Draw) -> DrawnProblem:
  f, xs, count, i = d.function("count"), *d.names("numbers", "count", "index")
  op, phrase = d.pick(("==", "equals"), (">", "is greater than"), ("<", "is less than"))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {count} = 0",
          f"    for {i} in range(len({xs}) - 1):",
          f"        if {xs}[{i}] {op} {xs}[{i} + 1]:",
          f"            {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the numbers in {xs} for which it {phrase} the next one.",
      vague=f"Count the neighbours in {xs} that stand in a relation.",
      inputs=lambda rng: (inputs.repeating(rng, 1, 6),),
  )


def is_ordered(d: Draw) -> DrawnProblem:
  f, xs, i = d.function("check"), *d.names("numbers", "index")
  op, word = d.pick((">", "falls"), (">=", "fails to rise"), ("<", "rises"))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    for {i} in range(1, len({xs})):",
          f"        if {xs}[{i} - 1] {op} {xs}[{i}]:",
          "            return False",
          "    return True",
      ),
      entry_point=f,
      precise=f"Return False if {xs} somewhere {word} from one number to the next, else True.",
      vague=f"Say whether the numbers in {xs} are in order.",
      inputs=lambda rng: (
          (lambda xs: sorted(xs, reverse=op == "<") if rng.random() < 0.5 else xs)(inputs.repeating(rng, 1, 4, 4)),
      ),
  )


def pairs_with_sum(d: Draw) -> DrawnProblem:
  f, xs, target, count = d.function("count"), *d.names("numbers", "limit", "count")
  i, j = d.pick(("i", "j"), ("a", "b"))
  op, phrase = d.pick(("==", "equal to"), (">", "greater than"), ("<", "less than"))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}, {target}):",
          f"    {count} = 0",
          f"    for {i} in range(len({xs})):",
          f"        for {j} in range({i} + 1, len({xs})):",
          f"            if {xs}[{i}] + {xs}[{j}] {op} {target}:",
          f"                {count} += 1",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the pairs in {xs} with a sum {phrase} {target}.",
      vague=f"Count the pairs in {xs} by comparing their sum to {target}.",
      inputs=lambda rng: (inputs.integers(rng, 0, 6, shortest=2, longest=4), rng.randint(4, 9)),
  )


def weighted_sum(d: Draw) -> DrawnProblem:
  f, xs, ys, total = d.function("sum"), *d.names("numbers", "others", "total")
  x, y = d.names("element", "second_element")
  start = d.pick(0, 0, 1, 5)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}, {ys}):",
          f"    {total} = {start}",
          f"    for {x}, {y} in zip({xs}, {ys}):",
          f"        {d.update(total, '+', f'{x} * {y}')}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add the products of {xs} and {ys}, place by place, to {start}.",
      vague=f"Add up what {xs} and {ys} give place by place.",
      inputs=lambda rng: (inputs.integers(rng, 0, 9, shortest=1, longest=3), inputs.integers(rng, 1, 6, longest=3)),
  )


def second_best(d: Draw) -> DrawnProblem:
  f, xs, best = d.function("find"), *d.names("numbers", "best")
  second, x = d.names("previous", "element")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {best} = 0",
          f"    {second} = 0",
          f"    for {x} in {xs}:",
          f"        if {x} > {best}:",
          f"            {second} = {best}",
          f"            {best} = {x}",
          f"        elif {x} > {second}:",
          f"            {second} = {x}",
          f"    return {second}",
      ),
      entry_point=f,
      precise=f"Return the second largest number in {xs}, 0 if there is none.",
      vague=f"Return one of the largest numbers in {xs}.",
      inputs=lambda rng: (inputs.integers(rng, 1, 30, shortest=2),),
  )


def spread(d: Draw) -> DrawnProblem:
  f, xs = d.function("sum"), d.name("numbers")
  low, high = d.pick(("low", "high"), ("a", "b"), ("first", "end"))
  x = d.name("element")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {low} = {xs}[0]",
          f"    {high} = {xs}[0]",
          f"    for {x} in {xs}:",
          f"        {low} = min({low}, {x})",
          f"        {high} = max({high}, {x})",
          f"    return {high} - {low}",
      ),
      entry_point=f,
      precise=f"Return the largest number in {xs} minus the smallest.",
      vague=f"Return how far the numbers in {xs} spread.",
      inputs=lambda rng: (inputs.integers(rng, 0, 40, shortest=1, longest=4),),
  )


def best_window(d: Draw) -> DrawnProblem:
  f, xs, best, total, i = d.function("find"), *d.names("numbers", "best", "total", "index")
  k = d.pick(2, 2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {best} = 0",
          f"    for {i} in range(len({xs}) - {k - 1}):",
          f"        {total} = sum({xs}[{i}:{i} + {k}])",
          f"        if {total} > {best}:",
          f"            {best} = {total}",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the largest sum of {k} neighbours in {xs}, at least 0.",
      vague=f"Return the largest sum of neighbours in {xs}.",
      inputs=lambda rng: (inputs.integers(rng, 0, 15, shortest=2),),
  )


def sum_until(d: Draw) -> DrawnProblem:
  f, xs, total, x = d.function("sum"), *d.names("numbers", "total", "element")
  k = d.between(5, 30)
  op, phrase = d.pick((">", "more than"), (">=", "at least"))
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {total} = 0",
          f"    for {x} in {xs}:",
          f"        {total} += {x}",
          f"        if {total} {op} {k}:",
          "            break",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add the numbers in {xs} until the sum is {phrase} {k}.",
      vague=f"Add the numbers in {xs} until the sum is large enough.",
      inputs=lambda rng: (inputs.integers(rng, 1, 15, (k // 2, k // 3), shortest=1),),
  )


def ups_and_downs(d: Draw) -> DrawnProblem:
  f, xs, score, x = d.function("sum"), *d.names("numbers", "total", "element")
  k, up, down = d.between(4, 20), d.between(1, 5), d.between(1, 3)
  op, phrase = d.comparison()
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {score} = 0",
          f"    for {x} in {xs}:",
          f"        if {x} {op} {k}:",
          f"            {score} += {up}",
          "        else:",
          f"            {score} -= {down}",
          f"    return {score}",
      ),
      entry_point=f,
      precise=f"Score {xs}: plus {up} for a number that is {phrase} {k}, else minus {down}.",
      vague=f"Score {xs}: plus for numbers on one side of a limit, else minus.",
      inputs=lambda rng: (inputs.integers(rng, 0, 25, (k,)),),
  )


def average_above(d: Draw) -> DrawnProblem:
  f, xs, total, count, x = d.function("sum"), *d.names("numbers", "total", "count", "element")
  op, phrase = d.comparison()
  k, other = d.between(3, 20), d.pick("0", "-1")
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {total} = 0",
          f"    {count} = 0",
          f"    for {x} in {xs}:",
          f"        if {x} {op} {k}:",
          f"            {total} += {x}",
          f"            {count} += 1",
          f"    return {total} // {count} if {count} > 0 else {other}",
      ),
      entry_point=f,
      precise=f"Whole average of the numbers in {xs} that are {phrase} {k}; {other} if none.",
      vague=f"Whole average of the numbers in {xs} on one side of a limit.",
      inputs=lambda rng: (inputs.integers(rng, 0, 25, (k,), longest=4),),
  )
