"""A judged test sees the program's results as if it called the program directly."""

import pathlib

import pytest

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib


@pytest.fixture(scope="module")
def executor():
  with executor_lib.Executor(num_workers=1, limits=limits_lib.Limits(cpu_seconds=2.0)) as executor:
    yield executor


def verify(executor, code, *tests, entry_point="f", setup_code=""):
  program = program_lib.Program(
      task_id="task", code=code, entry_point=entry_point, tests=tests, setup_code=setup_code
  )
  (verdict,) = executor.verify([program])
  return verdict


def satisfied():
  """name -> (program, test), from judged_cases.txt."""
  text = (pathlib.Path(__file__).parent / "judged_cases.txt").read_text()
  cases = {}
  for part in text.split("#### ")[1:]:
    name, _, case = part.partition("\n")
    code, _, test = case.partition("# ---\n")
    cases[name] = (code, test)
  return cases


SATISFIED = satisfied()


@pytest.mark.parametrize("name", SATISFIED)
def test_a_right_program_is_judged_right(executor, name):
  verdict = verify(executor, *SATISFIED[name])
  assert (verdict.status, verdict.trust) == ("passed", "judged"), verdict


def test_an_entry_point_may_have_the_name_of_a_builtin(executor):
  verdict = verify(executor, "def sum(a, b): return a - b", "assert sum(3, 1) == 2", entry_point="sum")
  assert (verdict.status, verdict.trust) == ("passed", "judged")


def test_calls_happen_once_each_also_when_they_were_made_ahead(executor):
  code = "calls = []\ndef f(x):\n  calls.append(x)\n  return list(calls)"
  assert verify(executor, code, "assert f(1) == [1]", "assert f(2) == [1, 2]").passed
  # f(2) is foreseen but never called: the program must not have seen it when f(3) is called.
  assert verify(executor, code, "assert f(1) == [1] or f(2)", "assert f(3) == [1, 3]").passed


def test_an_unexpected_exception_of_the_program_is_an_error(executor):
  verdict = verify(executor, "def f(x): assert x > 1, 'too small'", "assert f(1) == 1")
  assert (verdict.status, verdict.detail) == ("error", "AssertionError: too small (line 1 of the program)")


def test_a_test_that_fails_on_the_type_of_the_result_is_an_error(executor):
  verdict = verify(executor, "def f(x): return None", "assert abs(f(1) - 2) < 1e-6")
  assert verdict.status == "error"
  assert verdict.detail == "TypeError in the test: unsupported operand type(s) for -: 'NoneType' and 'int'"


@pytest.mark.parametrize("handler", ["except:", "except BaseException:", "except Exception:"])
@pytest.mark.parametrize("code", ["import os\ndef f(): os._exit(0)", "def f():\n  while True: pass", "syntax error"])
def test_a_test_that_catches_everything_does_not_turn_a_dead_program_into_a_pass(executor, handler, code):
  verdict = verify(executor, code, f"try:\n  f()\n{handler}\n  pass")
  assert verdict.status in ("error", "timeout", "syntax")


def test_setup_code_runs_before_the_program_and_before_the_tests(executor):
  code = "def f(x): return scale(x)"
  assert verify(executor, code, "assert f(2) == scale(2)", setup_code="def scale(x): return 10 * x").passed


def test_setup_code_may_call_the_entry_point(executor):
  setup_code = "def twice(x): return f(f(x))"
  assert verify(executor, "def f(x): return x + 1", "assert twice(1) == 3", setup_code=setup_code).passed


def test_tests_share_a_namespace(executor):
  assert verify(executor, "def f(x): return x", "x = f(1)", "assert x == 1").passed


def test_setup_code_that_fails_and_tests_that_do_not_compile_are_reported(executor):
  code = "def f(): pass"
  assert "setup code fails: ZeroDivisionError" in verify(executor, code, "assert f()", setup_code="1/0").detail
  assert "a test, or the setup code, does not compile: SyntaxError" in verify(executor, code, "assert f(").detail


INSIDE = {
    "another function of the program": ("def f(x): return x\ndef g(x): return x", "assert f(1) == g(1)"),
    "a class of the program": (
        "class P:\n  def __init__(self, x): self.x = x\ndef f(p): return p.x", "assert f(P(3)) == 3"
    ),
    "an import of the program": ("import math\ndef f(x): return x", "assert math.isclose(f(1), 1)"),
    "a function as an argument": ("def f(g): return g(1)", "assert f(lambda x: x + 1) == 2"),
}


@pytest.mark.parametrize("name", INSIDE)
def test_tests_that_need_more_than_the_entry_point_run_inside_and_say_so(executor, name):
  code, test = INSIDE[name]
  verdict = verify(executor, code, test)
  assert (verdict.status, verdict.trust) == ("passed", "inside"), verdict
  verdict = verify(executor, code, test.replace("==", "!=").replace("assert math", "assert not math"))
  assert (verdict.status, verdict.trust) == ("failed", "inside"), verdict


def test_a_result_cannot_choose_to_be_judged_inside(executor):
  code = "class E:\n  def __eq__(self, other): return True\ndef f(x): return E()"
  verdict = verify(executor, code, "assert f(f(1)) == 2")
  assert (verdict.status, verdict.trust) == ("failed", "judged")


def test_an_object_does_not_decide_what_it_is_equal_to(executor):
  code = (
      "class E:\n  def __eq__(self, other): return True\n  def __ne__(self, other): return False\n"
      "  def __getattr__(self, name): return E()\n  def __len__(self): return 2\ndef f(): return E()"
  )
  for test in ("assert f() == 1", "assert f().x == 1", "assert f().x.y == f().x.y", "assert not f() != 1"):
    verdict = verify(executor, code, test)
    assert (verdict.status, verdict.trust) == ("failed", "judged"), verdict


@pytest.mark.parametrize(
    "base, wrong, right",
    [
        ("int", "0", "1"), ("float", "0.5", "1.5"), ("str", "'a'", "'b'"), ("bytes", "b'a'", "b'b'"),
        ("tuple", "(1,)", "(2,)"), ("frozenset", "(1,)", "(2,)"), ("complex", "1j", "2j"),
        ("list", "(1,)", "(2,)"), ("dict", "{1: 2}", "{2: 1}"), ("set", "(1,)", "(2,)"), ("bytearray", "b'a'", "b'b'"),
    ],
)
def test_an_object_of_a_derived_class_is_equal_to_what_it_holds_whatever_it_says(executor, base, wrong, right):
  def returns(held, says_equal=True):
    return (
        f"class E({base}):\n  def __eq__(self, other): return {says_equal}\n"
        f"  def __ne__(self, other): return {not says_equal}\n  __lt__ = __le__ = __contains__ = __eq__\n"
        f"  def __hash__(self): return 0\ndef f(): return E({held})"
    )

  expected = f"{base}({right})"
  for test in (f"assert f() == {expected}", f"assert {expected} == f()", f"assert [f()] == [{expected}]"):
    verdict = verify(executor, returns(wrong), test)
    assert (verdict.status, verdict.trust) == ("failed", "judged"), verdict
    assert verify(executor, returns(right), test).passed
    assert verify(executor, returns(right, says_equal=False), test).passed


def test_a_forged_container_that_holds_another_one_is_not_equal_to_anything(executor):
  code = (
      "import json\nclass L(list): pass\ndef f():\n  program = __import__('sys')._getframe(1).f_globals\n"
      "  program['OPERATIONS']['held'] = lambda one: one\n  return L([1])"
  )
  verdict = verify(executor, code, "assert f() == [1]")
  assert (verdict.status, verdict.trust) == ("failed", "judged"), verdict


def test_verdicts_do_not_depend_on_the_run(executor):
  code = "def f(): return {'a', 'b', 'c', 'd'}, object()"
  verdicts = [verify(executor, code, "assert f() == 1").detail for _ in range(3)]
  with executor_lib.Executor(num_workers=1) as other:
    verdicts.append(verify(other, code, "assert f() == 1").detail)
  assert len(set(verdicts)) == 1 and " at 0x" not in verdicts[0]


def test_the_programs_process_is_sent_calls_with_arguments_and_no_more(executor):
  # It keeps all that it reads, and returns it; 27182 stands in the tests only.
  code = (
      "import json\nseen, loads = [], json.loads\n"
      "def listen(text): seen.append(str(text)); return loads(text)\n"
      "json.loads = listen\ndef f(x): return ''.join(seen)"
  )
  tests = ("assert 'call' in f(314159)", "assert '314159' in f(2)", "assert ('27182' + '8') not in f(3)")
  verdict = verify(executor, code, *tests)
  assert verdict.passed and verdict.trust == "judged", verdict
  verdict = verify(executor, code, "assert f(1) == 271828")
  assert verdict.status == "failed" and "271828" not in verdict.detail.removesuffix("expected 271828"), verdict
