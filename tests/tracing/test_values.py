"""Values: seen to change exactly when they do, and written on one line, the same on every run."""

import ast
import collections
import datetime
import decimal
import enum
import fractions
import math
import os
import subprocess
import sys
import threading

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax.tracing import shortening
from next_jax.tracing.recording import texts
from next_jax.tracing.recording import values

atoms = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(10**30, 10**900), st.floats(), st.text(max_size=30),
    st.binary(max_size=9),
)
hashable = st.recursive(atoms, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
nested = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.tuples(inner, inner),
        st.dictionaries(hashable, inner, max_size=4),
        st.sets(hashable, max_size=4),
    ),
    max_leaves=20,
)


class Node:
  def __init__(self, **attributes):
    self.__dict__.update(attributes)


class Slots:
  __slots__ = ("a", "_b")


class Color(enum.Enum):
  RED = 1


Point = collections.namedtuple("Point", "x y")


class Words(list):
  pass


class Level(int):
  pass


def typed(value):
  """A structure that is equal for the same value only, 1 and True and 1.0 apart."""
  if isinstance(value, (list, tuple)):
    return type(value).__name__, [typed(item) for item in value]
  if isinstance(value, dict):
    return "dict", [(typed(key), typed(item)) for key, item in value.items()]
  if isinstance(value, (set, frozenset)):
    return type(value).__name__, sorted(repr(typed(item)) for item in value)
  return type(value).__name__, repr(value)


class TestFingerprint:

  @hypothesis.given(nested, nested)
  def test_it_is_equal_exactly_for_the_same_value(self, one, other):
    is_same = values.fingerprint(one) == values.fingerprint(other) and type(one) is type(other)
    assert is_same == (typed(one) == typed(other))

  @hypothesis.given(nested)
  def test_inside_of_instances_too(self, value):
    same, other = Node(a=[value]), Node(a=[value, 1])
    assert values.fingerprint(Node(a=[value])) == values.fingerprint(same) != values.fingerprint(other)

  @pytest.mark.parametrize("one, other", [
      ([1], [True]), ([0.0], [-0.0]), ([1], [1.0]), ({1: 2}, {True: 2}), ((1,), [1]), ({1}, frozenset({1})),
      ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (Node(a=1), Node(a=True)), (Node(a=1), Node(b=1)), (Words([1]), [1]),
      (Level(1), Level(2)), (collections.deque([1]), collections.deque([2])), (Point(1, 2), Point(1, 3)),
      (Node(a={1, 2}), Node(a={1, 3})), (ValueError(1), ValueError(2)), (ValueError(1), TypeError(1)),
  ])
  def test_different_values(self, one, other):
    assert values.fingerprint(one) != values.fingerprint(other)

  def test_of_what_contains_itself(self):
    one, other = [1], [1]
    one.extend([one, one])
    other.extend([other, other])
    assert values.fingerprint(one) == values.fingerprint(other)
    other[0] = 2
    assert values.fingerprint(one) != values.fingerprint(other)

  def test_of_deep_and_of_shared_values_takes_little_time(self):
    deep, shared = [], []
    for _ in range(5_000):
      deep = [deep]
      shared = [shared, shared]
    node = Node()
    for _ in range(60):
      node = Node(left=node, right=node)
    for value in (deep, shared, node):
      values.fingerprint(value)
      assert len(texts.write(value, 100)) < 130


class TestWrite:

  @pytest.mark.parametrize("value, text", [
      (None, "None"), (True, "True"), (1.5, "1.5"), (math.nan, "nan"), (-0.0, "-0.0"), (b"ab", "b'ab'"),
      ("it's", '"it\'s"'),
      ([], "[]"), ((), "()"), ((1,), "(1,)"), ({}, "{}"), (set(), "set()"), (frozenset(), "frozenset()"),
      ({3, 1, 20}, "{1, 3, 20}"), (frozenset("ba"), "frozenset({'a', 'b'})"), ({(2, 1), (1, 2)}, "{(1, 2), (2, 1)}"),
      ({"b": 1, "a": [2]}, "{'b': 1, 'a': [2]}"), (range(3), "range(0, 3)"), (..., "Ellipsis"), (1j, "1j"),
      (bytearray(b"a"), "bytearray(b'a')"), ("a\nb\u2028", "'a\\nb\\u2028'"),
      (collections.deque([1, 2]), "deque([1, 2])"), (collections.Counter("aab"), "Counter({'a': 2, 'b': 1})"),
      (collections.OrderedDict(a=1), "OrderedDict({'a': 1})"),
      (collections.defaultdict(list, a=[1]), "defaultdict({'a': [1]})"),
      (Point(1, [2]), "Point(x=1, y=[2])"), (Words([1]), "Words([1])"), (Level(3), "Level(3)"),
      (Color.RED, "Color.RED"),
      ([Color.RED], "[Color.RED]"), (Node(), "Node()"), (Node(a=1, b=Node(c=[])), "Node(a=1, b=Node(c=[]))"),
      (Slots(), "Slots()"), (fractions.Fraction(1, 3), "Fraction(1, 3)"), (decimal.Decimal("1.50"), "Decimal('1.50')"),
      (datetime.date(2024, 1, 2), "datetime.date(2024, 1, 2)"), ({"a": 1}.items(), "dict_items([('a', 1)])"),
      (len, "<built-in len>"), (math, "<module math>"), (Node, "<class Node>"), (iter([1]), "<list_iterator>"),
      (map(abs, []), "<map>"), ((i for i in ()), "<generator>"), (object(), "<object>"), (threading.Lock(), "<lock>"),
      (ValueError("no", [1]), "ValueError('no', [1])"), (KeyError, "<class KeyError>"),
      (lambda: 1, "<function <lambda>>"),
      ([1].append, "<built-in append>"), (Node().__init__, "<method __init__>"), (NotImplemented, "NotImplemented"),
  ])
  def test_texts(self, value, text):
    assert texts.write(value, 60) == text

  def test_slots_with_leading_underscores(self):
    slots = Slots()
    slots._b = slots
    assert texts.write(slots, 60) == "Slots(_b=...)"

  @hypothesis.given(nested, st.integers(16, 120))
  def test_one_line_within_the_width(self, value, width):
    for holder in (value, Node(value=value), ValueError(value)):
      text = texts.write(holder, width)
      assert len(text) <= width
      assert text.isprintable()

  @hypothesis.given(nested)
  def test_what_fits_is_python(self, value):
    text = texts.write(value, 10_000)
    if not any(word in text for word in ("nan", "inf", "frozenset", "set()", "<int")):
      assert typed(ast.literal_eval(text)) == typed(value)

  def test_long_values_show_both_ends(self):
    assert texts.write(list(range(100)), 30) == "[0, 1, 2, 3, 4, 5, 6, ..., 99]"
    assert texts.write("a" * 50 + "b" * 50, 20) == "'aaaaaaaaaa...bbbbb'"
    assert texts.write({i: i for i in range(50)}, 40) == "{0: 0, 1: 1, 2: 2, 3: 3, ..., 49: 49}"
    assert texts.write([["x" * 100]], 20) == "[['xxxxxxxx...xxx']]"

  def test_huge_integers_are_not_written_out(self):
    assert texts.write(2**2_000_000, 60) == "<int of 2000001 bits>"
    assert texts.write([1 << 5_000], 60) == "[<int of 5001 bits>]"
    assert texts.write(10**100, 30) == "1" + "0" * 17 + "..." + "0" * 9

  def test_integers_in_lists_that_python_does_not_write_out_either(self):
    assert texts.write([2**15_000], 600) == "[<int of 15001 bits>]"

  def test_a_text_cut_again_has_one_ellipsis(self):
    text = texts.write(list(range(100)), 60)
    assert shortening.cut(text, 30) == "[0, 1, 2, 3, 4, ..., 99]"

  def test_values_that_contain_themselves(self):
    items = [1]
    items.append(items)
    table = {"me": items}
    items.append(table)
    assert texts.write(items, 60) == "[1, ..., {'me': ...}]"

  def test_the_order_of_a_set_does_not_depend_on_hashes(self):
    code = (
        "from next_jax.tracing.recording import texts\n"
        "class C:\n  def __init__(self, x): self.x = x\n"
        "words = [str(i) * 3 for i in range(40)]\n"
        "print(texts.write(set(words), 100), texts.write({(w, 1) for w in words} | {1, None}, 100))\n"
        "print(texts.write({C(1), C(2), C(3)}, 100), texts.write({frozenset(words)}, 60))\n"
    )
    outputs = set()
    for seed in ("1", "2", "3"):
      done = subprocess.run(
          [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
      )
      outputs.add(done.stdout)
    assert len(outputs) == 1


class TestWriteException:

  @pytest.mark.parametrize("error, text", [
      (IndexError("list index out of range"), "IndexError: list index out of range"), (ValueError(), "ValueError"),
      (KeyError("k"), "KeyError: 'k'"), (ValueError(1, "a"), "ValueError: (1, 'a')"),
      (ValueError("a\nb"), "ValueError: a\\nb"),
      (ValueError([1]), "ValueError: [1]"), (OSError(2, "No such file"), "OSError: [Errno 2] No such file"),
      (ValueError(10**5000), "ValueError: <int of 16610 bits>"), (ValueError(Node(a=1)), "ValueError: Node(a=1)"),
      (
          UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"),
          "UnicodeDecodeError: 'ascii' codec can't decode byte 0xff in position 0: no",
      ),
  ])
  def test_texts(self, error, text):
    if isinstance(error, OSError):
      text = text.replace("OSError", type(error).__name__)
    assert texts.write_exception(error, 100) == text
