"""Families with a wrong constant whose right value appears only at run time.

    key = n * 7 % 41  # (1) key=28
    if key == 15:

The test expects the behaviour for exactly this key, so the constant must be 28. The trace shows that value beside the
name that the open line compares. Without the trace it takes arithmetic too long to do in the head.
"""

from collections.abc import Callable, Sequence
import dataclasses
import random
from typing import Any

from next_jax import schema
from next_jax.corpora.minirepair import rationales
from next_jax.corpora.minirepair import running
from next_jax.corpora.minirepair.draw import Draw
from next_jax.corpora.minirepair.draw import program
from next_jax.corpora.minirepair.readoff import question
from next_jax.corpora.minirepair.readoff import reading

MODULI = (31, 37, 41, 43, 47)  # a guess is right once in 30 to 46 times; all these numbers are one token
_DRAWS = 300  # maximum draws of arguments to find some whose computed number equals the constant


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant(question.ReadOffQuestion):
  """A question whose candidates are numbers. Arguments are drawn so that the program often computes the right one.

  Attributes:
    right: The right number; the program computes it for about half of the arguments.
    read: (trace, expected result) -> the number that the trace shows for the open place.
  """

  right: str
  read: Callable[[schema.Trace, Any], Any]

  def pose(self, rng: random.Random) -> tuple[str, str]:
    return self.right, rng.choice([candidate for candidate in self.candidates if candidate != self.right])

  def read_off(self, trace: schema.Trace, expected: Any) -> list[str]:
    return [str(self.read(trace, expected))]

  def in_sight(self, trace: schema.Trace) -> dict[str, rationales.State | None]:
    """Whole numbers below 100 that the prompt shows as states -> a state that shows each."""
    states = rationales.shown_states(trace)
    return {state[3]: state for state in states if state[3].isdecimal() and len(state[3]) < 3}


def gate(d: Draw) -> Constant:
  f, (n, m), key = d.function("check"), d.names("integer", "second_integer"), d.name("key")
  lines, k = _arithmetic(d, n, m, key)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [f"    if {key} == {c}:", f"        return {n}", f"    return {m}"],
  )


def otherwise(d: Draw) -> Constant:
  f, (n, m), key = d.function("check"), d.names("integer", "second_integer"), d.name("key")
  lines, k = _arithmetic(d, n, m, key)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [f"    if {key} != {c}:", f"        return {m}", f"    return {n}"],
  )


def chosen(d: Draw) -> Constant:
  f, (n, m, key, out) = d.function("select"), d.names("integer", "second_integer", "key", "result")
  lines, k = _arithmetic(d, n, m, key)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [f"    {out} = {n} if {key} == {c} else {m}", f"    return {out}"],
  )


def looked_up(d: Draw) -> Constant:
  f, (n, m, key, table) = d.function("find"), d.names("integer", "second_integer", "key", "mapping")
  lines, k = _arithmetic(d, n, m, key)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [f"    {table} = {{{c}: {n}}}", f"    return {table}.get({key}, {m})"],
  )


def flagged(d: Draw) -> Constant:
  f, (n, m, key, ok) = d.function("check"), d.names("integer", "second_integer", "key", "flag")
  lines, k = _arithmetic(d, n, m, key)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [
          f"    {ok} = {key} == {c}", f"    if {ok}:", f"        return {n}",
          f"    return {m}",
      ],
  )


def two_gates(d: Draw) -> Constant:
  """Two computed numbers are compared; the constant of the second is open."""
  f, (n, m) = d.function("rate"), d.names("integer", "second_integer")
  first, second = question.temporaries(d, 2, n, m)
  (one, _), (two, k) = _arithmetic(d, n, m, first), _arithmetic(d, n, m, second)
  other = d.between(0, k - 1)
  return _constant(
      d, f, (n, m), [*one, *two], second, k,
      lambda c: [
          f"    if {first} == {other}:", "        return 0",
          f"    if {second} == {c}:", f"        return {n}", f"    return {m}",
      ],
  )


def by_part(d: Draw) -> Constant:
  """A helper computes the number."""
  f, part, (n, m, key) = d.function("check"), d.function("part"), d.names("integer", "second_integer", "key")
  (i, j), factor, k = d.pick(("i", "j"), ("s", "t")), d.between(2, 9), d.pick(*MODULI)
  helper = [f"def {part}({i}, {j}):", f"    return {i} * {j} % {k}"]
  lines = [f"    {key} = {part}({n}, {d.pick(m, factor)})"]
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [f"    if {key} == {c}:", f"        return {n}", f"    return {m}"],
      before=helper,
  )


def counted(d: Draw) -> Constant:
  """A loop, too long to run in the head, computes the number."""
  f, (n, m, key, i) = d.function("count"), d.names("integer", "second_integer", "key", "index")
  factor, rounds, k = d.between(2, 9), d.between(5, 9), d.pick(*MODULI)
  lines = [
      f"    {key} = {n}", f"    for {i} in range({rounds}):", f"        {key} = ({key} * {factor} + {m}) % {k}",
  ]
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [f"    if {key} == {c}:", f"        return {n}", f"    return {m}"],
  )


def until(d: Draw) -> Constant:
  """The number changes with each of three items; the returned item tells in which round it equalled the constant."""
  f, (xs, x, key) = d.function("find"), d.names("numbers", "element", "key")
  start, factor, k = d.between(1, 9), d.between(2, 9), d.pick(*MODULI)
  head = [f"    {key} = {start}", f"    for {x} in {xs}:", f"        {key} = ({key} * {factor} + {x}) % {k}"]

  def keys(items: Sequence[int]) -> list[int]:
    found = [start]
    for item in items:
      found.append((found[-1] * factor + item) % k)
    return found[1:]

  right = d.pick(*keys(_numbers(d.rng, 3)))

  def inputs(rng: random.Random) -> tuple[list[int]]:
    is_met = rng.random() < 0.5
    for _ in range(_DRAWS):
      items = _numbers(rng, 3)
      if not is_met or right in keys(items):
        break
    return (items,)

  def read(trace: schema.Trace, expected: Any) -> Any:
    value = None
    for step in trace.steps:
      changes = dict(step.changes)
      value = changes.get(x, value)
      if key in changes and value == str(expected):
        return changes[key]
    return None

  return Constant(
      code=lambda c: program(
          f"def {f}({xs}):", *head, f"        if {key} == {c}:", f"            return {x}", "    return 0"
      ),
      candidates=tuple(map(str, range(k))), kind="wrong_constant", entry_point=f, right=str(right), inputs=inputs,
      precise=f"Return the number of {xs} at which the sum is a certain one, or 0.",
      vague=f"Return a certain number of {xs} or 0.", read=read,
  )


def assigned(d: Draw) -> Constant:
  """The constant has a name, which the comparison uses."""
  f, (n, m, key) = d.function("check"), d.names("integer", "second_integer", "key")
  (limit,) = question.temporaries(d, 1, n, m, key)
  lines, k = _arithmetic(d, n, m, key)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [
          f"    {limit} = {c}", f"    if {key} == {limit}:", f"        return {n}",
          f"    return {m}",
      ],
  )


def listed(d: Draw) -> Constant:
  """One of two constants is wrong."""
  f, (n, m, key) = d.function("check"), d.names("integer", "second_integer", "key")
  lines, k = _arithmetic(d, n, m, key)
  other = d.between(0, k - 1)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [f"    if {key} in [{other}, {c}]:", f"        return {n}", f"    return {m}"],
  )


def nested(d: Draw) -> Constant:
  """The comparison is inside another `if`."""
  f, (n, m, key) = d.function("check"), d.names("integer", "second_integer", "key")
  lines, k = _arithmetic(d, n, m, key)
  least = d.between(2, 9)
  return _constant(
      d, f, (n, m), lines, key, k,
      lambda c: [
          f"    if {n} > {least}:", f"        if {key} == {c}:",
          f"            return {n}", f"    return {m}",
      ],
  )


def _arithmetic(d: Draw, n: str, m: str, key: str) -> tuple[list[str], int]:
  """One or two lines that compute `key` from the arguments, and the modulus that bounds it."""
  k, factor, other = d.pick(*MODULI), d.between(2, 9), d.between(2, 9)
  one = d.pick(f"{n} * {m}", f"{n} * {factor} + {m} * {other}", f"{n} * {n} + {m} * {other}")
  if d.flip():
    return [f"    {key} = ({one}) % {k}"], k
  return [f"    {key} = {one}", f"    {key} = {key} * {factor} % {k}"], k


def _constant(
    d: Draw, f: str, arguments: tuple[str, str], lines: Sequence[str], key: str, k: int,
    rest: Callable[[str], list[str]], before: Sequence[str] = (),
) -> Constant:
  """A function of two numbers that returns the first if `key` equals a constant, else usually the second.

  Args:
    d: Source of random choices.
    f: Name of the function.
    arguments: Names of its arguments.
    lines: First lines of the function, which compute `key`.
    key: Name that is compared.
    k: Modulus; `key` is below it.
    rest: Constant -> the remaining lines of the function.
    before: Lines before the function.
  """
  n, m = arguments

  def function(name: str, *last: str) -> str:
    return program(*before, f"def {name}({n}, {m}):", *lines, *last)

  value_of = running.load(function("value_of", f"    return {key}"), "value_of")
  right = value_of(*_numbers(d.rng, 2))

  def inputs(rng: random.Random) -> tuple[int, ...]:
    is_met = rng.random() < 0.5
    for _ in range(_DRAWS):
      numbers = tuple(_numbers(rng, 2))
      if not is_met or value_of(*numbers) == right:
        break
    return numbers

  return Constant(
      code=lambda c: function(f, *rest(c)), candidates=tuple(map(str, range(k))), kind="wrong_constant",
      entry_point=f, right=str(right),
      precise=f"Return {n} if a number made of {n} and {m} is a certain one, else {m}.",
      vague=f"Return {n} or {m}.", inputs=inputs,
      read=lambda trace, expected: reading.last_states(trace).get(key),
  )


def _numbers(rng: random.Random, num: int) -> list[int]:
  return rng.sample(range(51, 100), num)


FAMILIES = (
    gate, otherwise, chosen, looked_up, flagged, two_gates, by_part, counted, until, assigned, listed, nested
)
