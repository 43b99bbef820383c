"""Families over dictionaries."""

from next_jax.corpora.minirepair import inputs
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import DrawnProblem
from next_jax.corpora.minirepair.draw import program


def count_items(d: Draw) -> DrawnProblem:
  f, xs, counts, x = d.function("count"), *d.names("numbers", "counts", "element")
  step = d.pick(1, 1, 2)
  if d.flip():
    lines: tuple[str, ...] = (
        f"        if {x} not in {counts}:", f"            {counts}[{x}] = 0", f"        {counts}[{x}] += {step}",
    )
  else:
    lines = (f"        {counts}[{x}] = {counts}.get({x}, 0) + {step}",)
  return DrawnProblem(
      code=program(f"def {f}({xs}):", f"    {counts} = {{}}", f"    for {x} in {xs}:", *lines, f"    return {counts}"),
      entry_point=f,
      precise=f"Map each number in {xs} to {'how often' if step == 1 else 'twice how often'} it is there.",
      vague=f"Map each number in {xs} to a count.",
      inputs=lambda rng: (inputs.repeating(rng, 1, 4),),
  )


def group_by_length(d: Draw) -> DrawnProblem:
  f, ws, groups, w = d.function("build"), *d.names("words", "counts", "word")
  key, phrase = d.pick((f"len({w})", "length"), (f"{w}[0]", "first letter"), (f"{w}[-1]", "last letter"))
  size = d.name("key")
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {groups} = {{}}",
          f"    for {w} in {ws}:",
          f"        {size} = {key}",
          f"        if {size} not in {groups}:",
          f"            {groups}[{size}] = []",
          f"        {groups}[{size}].append({w})",
          f"    return {groups}",
      ),
      entry_point=f,
      precise=f"Group the {ws} by their {phrase}.",
      vague=f"Group the {ws} by something they share.",
      inputs=lambda rng: (inputs.words(rng, 1, 3),),
  )


def turn_over(d: Draw) -> DrawnProblem:
  f, table, result, key = d.function("change"), *d.names("mapping", "result", "key")
  op, phrase = d.comparison()
  k = d.between(3, 12)
  return DrawnProblem(
      code=program(
          f"def {f}({table}):",
          f"    {result} = {{}}",
          f"    for {key} in {table}:",
          f"        if {table}[{key}] {op} {k}:",
          f"            {result}[{table}[{key}]] = {key}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Map the values of {table} that are {phrase} {k} to their keys.",
      vague=f"Map the values of {table} on one side of a limit to their keys.",
      inputs=lambda rng: (inputs.mapping(rng, 0, 15, (k,), longest=3),),
  )


def sum_values(d: Draw) -> DrawnProblem:
  f, table, total = d.function("sum"), *d.names("mapping", "total")
  op, phrase = d.comparison()
  k = d.between(3, 15)
  if d.flip():
    value = d.name("element")
    head = f"for {value} in {table}.values():"
  else:
    key = d.name("key")
    head, value = f"for {key} in {table}:", f"{table}[{key}]"
  return DrawnProblem(
      code=program(
          f"def {f}({table}):",
          f"    {total} = 0",
          f"    {head}",
          f"        if {value} {op} {k}:",
          f"            {d.update(total, '+', value)}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Add the values of {table} that are {phrase} {k}.",
      vague=f"Add the values of {table} on one side of a limit.",
      inputs=lambda rng: (inputs.mapping(rng, 0, 20, (k,), longest=3),),
  )


def best_key(d: Draw) -> DrawnProblem:
  f, table, best, key = d.function("find"), *d.names("mapping", "best", "key")
  op, word = d.pick((">", "largest"), ("<", "smallest"))
  return DrawnProblem(
      code=program(
          f"def {f}({table}):",
          f"    {best} = None",
          f"    for {key} in {table}:",
          f"        if {best} is None or {table}[{key}] {op} {table}[{best}]:",
          f"            {best} = {key}",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the key of {table} with the {word} value, None if it is empty.",
      vague=f"Return the key of {table} with the extreme value.",
      inputs=lambda rng: (inputs.mapping(rng, 0, 30, longest=3),),
  )


def filter_table(d: Draw) -> DrawnProblem:
  f, table, result = d.function("select"), *d.names("mapping", "result")
  key, value = d.names("key", "element")
  op, phrase = d.comparison()
  k, c = d.between(3, 15), d.pick(0, 0, 1, 2)
  stored = f"{value} + {c}" if c else value
  return DrawnProblem(
      code=program(
          f"def {f}({table}):",
          f"    {result} = {{}}",
          f"    for {key}, {value} in {table}.items():",
          f"        if {value} {op} {k}:",
          f"            {result}[{key}] = {stored}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Keep the entries of {table} whose value is {phrase} {k}" + (f", plus {c}." if c else "."),
      vague=f"Keep the entries of {table} on one side of a limit.",
      inputs=lambda rng: (inputs.mapping(rng, 0, 20, (k,), longest=3),),
  )


def add_tables(d: Draw) -> DrawnProblem:
  f, a, b, key = d.function("build"), *d.names("mapping", "mapping", "key")
  result = d.name("result")
  return DrawnProblem(
      code=program(
          f"def {f}({a}, {b}):",
          f"    {result} = dict({a})",
          f"    for {key} in {b}:",
          f"        if {key} in {result}:",
          f"            {result}[{key}] += {b}[{key}]",
          "        else:",
          f"            {result}[{key}] = {b}[{key}]",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Combine {a} and {b}; add the values of keys in both.",
      vague=f"Combine {a} and {b}.",
      inputs=lambda rng: tuple(
          {key: rng.randint(1, 15) for key in rng.sample(("cat", "dog", "egg", "tea"), rng.randint(1, 2))}
          for _ in range(2)
      ),
  )


def look_up(d: Draw) -> DrawnProblem:
  f, table, ws, result, w = d.function("change"), *d.names("mapping", "words", "result", "word")
  default = d.pick(0, 0, -1, 5)
  if d.flip():
    lines: tuple[str, ...] = (f"        {result}.append({table}.get({w}, {default}))",)
  else:
    lines = (
        f"        if {w} in {table}:", f"            {result}.append({table}[{w}])", "        else:",
        f"            {result}.append({default})",
    )
  return DrawnProblem(
      code=program(
          f"def {f}({table}, {ws}):",
          f"    {result} = []",
          f"    for {w} in {ws}:",
          *lines,
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List what {table} has for the {ws}, {default} where it has nothing.",
      vague=f"List what {table} has for the {ws}, else some default.",
      inputs=lambda rng: (
          {key: rng.randint(1, 20) for key in rng.sample(("cat", "dog", "egg", "tea"), rng.randint(1, 2))},
          [rng.choice(("cat", "dog", "egg", "tea")) for _ in range(rng.randint(1, 3))],
      ),
  )


def most_common(d: Draw) -> DrawnProblem:
  f, ws, counts, w = d.function("find"), *d.names("words", "counts", "word")
  best = d.name("best")
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {counts} = {{}}",
          f"    {best} = ''",
          f"    for {w} in {ws}:",
          f"        {counts}[{w}] = {counts}.get({w}, 0) + 1",
          f"        if {counts}[{w}] > {counts}.get({best}, 0):",
          f"            {best} = {w}",
          f"    return {best}",
      ),
      entry_point=f,
      precise=f"Return the word that first becomes the most frequent of the {ws}.",
      vague=f"Return the frequent one of the {ws}.",
      inputs=lambda rng: ([rng.choice(("cat", "dog", "egg")) for _ in range(rng.randint(1, 4))],),
  )


def first_places(d: Draw) -> DrawnProblem:
  f, s, places = d.function("find"), *d.names("text", "counts")
  i, c = d.names("index", "letter")
  start = d.pick(0, 0, 1)
  value = f"{i} + 1" if start else i
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {places} = {{}}",
          f"    for {i}, {c} in enumerate({s}):",
          f"        if {c} not in {places}:",
          f"            {places}[{c}] = {value}",
          f"    return {places}",
      ),
      entry_point=f,
      precise=f"Map each letter of {s} to its first index, counted from {start}.",
      vague=f"Map each letter of {s} to an index.",
      inputs=lambda rng: (inputs.text(rng, "abo", 1, 4),),
  )


def take_from_stock(d: Draw) -> DrawnProblem:
  f, stock, ws, w = d.function("count"), *d.names("mapping", "words", "word")
  result, amount = d.names("result", "count")
  k = d.pick(1, 1, 2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({stock}, {ws}):",
          f"    {amount} = 0",
          f"    {result} = dict({stock})",
          f"    for {w} in {ws}:",
          f"        if {result}.get({w}, 0) >= {k}:",
          f"            {result}[{w}] -= {k}",
          f"            {amount} += 1",
          f"    return {amount}",
      ),
      entry_point=f,
      precise=f"Count the {ws} that can each take {k} from {stock}.",
      vague=f"Count the {ws} that can take their part from {stock}.",
      inputs=lambda rng: (
          {key: rng.randint(1, 2 * k) for key in rng.sample(("cat", "dog", "egg"), 2)},
          [rng.choice(("cat", "dog", "egg")) for _ in range(rng.randint(1, 4))],
      ),
  )


def word_lengths(d: Draw) -> DrawnProblem:
  f, ws, result, w = d.function("build"), *d.names("words", "result", "word")
  k = d.pick(0, 0, 1, 2)
  value = f"len({w}) + {k}" if k else f"len({w})"
  limit = d.between(2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({ws}):",
          f"    {result} = {{}}",
          f"    for {w} in {ws}:",
          f"        if len({w}) > {limit}:",
          f"            {result}[{w}] = {value}",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"Map the {ws} longer than {limit} to their length" + (f" plus {k}." if k else "."),
      vague=f"Map the long {ws} to a number from their length.",
      inputs=lambda rng: (inputs.words(rng, 1, 3),),
  )


def keys_of_large(d: Draw) -> DrawnProblem:
  f, table, limit, result = d.function("select"), *d.names("mapping", "limit", "result")
  key = d.name("key")
  op, phrase = d.comparison()
  ordered = d.flip()
  return DrawnProblem(
      code=program(
          f"def {f}({table}, {limit}):",
          f"    {result} = []",
          f"    for {key} in {table}:",
          f"        if {table}[{key}] {op} {limit}:",
          f"            {result}.append({key})",
          f"    return sorted({result})" if ordered else f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the keys of {table} with a value {phrase} {limit}" + (", sorted." if ordered else "."),
      vague=f"List keys of {table} by comparing with {limit}.",
      inputs=lambda rng: (lambda k: (inputs.mapping(rng, 0, 20, (k,), longest=3), k))(rng.randint(3, 15)),
  )


def repeated_items(d: Draw) -> DrawnProblem:
  f, xs, seen, result, x = d.function("select"), *d.names("numbers", "counts", "result", "element")
  k = d.pick(2, 2, 3)
  return DrawnProblem(
      code=program(
          f"def {f}({xs}):",
          f"    {seen} = {{}}",
          f"    {result} = []",
          f"    for {x} in {xs}:",
          f"        {seen}[{x}] = {seen}.get({x}, 0) + 1",
          f"        if {seen}[{x}] == {k}:",
          f"            {result}.append({x})",
          f"    return {result}",
      ),
      entry_point=f,
      precise=f"List the numbers that come {k} times or more in {xs}.",
      vague=f"List the numbers that come again and again in {xs}.",
      inputs=lambda rng: (inputs.repeating(rng, 2, 5, 2),),
  )


def total_price(d: Draw) -> DrawnProblem:
  f, prices, order, total = d.function("sum"), "prices", d.pick("order", "cart"), d.name("total")
  key = d.name("word")
  fee = d.pick(0, 0, d.between(1, 9))
  return DrawnProblem(
      code=program(
          f"def {f}({prices}, {order}):",
          f"    {total} = {fee}",
          f"    for {key} in {order}:",
          f"        if {key} in {prices}:",
          f"            {d.update(total, '+', f'{prices}[{key}] * {order}[{key}]')}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Price of the {order} by {prices}, with a fee of {fee}.",
      vague=f"Price of the {order} by {prices}, with some fee.",
      inputs=lambda rng: (
          {key: rng.randint(2, 9) for key in rng.sample(("cat", "dog", "egg"), 2)},
          {key: rng.randint(1, 4) for key in rng.sample(("cat", "dog", "egg"), rng.randint(1, 2))},
      ),
  )


def letter_scores(d: Draw) -> DrawnProblem:
  f, s, total, c = d.function("sum"), *d.names("text", "total", "letter")
  points = {letter: d.between(1, 9) for letter in d.pick("ab", "ae", "do")}
  default = d.pick(0, 1, 2)
  table = d.pick("points", "weights")
  return DrawnProblem(
      code=program(
          f"def {f}({s}):",
          f"    {table} = {points!r}",
          f"    {total} = 0",
          f"    for {c} in {s}:",
          f"        {d.update(total, '+', f'{table}.get({c}, {default})')}",
          f"    return {total}",
      ),
      entry_point=f,
      precise=f"Score {s}: "
      + ", ".join(f"{value} for {letter!r}" for letter, value in points.items())
      + f", else {default}.",
      vague=f"Score the letters of {s}.",
      inputs=lambda rng: (inputs.text(rng, "".join(points) + "c", 1, 4),),
  )


FAMILIES = (
    count_items, group_by_length, turn_over, sum_values, best_key, filter_table, add_tables, look_up, most_common,
    first_places, take_from_stock, word_lengths, keys_of_large, repeated_items, total_price, letter_scores,
)
