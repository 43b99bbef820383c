"""What a judged test can rely on: it sees the program's results as if it had called it directly."""

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


SATISFIED = {
    "argument changed in place": ("def f(x): x.sort()", "x = [3, 1]\nf(x)\nassert x == [1, 3]"),
    "argument changed deep inside": ("def f(x): x['a'][0].append(1)", "y = []\nx = {'a': (y,)}\nf(x)\nassert y == [1]"),
    "keyword argument changed": ("def f(*, x): x.add(2)", "x = {1}\nf(x=x)\nassert x == {1, 2}"),
    "changed from 1 to True": ("def f(x): x[0] = True", "x = [1]\nf(x)\nassert x[0] is True"),
    "argument changed before an exception": (
        "def f(x):\n  x.append(1)\n  raise KeyError(x)", "x = []\ntry:\n  f(x)\nexcept KeyError: pass\nassert x == [1]"),
    "the argument itself is returned": ("def f(x): return x", "x = [1]\nassert f(x) is x"),
    "generator": ("def f(n):\n  for i in range(n): yield i", "assert list(f(3)) == [0, 1, 2]"),
    "endless generator": ("def f():\n  i = 0\n  while True:\n    yield i\n    i += 1", "g = f()\nassert [next(g) for _ in range(50)] == list(range(50))"),
    "generator that raises": (
        "def f():\n  yield 1\n  raise ValueError('x')", "g = f()\nassert next(g) == 1\ntry: next(g)\nexcept ValueError: pass\nelse: assert False"),
    "map and zip": ("def f(x): return map(str, x), zip(x, x)", "a, b = f([1, 2])\nassert list(a) == ['1', '2'] and dict(b) == {1: 1, 2: 2}"),
    "an iterator is not a list": ("def f(): return iter([1])", "assert f() != [1]"),
    "an iterator goes back in": ("def f(x): return sum(x) if x else iter([1, 2])", "assert f(f(None)) == 3"),
    "function": ("def f(n): return lambda x: x + n", "assert f(2)(3) == 5"),
    "function with another's result": ("def f(n): return lambda x: [x] * n", "g, h = f(1), f(2)\nassert h(g(0)) == [[0], [0]]"),
    "expected exception": ("def f(x): raise ValueError('no')", "try:\n  f(1)\n  assert False\nexcept ValueError as error:\n  assert str(error) == 'no'"),
    "exception of its own class": ("class E(KeyError): pass\ndef f(x): raise E('k')", "try:\n  f(1)\n  assert False\nexcept KeyError: pass"),
    "set": ("def f(x): return {1, 2}", "assert f(0) == {2, 1}"),
    "not a number": ("def f(): return float('nan')", "x = f()\nassert x != x"),
    "types as arguments": ("def f(x, t): return [y for y in x if not isinstance(y, t)]", "assert f([1, 'a', 2.0], int) == ['a', 2.0]"),
    "close numbers": ("def f(): return 0.1 + 0.2", "import math\nassert math.isclose(f(), 0.3)"),
    "numpy in the test": ("def f(): return [0.1 + 0.2, 1]", "import numpy as np\nassert np.allclose(f(), [0.3, 1])"),
    "entry point with a builtin's name": ("def sum(a, b): return a - b", "assert sum(3, 1) == 2"),
    "check function": ("def f(x): return x + 1", "def check(candidate):\n  assert candidate(1) == 2\n  for i in range(5):\n    assert candidate(i) == i + 1\ncheck(f)"),
    "short circuit": ("calls = []\ndef f(x):\n  calls.append(x)\n  return len(calls)", "assert f(1) == 1 or f(2) == 9", ),
    "class as entry point": (
        "class f:\n  def __init__(self): self.items = []\n  def push(self, item): self.items.append(item)\n"
        "  def pop(self): return self.items.pop()\n  def __len__(self): return len(self.items)",
        "s = f()\ns.push(1)\ns.push([2])\nassert s.pop() == [2] and len(s) == 1 and s.items == [1] and s"),
    "objects linked by the test": (
        "class f:\n  def __init__(self, value): self.value, self.next = value, None\n"
        "  def total(self): return self.value + (self.next.total() if self.next else 0)",
        "a, b = f(1), f(2)\na.next = b\nassert a.total() == 3 and a.next.value == 2 and not b.next and a.next is b and a.next == b != a"),
    "container of its own class": (
        "class C:\n  def __getitem__(self, i): return [5, 6][i]\n  def __contains__(self, x): return x == 5\n"
        "  def __iter__(self): return iter([5, 6])\n  def __str__(self): return 'C!'\ndef f(): return C()",
        "c = f()\nassert c[1] == 6 and 5 in c and 7 not in c and list(c) == [5, 6] and str(c) == 'C!'"),
    "object without the attribute": (
        "class C: pass\ndef f(): return C()", "try: f().x\nexcept AttributeError: pass\nelse: assert False"),
    "seeded randomness": ("import random\ndef f(): return random.random()", "assert 0.8444 < f() < 0.8445"),
}  # fmt: skip


@pytest.mark.parametrize("name", SATISFIED)
def test_a_right_program_is_judged_right(executor, name):
  code, test = SATISFIED[name]
  entry_point = "sum" if "builtin" in name else "f"
  verdict = verify(executor, code, test, entry_point=entry_point)
  assert (verdict.status, verdict.trust) == ("passed", "judged"), verdict


def test_calls_happen_once_each_also_when_they_were_made_ahead(executor):
  code = "calls = []\ndef f(x):\n  calls.append(x)\n  return list(calls)"
  assert verify(executor, code, "assert f(1) == [1]", "assert f(2) == [1, 2]").passed
  # f(2) is foreseen, but not made: the program must not have seen it when f(3) is.
  assert verify(executor, code, "assert f(1) == [1] or f(2)", "assert f(3) == [1, 3]").passed


def test_an_unexpected_exception_of_the_program_is_an_error(executor):
  verdict = verify(executor, "def f(x): assert x > 1, 'too small'", "assert f(1) == 1")
  assert (verdict.status, verdict.detail) == ("error", "AssertionError: too small (line 1 of the program)")


def test_a_test_that_cannot_digest_the_result_is_an_error(executor):
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


def test_tests_share_a_namespace(executor):
  assert verify(executor, "def f(x): return x", "x = f(1)", "assert x == 1").passed


def test_setup_code_that_fails_and_tests_that_do_not_compile_are_reported(executor):
  assert "setup code fails: ZeroDivisionError" in verify(executor, "def f(): pass", "assert f()", setup_code="1/0").detail
  assert "a test does not compile: SyntaxError" in verify(executor, "def f(): pass", "assert f(").detail


INSIDE = {
    "another function of the program": ("def f(x): return x\ndef g(x): return x", "assert f(1) == g(1)"),
    "a class of the program": ("class P:\n  def __init__(self, x): self.x = x\ndef f(p): return p.x", "assert f(P(3)) == 3"),
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


def test_verdicts_do_not_depend_on_the_run(executor):
  code = "def f(): return {'a', 'b', 'c', 'd'}, object()"
  verdicts = [verify(executor, code, "assert f() == 1").detail for _ in range(3)]
  with executor_lib.Executor(num_workers=1) as other:
    verdicts.append(verify(other, code, "assert f() == 1").detail)
  assert len(set(verdicts)) == 1 and " at 0x" not in verdicts[0]
