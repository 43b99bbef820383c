"""Plain data leaves a program's process, and arrives unchanged."""

import collections
import datetime
import decimal
import enum
import fractions
import json
import math

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax.execution.judging import plain_data

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
HASHABLE = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4), max_leaves=8)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=40),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=5),
        st.sets(HASHABLE, max_size=5),
        st.lists(inner, max_size=4).map(collections.deque),
    ),
    max_leaves=40,
)


def refuse(*arguments):
  raise plain_data.NotPlain(repr(arguments))


def through_json(value):
  return plain_data.decode(json.loads(json.dumps(plain_data.encode(value, refuse))), refuse)


def same(one, other):
  """Equal, of equal types throughout, and NaN is NaN."""
  if type(one) is not type(other):
    return False
  if isinstance(one, float):
    return math.isnan(one) and math.isnan(other) or one == other and math.copysign(1, one) == math.copysign(1, other)
  if isinstance(one, complex):
    return same(one.real, other.real) and same(one.imag, other.imag)
  if isinstance(one, (list, tuple, collections.deque)):
    return len(one) == len(other) and all(map(same, one, other))
  if isinstance(one, dict):
    return same(list(one.keys()), list(other.keys())) and same(list(one.values()), list(other.values()))
  if isinstance(one, (set, frozenset)):
    return len(one) == len(other) and all(any(same(item, its) for its in other) for item in one)
  return one == other


def has_surrogate_pair(value):
  return any(0xD800 <= ord(char) <= 0xDFFF for char in repr(value)) or "\\ud" in repr(value)


@hypothesis.given(VALUES)
def test_values_arrive_as_they_left(value):
  hypothesis.assume(not has_surrogate_pair(value))
  assert same(through_json(value), value)


@pytest.mark.parametrize(
    "value",
    [
        1 << 100_000,
        -(1 << 63),
        (1 << 63) - 1,
        list(range(1000)) + [1 << 64],
        [True, 1, 1.0] * 20,
        collections.Counter("mississippi"),
        collections.OrderedDict(b=1, a=2),
        collections.deque([1, 2], maxlen=3),
        datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
        datetime.date(2024, 2, 29),
        datetime.time(1, 2, 3),
        datetime.timedelta(days=-1, microseconds=3),
        decimal.Decimal("1.10"),
        fractions.Fraction(-22, 7),
        range(10, 0, -3),
        slice(1, None, 2),
        bytearray(b"\0\xff"),
        int,
        ValueError,
        Ellipsis,
        NotImplemented,
        {(1, 2): {3: [4]}},
        "\ud800 alone",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_honest_programs_return_is_plain(value):
  assert through_json(value) == value and type(through_json(value)) is type(value)


def test_a_defaultdict_keeps_its_factory():
  value = through_json(collections.defaultdict(list, a=[1]))
  assert value == {"a": [1]} and value["b"] == []


def test_views_compare_as_views_do():
  value = {1: "a", 2: "b"}
  assert through_json(value.keys()) == {1, 2}
  assert through_json(value.items()) == {(1, "a"), (2, "b")}
  assert list(through_json(value.values())) == ["a", "b"]


class Number(enum.IntEnum):
  ONE = 1


class Int(int):
  pass


class Text(str):
  pass


class Items(list):
  pass


Point = collections.namedtuple("Point", "x y")


NOT_PLAIN = [Int(1), Text("a"), Items(), Number.ONE, Point(1, 2), object(), len, lambda: 0, iter([])]


@pytest.mark.parametrize("value", NOT_PLAIN, ids=lambda value: type(value).__name__)
def test_subclasses_and_objects_are_not_plain(value):
  with pytest.raises(plain_data.NotPlain):
    plain_data.encode(value, refuse)
  with pytest.raises(plain_data.NotPlain):
    plain_data.encode([1] * 100 + [value], refuse)


class LyingList(list):
  def lie(self, *_):
    return LyingList()

  __iter__ = __len__ = copy = __getitem__ = __copy__ = lie


class LyingText(str):
  def __str__(self):
    return "a lie"

  __getitem__ = __repr__ = __iter__ = __str__


class LyingInt(int):
  def __index__(self):
    return 0

  __int__ = __pos__ = __index__


@pytest.mark.parametrize(
    "value, held",
    [
        (LyingList([1, 2]), [1, 2]),
        (LyingText("abc"), "abc"),
        (LyingInt(7), 7),
        (Number.ONE, 1),
        (Point(1, 2), (1, 2)),
        *((type(f"{kind.__name__}_", (kind,), {})(held), held) for kind, held in [
            (float, -0.5), (complex, 1j), (bytes, b"ab"), (bytearray, bytearray(b"ab")), (frozenset, frozenset("ab")),
            (set, {1}), (dict, {1: 2}), (collections.Counter, {1: 2}),
        ]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_value_inside_a_derived_class_is_found_whatever_that_overrides(value, held):
  found = plain_data.held(value)
  assert type(found) is type(held) and found == held


def test_an_object_that_is_derived_from_nothing_plain_holds_nothing():
  with pytest.raises(plain_data.NotPlain):
    plain_data.held(object())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(sorted(plain_data._DECODERS)) | st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)


@hypothesis.given(JSON)
@hypothesis.example({"fractions.Fraction": [1, 0]})
@hypothesis.example({"range": [1, 2, 0]})
@hypothesis.example({"set": [[1]]})
@hypothesis.example({"dict": [[1], []]})
@hypothesis.example({"int": 5})
@hypothesis.example({"type": "eval"})
@hypothesis.example({"dict_keys": None})
@hypothesis.example({})
def test_whatever_a_program_forges_is_decoded_or_refused(value):
  try:
    plain_data.decode(value, refuse)
  except plain_data.Malformed:
    pass


NESTED = st.recursive(
    st.integers(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.integers(0, 3), inner, max_size=3)
    | st.tuples(inner, inner)
    | st.lists(inner, max_size=3).map(collections.deque),
)


@hypothesis.given(NESTED, NESTED)
def test_update_makes_the_old_equal_to_the_new_and_keeps_its_identity(old, new):
  result = plain_data.update(old, new)
  assert same(result, new)
  if type(old) is type(new) and plain_data.may_change(old) and type(old) is not tuple:
    assert result is old


def test_update_reaches_a_list_inside_of_a_dictionary_by_its_other_name():
  row = [1]
  table = {"row": row, "gone": 0}
  plain_data.update(table, {"row": [1, 2], "new": 3})
  assert table == {"row": [1, 2], "new": 3} and row == [1, 2]
