"""Families over lists of words."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def join_words(d: Draw) -> DrawnProblem:
  f, ws, result = d.function("build"), *d.names("words", "built")
  separator = d.pick("-", ",", " ", "_")
  i = d.name("index")
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {result} = ''",
          f"    for {i} in range(len({ws})):",
          f"        if {i} > 0:",
          f"            {result} += {separator!r}",
          f"        {result} += {ws}[{i}]",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Join the {ws} with {separator!r} between them.",
      vague=f"Join the {ws} with something between them.",
      inputs=lambda rng: (inputs.words(rng, longest=3),),
  )


def first_letters(d: Draw) -> DrawnProblem:
  f, ws, result, w = d.function("build"), *d.names("words", "built", "word")
  end, which = d.pick(("0", "first"), ("-1", "last"))
  change = d.pick("", ".upper()")
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {result} = ''",
          f"    for {w} in {ws}:",
          f"        {d.update(result, '+', f'{w}[{end}]{change}')}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Write the {which} letters of the {ws} together" + (", in upper case." if change else "."),
      vague=f"Write one letter of each of the {ws} together.",
      inputs=lambda rng: (inputs.words(rng, 1),),
  )


def longest_word(d: Draw) -> DrawnProblem:
  f, ws, best, w = d.function("find"), *d.names("words", "best", "word")
  op, phrase = d.pick((">", "first longest"), (">=", "last longest"))
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {best} = ''",
          f"    for {w} in {ws}:",
          f"        if len({w}) {op} len({best}):",
          f"            {best} = {w}",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the {phrase} of the {ws}.",
      vague=f"Return the longest of the {ws}.",
      inputs=lambda rng: (inputs.words(rng, 1),),
  )


def count_long_words(d: Draw) -> DrawnProblem:
  f, ws, count, w = d.function("count"), *d.names("words", "count", "word")
  op, phrase = d.comparison()
  k = d.between(3, 4)
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {count} = 0",
          f"    for {w} in {ws}:",
          f"        if len({w}) {op} {k}:",
          f"            {d.update(count, '+', '1')}",
          f"    return {count}",
      ),
      entry_point=f,
      precise=f"Count the {ws} whose length is {phrase} {k}.",
      vague=f"Count the {ws} by their length.",
      inputs=lambda rng: (inputs.words(rng),),
  )


def words_with_start(d: Draw) -> DrawnProblem:
  f, ws, result, w = d.function("select"), *d.names("words", "result", "word")
  method, phrase = d.pick(("startswith", "start"), ("endswith", "end"))
  letter = d.pick("a", "b", "e", "o") if method == "startswith" else d.pick("e", "w", "n", "g")
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {result} = []",
          f"    for {w} in {ws}:",
          f"        if {w}.{method}({letter!r}):",
          f"            {result}.append({w})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the {ws} that {phrase} with {letter!r}.",
      vague=f"List the {ws} with a certain letter at one end.",
      inputs=lambda rng: (
          [
              rng.choice([w for w in inputs.WORDS if (w[0] if method == "startswith" else w[-1]) == letter])
              if rng.random() < 0.5
              else inputs.word(rng)
              for _ in range(rng.randint(1, 4))
          ],
      ),
  )


def mark_words(d: Draw) -> DrawnProblem:
  g, f, ws, result = d.function("part"), d.function("change"), *d.names("words", "result")
  w, c = d.names("word", "element")
  end, k = d.pick("!", "?", "-", "*"), d.between(2, 3)
  return DrawnProblem(
      code=program(
          f"def {g}({c}):",
          f"    if len({c}) > {k}:",
          f"        return {c} + {end!r}",
          f"    return {c}",
          f"def {f}({ws}):",
          f"    {result} = []",
          f"    for {w} in {ws}:",
          f"        {result}.append({g}({w}))",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the {ws} with {end!r} after those longer than {k}.",
      vague=f"List the {ws} with a mark after the long ones.",
      inputs=lambda rng: (inputs.words(rng, 1, 3),),
  )


def has_letter(d: Draw) -> DrawnProblem:
  f, ws, w = d.function("check"), *d.names("words", "word")
  letter = d.pick("a", "e", "o")
  k = d.between(2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    for {w} in {ws}:",
          f"        if {letter!r} in {w} and len({w}) > {k}:",
          "            return True",
          "    return False",
      ),
      entry_point=f,
      precise=f"Say whether one of the {ws} has {letter!r} and more than {k} letters.",
      vague=f"Say whether one of the {ws} has a certain letter and is long.",
      inputs=lambda rng: (inputs.words(rng, 1, 3),),
  )
