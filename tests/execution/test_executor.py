"""Verdicts come as a stream, in order, with a status for each outcome of a program."""

import itertools
import os
import signal

import pytest

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib
from next_jax.execution.judging import zygote

LIMITS = limits_lib.Limits(cpu_seconds=0.5, wall_slack=1.0, judge_cpu_seconds=2.0)


@pytest.fixture(scope="module")
def executor():
  with executor_lib.Executor(num_workers=2, limits=LIMITS) as executor:
    yield executor


def program(code, *tests, entry_point="f", **fields):
  return program_lib.Program(task_id="task", code=code, entry_point=entry_point, tests=tests, **fields)


def verify(executor, code, *tests, **fields):
  (verdict,) = executor.verify([program(code, *tests, **fields)])
  return verdict


def test_a_program_that_satisfies_all_tests_passes(executor):
  verdict = verify(executor, "def f(x):\n  return x + 1\n", "assert f(1) == 2", "assert f(-1) == 0")
  assert verdict.status == "passed"
  assert [result.status for result in verdict.tests] == ["passed", "passed"]
  assert verdict.trust == "judged"
  assert 0 < verdict.cpu_seconds < 0.5


def test_a_false_assertion_fails_says_why_and_ends_the_tests(executor):
  tests = ("assert f(1) == [1]", "assert f(2) == [3]", "assert f(1) == [1]")
  verdict = verify(executor, "def f(x):\n  return [x]\n", *tests)
  assert verdict.status == "failed"
  assert verdict.detail == "f(2) returned [2], expected [3]"
  assert [result.status for result in verdict.tests] == ["passed", "failed"]


def test_a_program_can_be_given_less_time_than_the_executor_gives(executor):
  verdict = verify(executor, "def f():\n  while True: pass\n", "assert f()", cpu_seconds=0.1)
  assert (verdict.status, verdict.detail) == ("timeout", "used more than 0.1 s of CPU time")
  assert verify(executor, "def f():\n  return 1\n", "assert f()", cpu_seconds=0.1).passed


@pytest.mark.parametrize(
    "code, status, detail",
    [
        ("def f(x):\n  return x[9]\n", "error", "IndexError: list index out of range (line 2 of the program)"),
        ("1 / 0\ndef f(x): pass\n", "error", "ZeroDivisionError: division by zero (line 1 of the program)"),
        ("def f(x) return x\n", "syntax", "SyntaxError: expected ':' (line 1 of the program)"),
        ("def f(x):\n  return '\0'\n", "syntax", "source code string cannot contain null bytes"),
        ("def g(x):\n  return x\n", "error", "the program does not define 'f'"),
        ("def f(x):\n  while True: pass\n", "timeout", "used more than 0.5 s of CPU time"),
        ("while True: pass\n", "timeout", "used more than 0.5 s of CPU time"),
        ("import time\ndef f(x):\n  time.sleep(1000)\n", "timeout", "waited for more than 1 s"),
        ("def f(x):\n  return bytearray(1 << 34)\n", "memory", "MemoryError"),
        ("def f(x):\n  return f(x)\n", "error", "RecursionError: maximum recursion depth exceeded"),
        ("def f(x):\n  raise SystemExit(0)\n", "error", "SystemExit: 0"),
        ("import os\ndef f(x):\n  os._exit(0)\n", "error", "ended with exit status 0 without an answer"),
    ],
)
def test_each_way_not_to_pass_has_its_status_and_a_reason(executor, code, status, detail):
  verdict = verify(executor, code, "assert f([1]) == [1]")
  assert (verdict.status, detail in verdict.detail) == (status, True), verdict


def test_a_verdict_does_not_depend_on_interrupts_being_ignored_where_it_was_asked_for():
  before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a job that a script starts in the background
  try:
    with executor_lib.Executor(num_workers=1, limits=LIMITS) as executor:
      verdict = verify(executor, "import os\ndef f():\n  os.kill(os.getpid(), 2)\n", "assert f() is None")
  finally:
    signal.signal(signal.SIGINT, before)
  assert verdict.status == "error"


def test_verdicts_come_in_the_order_of_the_programs_whatever_each_takes(executor):
  programs = [
      program_lib.Program(
          task_id=f"task-{number}",
          sample_index=number,
          code=f"def f():\n  for _ in range({(40 - number) * 5000}): pass\n  return {number}\n",
          entry_point="f",
          tests=(f"assert f() == {number if number % 3 else -1}",),
      )
      for number in range(40)
  ]
  verdicts = list(executor.verify(programs))
  assert [(v.task_id, v.sample_index) for v in verdicts] == [(p.task_id, p.sample_index) for p in programs]
  assert [v.passed for v in verdicts] == [number % 3 != 0 for number in range(40)]


def test_programs_are_read_only_as_far_ahead_as_the_window_allows(executor):
  read = itertools.count()
  endless = (program(f"def f():\n  return {next(read)}\n", "assert f() >= 0") for _ in itertools.count())
  stream = executor.verify(endless)
  for _ in range(3):
    assert next(stream).passed
  stream.close()
  assert next(read) < 200


def test_programs_are_read_no_further_while_one_takes_long(executor):
  read = itertools.count()
  slow = program("def f():\n  while True: pass\n", "assert f()")  # to the limit, while the other worker goes on

  def programs():
    yield slow
    while True:
      yield program(f"def f():\n  return {next(read)}\n", "assert f() >= 0")

  stream = executor.verify(programs())
  assert next(stream).status == "timeout"
  assert next(read) <= 2 * 64
  stream.close()


def test_a_stream_that_is_closed_ends_what_runs():
  limits = limits_lib.Limits(cpu_seconds=1000.0)
  endless = program("def f():\n  while True: pass\n", "assert f()")
  with executor_lib.Executor(num_workers=1, limits=limits) as executor:
    stream = executor.verify([program("def f():\n  return 1\n", "assert f() == 1"), endless, endless])
    assert next(stream).passed
    stream.close()
    assert verify(executor, "def f():\n  return 2\n", "assert f() == 2").passed


def test_an_abandoned_stream_does_not_disturb_the_next(executor):
  stream = executor.verify([program("def f():\n  return 1\n", "assert f() == 1")] * 50)
  assert next(stream).passed
  stream.close()
  assert verify(executor, "def f():\n  return 2\n", "assert f() == 1").detail == "f() returned 2, expected 1"


def test_two_streams_at_once_are_refused(executor):
  stream = executor.verify([program("def f():\n  return 1\n", "assert f() == 1")] * 50)
  next(stream)
  with pytest.raises(RuntimeError, match="earlier stream"):
    next(executor.verify([program("def f():\n  return 1\n", "assert f() == 1")]))
  stream.close()


def test_no_programs_give_no_verdicts(executor):
  assert list(executor.verify([])) == []


def test_a_program_cannot_see_the_environment_of_the_user(executor):
  code = "import os\ndef f():\n  return sorted(os.environ)\n"
  ours = set(os.environ) - {*zygote.environment(), "HOME", "TMPDIR"}
  verdict = verify(executor, code, "assert 'PATH' in f()", f"assert not set(f()) & {ours!r}")
  assert verdict.passed, verdict


def test_a_program_that_removes_its_directory_leaves_one_to_the_next():
  removes = "import os, shutil\ndef f(x):\n  shutil.rmtree(os.getcwd())\n  return x\n"
  writes = "def f(x):\n  open('file', 'w').write('text')\n  return x\n"
  programs = [
      program_lib.Program(task_id=str(number), code=code, entry_point="f", tests=("assert f(1) == 1",))
      for number, code in enumerate([removes, writes] * 3)
  ]
  with executor_lib.Executor(num_workers=1, layers=()) as executor:
    assert [verdict.status for verdict in executor.verify(programs)][1::2] == ["passed"] * 3
