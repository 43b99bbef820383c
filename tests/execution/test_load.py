"""Verdicts are the same on a busy machine: CPU time is limited, and waiting for a core does not count."""

import subprocess
import sys

import pytest

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib

_BUSY_PROCESSES = 8

_SPEND = """
import time
def spend(seconds):
  start = time.process_time()
  while time.process_time() - start < seconds: pass
def f():
  """

# name -> (body of f, status)
PROGRAMS = {
    "is_quick": ("return 1", "passed"),
    "is_wrong": ("return 2", "failed"),
    "raises": ("return 1 // 0", "error"),
    "uses_half_its_time": ("spend(0.5); return 1", "passed"),
    "uses_three_times_its_time": ("spend(3.0); return 1", "timeout"),
    "never_ends": ("while True: pass", "timeout"),
    "waits_half_its_slack": ("time.sleep(0.75); return 1", "passed"),
    "waits_half_its_slack_in_slices": ("[time.sleep(0.01) for _ in range(50)]; return 1", "passed"),
    "waits_for_ever": ("time.sleep(1000)", "timeout"),
    "computes_in_threads": (
        "from concurrent import futures\n"
        "  with futures.ThreadPoolExecutor(4) as pool: list(pool.map(spend, [0.4] * 4))\n"
        "  return 1",
        "passed",
    ),
    "computes_in_a_child": ("import os\n  if os.fork() == 0: spend(0.4); os._exit(0)\n  os.wait(); return 1", "passed"),
    "runs_another_program": ("import subprocess\n  subprocess.run(['true'], check=True); return 1", "passed"),
    "imports_numpy": ("import numpy; return int(numpy.arange(2).sum())", "passed"),
    "returns_much": ("return len(list(range(10 ** 5)))", "failed"),
}


@pytest.fixture
def busy_processes():
  processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(_BUSY_PROCESSES)]
  yield
  for process in processes:
    process.kill()
    process.wait()


@pytest.mark.slow
def test_verdicts_at_load_8_are_those_of_an_idle_machine(busy_processes):
  programs = [
      program_lib.Program(task_id=name, code=f"{_SPEND}{body}\n", entry_point="f", tests=("assert f() == 1",))
      for name, (body, _) in PROGRAMS.items()
  ]
  limits = limits_lib.Limits(cpu_seconds=1.0, wall_slack=1.5)
  with executor_lib.Executor(num_workers=2, limits=limits) as executor:
    found = {verdict.task_id: verdict.status for verdict in executor.verify(programs)}
  assert found == {name: status for name, (_, status) in PROGRAMS.items()}
