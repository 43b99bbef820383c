"""No hostile program passes, stops its judge, or leaves a process; every honest one keeps working."""

import os
import sys
import tempfile

import pytest

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib

import hostile_programs

LIMITS = limits_lib.Limits(
    cpu_seconds=0.5, wall_slack=4.0, judge_cpu_seconds=1.0, memory_bytes=512 << 20, max_processes=32
)


def hostile(name):
  code, _ = hostile_programs.PROGRAMS[name]
  return program_lib.Program(task_id=name, code=code, entry_point="f", tests=("assert f([3, 1, 2]) == [1, 2, 3]",))


def processes_in(directory):
  """Processes that work below `directory`, which is where those of an executor do."""
  found = []
  for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
      if os.readlink(f"/proc/{pid}/cwd").startswith(directory):
        found.append(int(pid))
    except OSError:
      continue
  return found


@pytest.fixture(scope="module", params=["namespaces", "processes"])
def executor(request, tmp_path_factory):
  """With all that the kernel here permits, and as on one that permits nothing."""
  directory = str(tmp_path_factory.mktemp("executor"))
  tempfile.tempdir = directory
  try:
    executor = executor_lib.Executor(num_workers=2, limits=LIMITS, namespaces=request.param == "namespaces").__enter__()
  finally:
    tempfile.tempdir = None
  if request.param == "namespaces" and not executor.has_namespaces():
    executor.close()
    pytest.skip("this kernel does not permit process namespaces")
  yield executor
  if sys.platform == "linux":
    assert processes_in(directory)
  executor.close()
  if sys.platform == "linux":
    assert not processes_in(directory)
  assert not os.listdir(directory)


@pytest.fixture(scope="module")
def verdicts(executor):
  programs = [hostile(name) for name in hostile_programs.PROGRAMS]
  return {verdict.task_id: verdict for verdict in executor.verify(programs)}


@pytest.mark.parametrize("name", hostile_programs.PROGRAMS)
def test_a_hostile_program_gets_the_verdict_it_deserves(verdicts, name):
  verdict = verdicts[name]
  assert verdict.status in hostile_programs.PROGRAMS[name][1], verdict
  assert verdict.trust == "judged"


HONEST = {
    "sorts": "def f(values): return sorted(values)",
    "sorts_in_place": "def f(values):\n  values.sort()\n  return values",
    "imports_numpy": "import numpy\ndef f(values): return numpy.sort(numpy.array(values)).tolist()",
    "returns_numpy_numbers": "import numpy\ndef f(values): return list(numpy.sort(numpy.array(values)))",
    "prints": "def f(values):\n  print('x' * 100000)\n  return sorted(values)",
    "uses_threads": (
        "from concurrent import futures\ndef f(values):\n  with futures.ThreadPoolExecutor(4) as pool:\n"
        "    return sorted(pool.map(int, values))"),
    "uses_processes": (
        "import subprocess, sys\ndef f(values):\n"
        "  text = subprocess.run([sys.executable, '-S', '-c', 'print(1, 2, 3)'], capture_output=True, text=True).stdout\n"
        "  return [int(word) for word in text.split()]"),
    "recurses_deeply": (
        "import sys\nsys.setrecursionlimit(100000)\ndef depth(n): return 0 if n == 0 else 1 + depth(n - 1)\n"
        "def f(values):\n  assert depth(50000) == 50000\n  return sorted(values)"),
    "writes_files": (
        "def f(values):\n  with open('numbers', 'w') as file: print(*sorted(values), file=file)\n"
        "  return [int(word) for word in open('numbers').read().split()]"),
    "redefines_builtins_for_itself": "def sum(x): return None\ndef len(x): return 0\ndef f(values): return sorted(values)",
    "uses_dataclasses": (
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass Box:\n  value: int\n"
        "def f(values): return [box.value for box in sorted(map(Box, values), key=lambda box: box.value)]"),
    "catches_its_recursion": (
        "def deeper(): return deeper()\ndef f(values):\n  try: deeper()\n  except RecursionError: return sorted(values)"),
    "uses_asyncio": "import asyncio\nasync def g(x): return sorted(x)\ndef f(values): return asyncio.run(g(values))",
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_passes(executor, verdicts, name):
  # After the hostile ones, on the same workers.
  code = HONEST[name]
  program = program_lib.Program(task_id=name, code=code, entry_point="f", tests=("assert f([3, 1, 2]) == [1, 2, 3]",))
  (verdict,) = executor.verify([program])
  assert verdict.passed, verdict


def test_killing_every_process_reaches_none_but_its_own(executor):
  if not executor.has_namespaces():
    pytest.skip("without a namespace this would reach the tests themselves")
  program = program_lib.Program(
      task_id="kill",
      code="import os, signal\ndef f():\n  for n in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL): os.kill(-1, n)\n  return 1",
      entry_point="f",
      tests=("assert f() == 2",),
  )
  (verdict,) = executor.verify([program])
  assert verdict.status in ("error", "failed"), verdict


def test_a_million_elements_come_back(executor):
  program = program_lib.Program(
      task_id="million",
      code="def f(n): return list(range(n))",
      entry_point="f",
      tests=("assert f(10 ** 6) == list(range(10 ** 6))",),
  )
  (verdict,) = executor.verify([program])
  assert verdict.passed, verdict


def test_a_scratch_directory_is_empty_for_each_program(executor):
  code = "import os\ndef f():\n  found = os.listdir('.')\n  open('left', 'w').close()\n  return found"
  programs = [program_lib.Program(task_id="t", code=code, entry_point="f", tests=("assert f() == []",))] * 6
  assert all(verdict.passed for verdict in executor.verify(programs))


def test_programs_cannot_be_told_from_each_others_leftovers_in_modules(executor):
  spoil = program_lib.Program(
      task_id="spoil",
      code="import math\nmath.floor = lambda x: 0\ndef f(): return 1",
      entry_point="f",
      tests=("assert f() == 1",),
  )
  honest = program_lib.Program(
      task_id="honest",
      code="import math\ndef f(): return math.floor(2.5)",
      entry_point="f",
      tests=("assert f() == 2",),
  )
  assert [verdict.status for verdict in executor.verify([spoil, honest] * 4)] == ["passed"] * 8
