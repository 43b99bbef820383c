"""Compiled tests say why they fail, which names they need, and which calls they will make."""

import json

import pytest

from next_jax.execution.judging import assertions


def explanation(source, **names):
  test = assertions.compile_test(source)
  with pytest.raises(AssertionError) as caught:
    exec(test.code, names)
  return assertions.explain(test, caught.value)


def test_a_comparison_tells_what_was_returned_and_what_was_expected():
  assert explanation("assert f(1)  ==\\\n  [2]", f=lambda x: [x]) == "f(1) returned [1], expected [2]"


def test_a_comparison_inside_of_a_check_function_does_too():
  source = "def check(g):\n  assert g(1) == 1\n  assert g(2) == 3\ncheck(f)"
  assert explanation(source, f=lambda x: x) == "g(2) returned 2, expected 3"


def test_another_assertion_is_quoted():
  assert explanation("assert abs(f(1)) < 1", f=lambda x: x) == "assert abs(f(1)) < 1 is false"
  assert explanation("assert not f(1), 'odd'", f=lambda x: x) == "assert not f(1), 'odd' is false (odd)"


def test_values_and_addresses_are_kept_short():
  detail = explanation("assert f() == [0]", f=lambda: list(range(10**6)))
  assert detail.startswith("f() returned [0, 1, 2") and len(detail) < 600
  assert " at 0x" not in explanation("assert f() == 1", f=object)
  assert "cannot be written" in explanation("assert f() == 1", f=lambda: [10**5000])


def test_operands_are_evaluated_once_and_in_order():
  seen = []
  exec(assertions.compile_test("assert f(1) == f(2)").code, {"f": lambda x: seen.append(x)})
  assert seen == [1, 2]


def missing(*tests, known=("f",)):
  return assertions.names_missing([assertions.compile_test(test) for test in tests], set(known))


def test_names_that_only_the_program_could_define_are_found():
  assert missing("assert f(Pair(1, 2)) == g(3)") == {"Pair", "g"}
  assert missing("def check(c):\n  assert c(helper())\ncheck(f)") == {"helper"}


def test_names_that_tests_define_are_not_missing():
  assert not missing("import math\nassert math.isclose(f(1), 1)")
  assert not missing("x = [3, 1]", "f(x)\nassert sorted(x) == [y for y in x]")
  assert not missing("def check(c):\n  for i in range(3):\n    assert c(i)\ncheck(f)")
  assert not missing("from math import *\nassert f(pi)")
  assert missing("assert f(x)", "x = 1") == {"x"}


def foreseen(source, name="f"):
  test = assertions.compile_test(source, name)
  return [tuple(json.loads(call)) for call in test.calls], test.calls_are_all


def test_calls_with_literal_arguments_are_foreseen():
  assert foreseen("assert f(1, [2], k='x') == 3") == ([([1, [2]], {"k": "x"})], True)
  assert foreseen("assert set(f((1,))) == set(f(-2))") == ([([{"tuple": [1]}], {}), ([-2], {})], True)
  assert foreseen("def check(g):\n  assert g(1) == 2\n  assert g(2)\ncheck(f)") == ([([1], {}), ([2], {})], True)


def test_only_calls_that_are_sure_to_be_made_are_foreseen():
  assert foreseen("assert f(f(1)) == 1") == ([], False)
  assert foreseen("assert f(1)\nfor i in range(2): f(i)") == ([([1], {})], False)
  assert foreseen("assert f(1)\nx = f") == ([([1], {})], False)
  assert foreseen("if y: assert f(1)") == ([], False)
  assert foreseen("def check(g, h):\n  assert g(1)\ncheck(f, f)") == ([], False)
  assert foreseen("assert f(*[1]) and f(**{})") == ([], False)
