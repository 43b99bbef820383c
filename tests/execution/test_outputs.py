"""Outputs are compared as evalplus compares them; long ones by digest, which decides as equality does."""

import collections
import fractions
import json
import math

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax.execution import outputs
from next_jax.execution.judging import assertions
from next_jax.execution.judging import plain_data


def passes(output, wanted, *, rule="equal", atol=0, arguments=(1,)):
  """Whether a function that returns `output` passes where the reference returned `wanted`."""
  inputs = [plain_data.encode(list(arguments), None)]
  expected = list(outputs.expected_outputs(lambda *_: wanted, inputs, atol=atol, rule=rule))
  return passes_test(lambda *_: output, outputs.test_source("f", inputs, expected, atol=atol, rule=rule))


def passes_test(function, source):
  try:
    exec(compile(source, "<test>", "exec"), {"f": function})
  except assertions.Explained:
    return False
  return True


@pytest.mark.parametrize(
  "output, wanted, result",
  [
    (1, 1, True),
    (1, 2, False),
    (True, 1, True),
    ((1, 2), [1, 2], False),
    (0.1 + 0.2, 0.3, True),
    (0.3 + 1e-5, 0.3, False),
    (1, 1.0000001, False),  # close, but of another type
    (1.0, 1, True),
    ([0.1 + 0.2, 1.0], [0.3, 1.0], True),
    ([0.1 + 0.2], [0.3, 1.0], False),
    ((0.3,), [0.3], False),
    ([0.1 + 0.2, 1], [0.3, 1], False),  # not all floats, so no tolerance
    ([], [], True),
    ("a", 0.5, False),
    (math.nan, math.nan, False),
    (math.inf, math.inf, True),
    (1e300, math.inf, False),
    (None, 0.5, False),
    (10**400, 0.5, False),
    (collections.Counter("aab"), {"a": 2, "b": 1}, True),
    (fractions.Fraction(1, 2), 0.5, True),
  ],
)
def test_without_a_tolerance_outputs_are_equal_or_close_floats(output, wanted, result):
  assert passes(output, wanted) is result


@pytest.mark.parametrize(
  "output, wanted, result",
  [
    (2.00005, 2.0, True),
    (2.001, 2.0, False),
    (2, 2.00005, False),
    (10**9 + 1, 10**9, True),  # the relative tolerance is for ints too
    ([[1.00005], [2.0]], [[1.0], [2.0]], True),
    ([[1.00005]], [[1.0], [2.0]], False),
    ([[1.00005], []], [[1.0], [2.0]], False),
    ("a", "b", False),
    (1.00005 + 2j, 1 + 2j, True),
  ],
)
def test_a_tolerance_is_for_numbers_in_nested_lists_of_one_shape(output, wanted, result):
  assert passes(output, wanted, atol=1e-4) is result


def test_the_tolerance_that_a_float_brings_stays_for_the_inputs_after_it():
  def source(*wanted):
    inputs = [[index] for index in range(len(wanted))]
    expected = list(outputs.expected_outputs(wanted.__getitem__, inputs, atol=0, rule="equal"))
    return outputs.test_source("f", inputs, expected, atol=0, rule="equal")

  nearly = [[0.1 + 0.2]]
  assert passes_test([0.5, nearly].__getitem__, source(0.5, [[0.3]]))
  assert not passes_test([nearly, 0.5].__getitem__, source([[0.3]], 0.5))


@pytest.mark.parametrize(
  "rule, arguments, wanted, right, wrong",
  [
    ("equal set", (1,), [1, 2], [(2, 1), [1, 1, 2], {1: 0, 2: 0}], [[1], 12, None]),
    ("something", ("x",), None, [False, None], ["x", True]),
    ("something", ("x",), "match", [True, "other", 0], [False, None]),
    ("anything", (1,), 5, [5, None, "x"], []),
    ("equal or zero", (1,), 5, [5, 0], [4, None]),
    ("root", ([-4, 0, 1],), 2.0, [2.0, -2.0, 2], [1.9, None, "2"]),
    ("surface", (3, 4), 33, [33, 35], [34, "33"]),
    ("digit distance", (1, 256), 7, [7, 12], [6, None]),
  ],
)
def test_some_problems_have_a_rule_of_their_own(rule, arguments, wanted, right, wrong):
  atol = 1e-4 if rule in ("root", "surface") else 0
  assert [passes(value, wanted, rule=rule, atol=atol, arguments=arguments) for value in right] == [True] * len(right)
  assert not any(passes(value, wanted, rule=rule, atol=atol, arguments=arguments) for value in wrong)


def test_a_wrong_output_is_shown_with_its_input():
  source = outputs.test_source("f", [[[1, 2], "x"]], [{"tuple": [3]}], atol=0, rule="equal")
  with pytest.raises(assertions.Explained, match=r"^f\(\[1, 2\], 'x'\) returned 4, expected \(3,\)$"):
    exec(source, {"f": lambda *_: 4})


def test_each_call_gets_arguments_of_its_own():
  inputs = [[[1, 2]], [[1, 2]]]
  assert list(outputs.expected_outputs(lambda values: values.pop(), inputs, atol=0, rule="equal")) == [2, 2]


def test_long_outputs_are_kept_as_a_digest_where_only_equality_counts():
  def expected(value, **options):
    (result,) = outputs.expected_outputs(lambda: value, [[]], **{"atol": 0, "rule": "equal", **options})
    return result

  long = list(range(100_000))
  assert len(json.dumps(expected(long))) < 1000
  assert expected(long, atol=1e-4) == expected(long, rule="equal set") == long
  assert expected([0.5] * 10_000) == [0.5] * 10_000  # may be compared with a tolerance
  assert passes(long, long) and passes([*map(float, long)], long)
  assert not passes([*long[:-1], 0], long)
  assert not passes(tuple(long), long)
  assert not passes(len, long)


ATOMS = (
  st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
)
HASHABLE = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3))
VALUES = st.recursive(
  HASHABLE,
  lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(HASHABLE, inner, max_size=3) | st.sets(HASHABLE, max_size=3)
  ),
  max_leaves=12,
)


@hypothesis.given(VALUES, VALUES)
def test_digests_are_equal_exactly_where_values_are(one, other):
  assert (outputs.Digest(outputs._digest(one), "") == other) is (one == other)


@hypothesis.given(
  st.recursive(st.booleans() | st.integers(-(2**50), 2**50), lambda x: st.lists(x) | st.lists(x).map(tuple))
)
def test_a_digest_does_not_depend_on_which_type_of_number_it_is(value):
  def floats(value):
    return type(value)(map(floats, value)) if isinstance(value, (list, tuple)) else float(value)

  assert outputs.Digest(outputs._digest(value), "") == floats(value)
