"""Proving decides by execution which claims become repair tasks."""

import dataclasses

import pytest

from next_jax import schema
from next_jax.corpora import proving
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits
from next_jax.tracing.annotation import inline
from next_jax.tracing.recording import calls


@pytest.fixture(scope="module", name="executor")
def fixture_executor():
  with executor_lib.Executor(num_workers=2, limits=limits.Limits(cpu_seconds=1.0)) as executor:
    yield executor


def _task(buggy, reference, tests, hidden=(), entry_point="f", setup_code=""):
  return schema.RepairTask(
      task_id="t", split="dev", instruction="", entry_point=entry_point, buggy_code=buggy, reference_code=reference,
      public_tests=tuple(tests), hidden_tests=tuple(hidden), bug_kind="constant",
      bug_origin="mutant", setup_code=setup_code,
  )


def _one_public(task):
  return dataclasses.replace(task, public_tests=task.tests[:1], hidden_tests=task.tests[1:])


def _one(executor, *arguments, **keywords):
  (result,) = proving.Prover(executor, form=_one_public).prove([_task(*arguments, **keywords)])
  return result


def _traced(executor, task):
  (result,) = proving.Prover(executor).prove([task])
  return result.task


_ADD = "def f(x):\n  return x + 1\n"
_TESTS = ("assert f(0) == 1", "assert f(1) == 2", "assert f(5) == 6")


def test_the_first_failing_test_becomes_the_first_public_one(executor):
  bug = "def f(x):\n  return x + 1 if x < 5 else 0\n"
  result = _one(executor, bug, _ADD, _TESTS)
  assert (result.shows, result.hidden_only) == ("wrong value", False)
  assert result.task.public_tests == ("assert f(5) == 6",)
  assert result.task.hidden_tests == ("assert f(0) == 1", "assert f(1) == 2")


def test_a_bug_that_fails_hidden_tests_only_is_traced_on_the_first_public_one(executor):
  bug = "def f(x):\n  return x + 1 if x < 5 else 0\n"
  (result,) = proving.Prover(executor).prove([_task(bug, _ADD, _TESTS[:2], hidden=_TESTS[2:])])
  assert (result.shows, result.hidden_only) == ("wrong value", True)
  assert (result.task.public_tests, result.task.hidden_tests) == (_TESTS[:2], _TESTS[2:])
  assert (result.task.trace.call, result.task.trace.detail) == ("f(0)", "1")


def test_a_bug_is_endless_after_its_own_limit_unless_the_reference_needs_longer(executor):
  slow = "def f(x):\n  for _ in range(10_000_000):\n    pass\n  return {}\n"
  claims = [_task(slow.format("x"), reference, _TESTS[:1]) for reference in (_ADD, slow.format("x + 1"))]
  results = proving.Prover(executor, bug_cpu_seconds=0.02).prove(claims)
  assert [result.shows for result in results] == ["endless", "wrong value"]


@pytest.mark.parametrize(
    ("bug", "shows"),
    [
        ("def f(x):\n  return x\n", "wrong value"),
        ("def f(x):\n  return x + y\n", "exception"),
        ("def f(x):\n  while x < 9:\n    pass\n  return x\n", "endless"),
        ("raise ValueError('at import')\n", "exception"),
    ],
)
def test_how_a_bug_shows(executor, bug, shows):
  assert _one(executor, bug, _ADD, _TESTS).shows == shows


def test_a_bug_that_passes_is_dropped(executor):
  result = _one(executor, "def f(x):\n  return 1 + x\n", _ADD, _TESTS)
  assert result.reason == "the bug passes all tests"


def test_a_reference_that_fails_is_dropped(executor):
  result = _one(executor, "def f(x):\n  return x\n", "def f(x):\n  return x + (x < 5)\n", _TESTS)
  assert result.reason == "the reference does not pass (failed)"


def test_a_bug_that_fails_only_after_other_tests_is_dropped(executor):
  bug = "calls = []\ndef f(x):\n  calls.append(x)\n  return x + (len(calls) < 3)\n"
  result = _one(executor, bug, _ADD, _TESTS)
  assert result.reason == "the bug fails a test only after other tests"


def test_results_come_in_the_order_of_the_claims(executor):
  bugs = ["def f(x):\n  return 1 + x\n", "def f(x):\n  return x\n"] * 5
  claims = [dataclasses.replace(_task(bug, _ADD, _TESTS), task_id=f"t{i}") for i, bug in enumerate(bugs)]
  results = proving.Prover(executor).prove(claims)
  assert [result.task is not None for result in results] == [False, True] * 5
  assert [result.task_id for result in results] == [claim.task_id for claim in claims]


def test_the_trace_is_of_the_bug_on_the_first_public_test(executor):
  task = _task("def f(x):\n  y = x\n  return y\n", _ADD, ("assert f(7) == 8",))
  traced = _traced(executor, task)
  assert traced.trace.call == "f(7)"
  assert traced.trace.detail == "7"
  assert "# (1) y=7" in inline.annotate(traced.buggy_code, traced.trace)


def test_statements_before_the_call_are_run_and_may_use_what_the_program_defines(executor):
  bug = "class Node:\n  def __init__(self, v):\n    self.v = v\n\ndef f(node):\n  v = node.v\n  return v\n"
  task = _task(bug, bug.replace("return v", "return v + 1"), ("node = Node(3)\nassert f(node) == 4",))
  traced = _traced(executor, task)
  assert (traced.trace.outcome, traced.trace.detail) == ("returned", "3")
  assert {step.line for step in traced.trace.steps} <= set(range(1, bug.count("\n") + 1))
  inline.annotate(traced.buggy_code, traced.trace)


def test_setup_code_is_there_for_tests_and_trace(executor):
  setup = "LIMIT = 3"
  result = _one(
      executor, "def f(x):\n  return x\n", "def f(x):\n  return x + LIMIT\n", ("assert f(1) == 1 + LIMIT",),
      setup_code=setup,
  )
  assert result.task.trace.detail == "1"


def test_the_trace_of_an_endless_bug_is_bounded(executor):
  task = _task("def f(x):\n  while True:\n    x += 1\n", _ADD, ("assert f(0) == 1",))
  traced = _traced(executor, task)
  assert traced.trace.outcome == "truncated"
  assert 0 < len(traced.trace.steps) <= proving.TRACE_BUDGET.max_steps


def test_a_test_without_a_call_of_the_entry_point_is_refused(executor):
  task = _task("def f(x):\n  return x\n", _ADD, ("assert True",), hidden=_TESTS)
  with pytest.raises(calls.CallError, match="does not call 'f'"):
    proving.Prover(executor).prove([task])
