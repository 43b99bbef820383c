"""Families over whole numbers, texts and dictionaries for split "other" only, which pretraining and the loop lack.

See `families.OTHERS`; families over lists are in `other_lists`.
"""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def grow_past(d: Draw) -> DrawnProblem:
  f, limit, total, count = d.function("count"), *d.names("limit", "total", "count")
  start, factor, plus = d.between(1, 5), d.between(2, 3), d.between(0, 3)
  op, phrase = d.pick(("<", "at least"), ("<=", "more than"))
  grown, change = f"{total} * {factor}", f"times {factor}"
  if plus:
    grown, change = f"{grown} + {plus}", f"{change} plus {plus}"
  first = start * factor + plus
  return DrawnProblem(
      code=program(
          f"def {f}({limit}):",
          f"    {total} = {start}",
          f"    {count} = 0",
          f"    while {total} {op} {limit}:",
          f"        {total} = {grown}",
          f"        {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"From {start}, {change} each time; count the steps to {phrase} {limit}.",
      vague=f"Multiply a number each time; count the steps to {limit}.",
      inputs=lambda rng: (inputs.integer(rng, 0, 99, (start, first, first * factor + plus)),),
  )


def steps_down(d: Draw) -> DrawnProblem:
  f, n, count = d.function("count"), *d.names("integer", "count")
  k, less, stop = d.between(2, 4), d.pick(1, 1, 2), d.between(0, 4)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {count} = 0",
          f"    while {n} > {stop}:",
          f"        if {n} % {k} == 0:",
          f"            {n} //= {k}",
          "        else:",
          f"            {n} -= {less}",
          f"        {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Divide {n} by {k} if divisible, else minus {less}; count the steps until it is at most {stop}.",
      vague=f"Divide {n} or make it less; count the steps until it is small.",
      inputs=lambda rng: (inputs.integer(rng, 0, 30, (stop, k * k, k * stop)),),
  )


def wrap_around(d: Draw) -> DrawnProblem:
  f, n, m = d.function("change"), *d.names("integer", "second_integer")
  size, times = d.pick(5, 6, 7, 8, 10, 12), d.between(1, 4)
  added = m if times == 1 else f"{m} * {times}"
  op, phrase = d.pick((">=", "at least"), (">", "more than"))
  return DrawnProblem(
      code=program(
          f"def {f}({n}, {m}):",
          f"    {d.update(n, '+', added)}",
          f"    while {n} {op} {size}:",
          f"        {n} -= {size}",
          f"    return {n}",
      ),
      entry_point=f,
      precise=f"Add {added} to {n}, then minus {size} while it is {phrase} {size}.",
      vague=f"Add {m} some times to {n}, and start again after a limit.",
      inputs=lambda rng: (rng.randint(0, size), rng.randint(0, 6)),
  )


def check_digit(d: Draw) -> DrawnProblem:
  f, n, total, weight = d.function("sum"), *d.names("integer", "total", "second_integer")
  start, more, k = d.between(1, 3), d.between(1, 3), d.between(5, 11)
  return DrawnProblem(
      code=program(
          f"def {f}({n}):",
          f"    {total} = 0",
          f"    {weight} = {start}",
          f"    while {n} > 0:",
          f"        {d.update(total, '+', f'{n} % 10 * {weight}')}",
          f"        {weight} += {more}",
          f"        {n} //= 10",
          f"    return {total} % {k}",
      ),
      entry_point=f,
      precise=f"Add the digits of {n}, last first, times {start} and {more} more each time; remainder by {k}.",
      vague=f"Add the digits of {n}, times a growing number; return a remainder.",
      inputs=lambda rng: (rng.choice((rng.randint(0, 99), rng.randint(100, 999))),),
  )


def next_letters(d: Draw) -> DrawnProblem:
  f, s, letters, result, c = d.function("change"), *d.names("text", "second_text", "built", "letter")
  alphabet, k = d.pick("abc", "abcd", "abcde", "aeo", "xyz"), d.between(1, 2)
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {letters} = {alphabet!r}",
          f"    {result} = ''",
          f"    for {c} in {s}:",
          f"        {d.update(result, '+', f'{letters}[({letters}.find({c}) + {k}) % {len(alphabet)}]')}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Write the letter {k} after each letter of {s} in {alphabet!r}, which starts again at its end.",
      vague=f"Write a later letter for each letter of {s}.",
      inputs=lambda rng: (inputs.text(rng, alphabet, 1, 3),),
  )


def differing_places(d: Draw) -> DrawnProblem:
  f, s, t, count, i = d.function("count"), *d.names("text", "second_text", "count", "index")
  op, phrase = d.pick(("!=", "another"), ("==", "the same"))
  step, more = d.pick(1, 1, 2, 3), d.between(1, 3)
  longer = f"abs(len({s}) - len({t}))"
  return DrawnProblem(
      code=program(
          f"def {f}({s}, {t}):",
          f"    {count} = {longer if more == 1 else f'{longer} * {more}'}",
          f"    for {i} in range(min(len({s}), len({t}))):",
          f"        if {s}[{i}] {op} {t}[{i}]:",
          f"            {d.update(count, '+', str(step))}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count {step} where {s} and {t} have {phrase} letter at an index, {more} for each letter that one is"
      " longer.",
      vague=f"Score {s} and {t} by their letters, index by index, and by their length.",
      inputs=lambda rng: (inputs.text(rng, "abo", 1, 4), inputs.text(rng, "abo", 1, 4)),
  )


def cut_at(d: Draw) -> DrawnProblem:
  f, s, result, part, c = d.function("build"), *d.names("text", "result", "built", "letter")
  mark = d.pick("-", ",", "/", "o")
  last = d.flip()
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {result} = []",
          f"    {part} = ''",
          f"    for {c} in {s}:",
          f"        if {c} == {mark!r}:",
          f"            {result}.append({part})",
          f"            {part} = ''",
          "        else:",
          f"            {d.update(part, '+', c)}",
          f"    return {result} + [{part}]" if last else f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the parts of {s} {'between' if last else 'that end with'} {mark!r}, without it.",
      vague=f"List the parts of {s} by a certain letter.",
      inputs=lambda rng: (inputs.text(rng, "ab" + mark, 1, 4),),
  )


def walk(d: Draw) -> DrawnProblem:
  f, s, place, c = d.function("find"), *d.names("text", "index", "letter")
  up, down = d.pick(("r", "l"), ("u", "d"), ("f", "b"), ("+", "-"))
  low, more, less = d.between(0, 2), d.between(1, 4), d.between(1, 4)
  start = low + d.between(0, 5)
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {place} = {start}",
          f"    for {c} in {s}:",
          f"        if {c} == {up!r}:",
          f"            {d.update(place, '+', str(more))}",
          "        else:",
          f"            {place} = max({place} - {less}, {low})",
          f"    return {place}",
      ),
      entry_point=f,
      precise=f"From {start}, plus {more} for {up!r} in {s}, else minus {less}, but no less than {low}.",
      vague=f"Plus or minus by the letters of {s}, but no less than a limit.",
      inputs=lambda rng: (inputs.text(rng, up + down, 1, 4),),
  )


def follow_links(d: Draw) -> DrawnProblem:
  f, table, key, count = d.function("find"), *d.names("mapping", "key", "count")
  k = d.between(2, 4)
  what, phrase = d.pick((key, "the last one"), (count, "how often"))

  def links(rng):
    letters = rng.sample("abcde", rng.randint(1, 3))
    return {letter: rng.choice("abcde") for letter in letters}, rng.choice(letters)

  return DrawnProblem(
      code=program(
          f"def {f}({table}, {key}):",
          f"    {count} = 0",
          f"    while {key} in {table} and {count} < {k}:",
          f"        {key} = {table}[{key}]",
          f"        {d.update(count, '+', '1')}",
          f"    return {what}",
      ),
      entry_point=f,
      precise=f"From {key} to its value in {table}, and on from that, at most {k} times; return {phrase}.",
      vague=f"From {key} to its value in {table}, and on from that; return {phrase}.",
      inputs=links,
  )


def group_by_remainder(d: Draw) -> DrawnProblem:
  f, table, groups, key = d.function("build"), *d.names("mapping", "counts", "key")
  rest = d.name("digit")
  op, phrase = d.pick(("%", "remainder of their value by"), ("//", "whole part of their value divided by"))
  k = d.between(2, 5)
  if d.flip():
    lines: tuple[str, ...] = (f"        {groups}[{rest}] = {groups}.get({rest}, []) + [{key}]",)
  else:
    lines = (
        f"        if {rest} not in {groups}:", f"            {groups}[{rest}] = []",
        f"        {groups}[{rest}].append({key})",
    )
  return DrawnProblem(
      code=program(
          f"def {f}({table}):",
          f"    {groups} = {{}}",
          f"    for {key} in {table}:",
          f"        {rest} = {table}[{key}] {op} {k}",
          *lines,
          f"    return {groups}",
      ),
      entry_point=f,
      precise=f"Group the keys of {table} by the {phrase} {k}.",
      vague=f"Group the keys of {table} by a number from their value.",
      inputs=lambda rng: (inputs.mapping(rng, 0, 12, (k, 2 * k)),),
  )


def refill(d: Draw) -> DrawnProblem:
  f, table, key = d.function("change"), *d.names("mapping", "key")
  op, phrase = d.comparison()
  sign, word = d.pick(("+", "plus"), ("-", "minus"))
  k, c = d.between(3, 15), d.between(1, 9)
  return DrawnProblem(
      code=program(
          f"def {f}({table}):",
          f"    for {key} in {table}:",
          f"        if {table}[{key}] {op} {k}:",
          f"            {d.update(f'{table}[{key}]', sign, str(c))}",
          f"    return {table}",
      ),
      entry_point=f,
      precise=f"Return {table} with each value that is {phrase} {k} {word} {c}.",
      vague=f"Return {table} with another number for values on one side of a limit.",
      inputs=lambda rng: (inputs.mapping(rng, 0, 20, (k,)),),
  )


FAMILIES = (
    grow_past, steps_down, wrap_around, check_digit, next_letters, differing_places, cut_at, walk, follow_links,
    group_by_remainder, refill,
)
