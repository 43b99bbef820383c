"""Families over texts."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def count_letters(d: Draw) -> DrawnProblem:
  f, s, count, c = d.function("count"), *d.names("text", "count", "letter")
  letters = d.pick("aeo", "abc", "ae", "de")
  op, phrase = d.pick(("in", "in"), ("in", "in"), ("not in", "not in"))
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {count} = 0",
          f"    for {c} in {s}:",
          f"        if {c} {op} {letters!r}:",
          f"            {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the letters of {s} that are {phrase} {letters!r}.",
      vague=f"Count certain letters of {s}.",
      inputs=lambda rng: (inputs.text(rng, shortest=1),),
  )


def turn_around(d: Draw) -> DrawnProblem:
  f, s, result, c = d.function("change"), *d.names("text", "built", "letter")
  end = d.pick("", "", "!", "-")
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {result} = {end!r}",
          f"    for {c} in {s}:",
          f"        {result} = {c} + {result}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Return {s} in reverse" + (f", with {end!r} at the end." if end else "."),
      vague=f"Return {s} in reverse, maybe with an end.",
      inputs=lambda rng: (inputs.text(rng, shortest=1),),
  )


def drop_letter(d: Draw) -> DrawnProblem:
  f, s, result, c = d.function("select"), *d.names("text", "built", "letter")
  letter = d.pick("a", "b", "e", "o")
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {result} = ''",
          f"    for {c} in {s}:",
          f"        if {c} != {letter!r}:",
          f"            {d.update(result, '+', c)}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Return {s} without the letter {letter!r}.",
      vague=f"Return {s} without a certain letter.",
      inputs=lambda rng: (inputs.text(rng, letter + "cdo", 1),),
  )


def replace_letter(d: Draw) -> DrawnProblem:
  f, s, result, c = d.function("change"), *d.names("text", "built", "letter")
  old, new = d.pick(("a", "o"), ("e", "a"), ("b", "d"), ("c", "-"), ("o", "*"))
  if d.flip():
    lines: tuple[str, ...] = (
        f"        if {c} == {old!r}:", f"            {result} += {new!r}", "        else:",
        f"            {result} += {c}",
    )
  else:
    lines = (f"        {result} += {new!r} if {c} == {old!r} else {c}",)
  return DrawnProblem(
      code=program(f"def {f}({s}):", f"    {result} = ''", f"    for {c} in {s}:", *lines, f"    return {result}"),
      entry_point=f,
      precise=f"Return {s} with {new!r} for every {old!r}.",
      vague=f"Return {s} with one letter replaced.",
      inputs=lambda rng: (inputs.text(rng, old + "bde", 1),),
  )


def reads_same(d: Draw) -> DrawnProblem:
  f, s, i = d.function("check"), *d.names("text", "index")
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    for {i} in range(len({s}) // 2):",
          f"        if {s}[{i}] != {s}[len({s}) - 1 - {i}]:",
          "            return False",
          "    return True",
      ),
      entry_point=f,
      precise=f"Say whether {s} reads the same from both ends.",
      vague=f"Say whether {s} has the same letters from both ends.",
      inputs=lambda rng: ((lambda a: a + a[::-1] if rng.random() < 0.5 else a)(inputs.text(rng, "ab", 1, 3)),),
  )


def repeat_letters(d: Draw) -> DrawnProblem:
  f, s, result, c = d.function("change"), *d.names("text", "built", "letter")
  k = d.pick(2, 2, 3)
  end = d.pick("", "-", ".")
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {result} = ''",
          f"    for {c} in {s}:",
          f"        {result} += {c} * {k}" + (f" + {end!r}" if end else ""),
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Write each letter of {s} {k} times" + (f", then {end!r} after each." if end else "."),
      vague=f"Write each letter of {s} several times.",
      inputs=lambda rng: (inputs.text(rng, longest=3),),
  )


def squeeze(d: Draw) -> DrawnProblem:
  f, s, result, i = d.function("select"), *d.names("text", "built", "index")
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {result} = ''",
          f"    for {i} in range(len({s})):",
          f"        if {i} == 0 or {s}[{i}] != {s}[{i} - 1]:",
          f"            {result} += {s}[{i}]",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Return {s} with each run of one letter made a single letter.",
      vague=f"Return {s} with some letters left out.",
      inputs=lambda rng: (inputs.text(rng, "abo", 1),),
  )


def every_other_upper(d: Draw) -> DrawnProblem:
  f, s, result, i = d.function("change"), *d.names("text", "built", "index")
  k, rest = d.pick(2, 2, 3), d.pick(0, 1)
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {result} = ''",
          f"    for {i} in range(len({s})):",
          f"        if {i} % {k} == {rest}:",
          f"            {result} += {s}[{i}].upper()",
          "        else:",
          f"            {result} += {s}[{i}]",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Return {s} with upper case where the index has remainder {rest} by {k}.",
      vague=f"Return {s} with upper case at regular places.",
      inputs=lambda rng: (inputs.text(rng, shortest=1, longest=4),),
  )


def shorten(d: Draw) -> DrawnProblem:
  f, s = d.function("change"), d.name("text")
  k = d.between(1, 3)
  end = d.pick(".", "-", "*", "!")
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    if len({s}) <= {k}:",
          f"        return {s}",
          f"    return {s}[:{k}] + {end!r}",
      ),
      entry_point=f,
      precise=f"Cut {s} to {k} letters and write {end!r} after it, if it is longer.",
      vague=f"Cut {s} to some letters and mark it, if it is longer.",
      inputs=lambda rng: (inputs.text(rng),),
  )


def pad(d: Draw) -> DrawnProblem:
  f, s = d.function("change"), d.name("text")
  k = d.between(3, 5)
  fill = d.pick("*", "-", ".", "0")
  left = d.flip()
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    while len({s}) < {k}:",
          f"        {s} = {fill!r} + {s}" if left else f"        {s} = {s} + {fill!r}",
          f"    return {s}",
      ),
      entry_point=f,
      precise=f"Fill {s} up with {fill!r} {'before' if left else 'after'} it to {k} letters.",
      vague=f"Fill {s} up to a certain length.",
      inputs=lambda rng: (inputs.text(rng),),
  )


def sum_of_digits(d: Draw) -> DrawnProblem:
  f, s, total, c = d.function("sum"), *d.names("text", "total", "letter")
  k = d.pick(0, 0, 1, 2)
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {total} = {k}",
          f"    for {c} in {s}:",
          f"        if {c}.isdigit():",
          f"            {d.update(total, '+', f'int({c})')}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add the digits in {s} to {k}.",
      vague=f"Add the digits in {s} to a start.",
      inputs=lambda rng: (inputs.text(rng, "ab247", 1),),
  )


def common_start(d: Draw) -> DrawnProblem:
  f, s, t, i = d.function("find"), *d.names("text", "second_text", "index")
  return DrawnProblem(
      code=program(
          f"def {f}({s}, {t}):",
          f"    {i} = 0",
          f"    while {i} < len({s}) and {i} < len({t}) and {s}[{i}] == {t}[{i}]:",
          f"        {i} += 1",
          f"    return {s}[:{i}]",
      ),
      entry_point=f,
      precise=f"Return the letters that {s} and {t} have in common at the start.",
      vague=f"Return what {s} and {t} have in common.",
      inputs=lambda rng: (
          (lambda a: (a + inputs.text(rng, "abo", longest=2), a + inputs.text(rng, "abo", longest=2)))(
              inputs.text(rng, longest=3)
          )
      ),
  )


def letters_in_turn(d: Draw) -> DrawnProblem:
  f, s, t, result, i = d.function("build"), *d.names("text", "second_text", "built", "index")
  separator = d.pick("", "", "-")
  value = f"{s}[{i}] + {t}[{i}]" + (f" + {separator!r}" if separator else "")
  return DrawnProblem(
      code=program(
          f"def {f}({s}, {t}):",
          f"    {result} = ''",
          f"    for {i} in range(min(len({s}), len({t}))):",
          f"        {result} += {value}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Take letters of {s} and {t} in turn" + (f", {separator!r} after each pair." if separator else "."),
      vague=f"Combine the letters of {s} and {t}.",
      inputs=lambda rng: (inputs.text(rng, "abc", 1, 3), inputs.text(rng, "deo", 1, 4)),
  )


def last_place(d: Draw) -> DrawnProblem:
  f, s, found, i = d.function("find"), *d.names("text", "best", "index")
  letter = d.pick("a", "b", "o", "e")
  missing = d.pick(-1, -1, 0)
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {found} = {missing}",
          f"    for {i} in range(len({s})):",
          f"        if {s}[{i}] == {letter!r}:",
          f"            {found} = {i}",
          f"    return {found}",
      ),
      entry_point=f,
      precise=f"Return the index of the last {letter!r} in {s}, else {missing}.",
      vague=f"Return the index of a certain letter in {s}.",
      inputs=lambda rng: (inputs.text(rng, letter + "cd", 1),),
  )


def nesting(d: Draw) -> DrawnProblem:
  f, s, best, c = d.function("count"), *d.names("text", "best", "letter")
  depth = d.pick("depth", "level")
  up, down = d.pick(("(", ")"), ("<", ">"), ("u", "d"))
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {depth} = 0",
          f"    {best} = 0",
          f"    for {c} in {s}:",
          f"        if {c} == {up!r}:",
          f"            {depth} += 1",
          f"            {best} = max({best}, {depth})",
          f"        elif {c} == {down!r}:",
          f"            {depth} -= 1",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Highest {depth} in {s}, where {up!r} goes up and {down!r} goes down.",
      vague=f"Highest {depth} that {s} reaches.",
      inputs=lambda rng: (inputs.text(rng, up + up + down, 1),),
  )
