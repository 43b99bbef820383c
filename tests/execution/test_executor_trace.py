"""Traces are recorded in a process that can be killed."""

import pytest

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib
from next_jax.tracing.recording import recorder


@pytest.fixture(scope="module")
def executor():
  with executor_lib.Executor(num_workers=2, limits=limits_lib.Limits(cpu_seconds=1.0, wall_slack=1.0)) as executor:
    yield executor


def request(source, call, **fields):
  return program_lib.TraceRequest(task_id="task", source=source, call=call, **fields)


def test_a_trace_is_the_one_that_the_recorder_makes(executor):
  source = "def f(x):\n  y = [x]\n  for i in range(3):\n    y.append(i)\n  return y\n"
  traces = list(executor.trace([request(source, f"f({number})") for number in range(5)]))
  assert traces == [recorder.record(source, f"f({number})") for number in range(5)]


def test_setup_code_and_budget_reach_the_recorder(executor):
  source = "def f(x):\n  while True:\n    x = step(x)\n"
  (trace,) = executor.trace(
      [request(source, "f(1)", setup_code="step = lambda x: x + 1")], budget=recorder.Budget(max_steps=50)
  )
  assert trace.outcome == "truncated" and 0 < len(trace.steps) <= 50


@pytest.mark.parametrize(
    "source, detail",
    [
        ("def f(x):\n  return 10 ** 10 ** 9\n", "killed: used more than 1 s of CPU time"),
        ("import os\ndef f(x):\n  os._exit(0)\n", "killed: its process ended with exit status 0"),
        ("import os, signal\ndef f(x):\n  os.kill(os.getpid(), signal.SIGSTOP)\n", "killed: waited for more than 1 s"),
    ],
)
def test_a_trace_that_had_to_be_killed_is_truncated(executor, source, detail):
  (trace,) = executor.trace([request(source, "f(1)")])
  assert (trace.call, trace.outcome) == ("f(1)", "truncated")
  assert trace.detail.startswith(detail)


def test_a_source_that_does_not_compile_does_not_end_the_stream(executor):
  bad, good = executor.trace([request("def f(x) x", "f(1)"), request("def f(x):\n  return x\n", "f(1)")])
  assert bad.outcome == "raised" and "does not compile" in bad.detail
  assert good.outcome == "returned"
