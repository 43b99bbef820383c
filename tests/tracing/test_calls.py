"""Which call of a test is traced."""

import pytest

from next_jax import errors
from next_jax.tracing.recording import calls
from next_jax.tracing.recording import recorder


@pytest.mark.parametrize("test, call", [
    ("assert separate([1]) == ([1], [])", "separate([1])"),
    ("assert set(separate([1])) == {1}", "separate([1])"),
    ("assert math.isclose(separate(3), 1.0, rel_tol=0.001)", "separate(3)"),
    ("assert 1 == separate( 'a#b' , key = 2 )", "separate( 'a#b' , key = 2 )"),
    ("assert separate(separate(2)) == 1", "separate(2)"),
    ("assert not other(1) and separate(2)", "separate(2)"),
    ("assert separate([1,\n  2]) == 1", "separate([1, 2])"),
    ("assert all(separate(x) for x in (1, 2))", "all(separate(x) for x in (1, 2))"),
    ("assert [separate(x) for x in (1, 2)] == [1, 2]", "[separate(x) for x in (1, 2)]"),
    ("assert sorted((separate(x) for x in y), key=abs)", "sorted((separate(x) for x in y), key=abs)"),
    ("assert [x for x in separate(2)] == [1]", "separate(2)"),
    ("assert isclose(sum(separate(x) for x in y), 1)", "isclose(sum(separate(x) for x in y), 1)"),
    ("assert list(map(lambda x: separate(x), [1])) == [1]", "list(map(lambda x: separate(x), [1]))"),
])
def test_the_first_call_of_the_entry_point(test, call):
  assert calls.traced_call(test, "separate") == call


def test_statements_before_the_call_are_given_too():
  found = calls.test_call("x = [3]\nx.append(4)\nassert f(x) == 7\nassert f([]) == 0", "f")
  assert found == calls.TestCall(call="f(x)", preceding="x = [3]\nx.append(4)")
  source = "def f(x):\n    return sum(x)\n"
  assert recorder.record(source, found.call, setup_code=found.preceding).detail == "7"


@pytest.mark.parametrize("test, message", [
    ("assert other(1) == 2", "does not call 'f'"),
    ("assert f == 2", "does not call 'f'"),
    ("assert x.f(1)", "does not call 'f'"),
    ("", "does not call 'f'"),
    ("assert f(1", "does not compile"),
    ("assert f(1)\0", "does not compile"),
])
def test_a_test_without_a_call_is_an_error(test, message):
  with pytest.raises(calls.CallError) as caught:
    calls.traced_call(test, "f")
  assert message in str(caught.value)
  assert isinstance(caught.value, errors.UserError)
