"""No hostile program passes, stops its judge, or leaves a process; every honest one keeps working."""

import os
import pathlib
import sys
import tempfile

import pytest

from next_jax.execution import confinement
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib

LAYERS = {"all layers": confinement.LAYERS, "no namespaces": ("privileges", "landlock", "seccomp"), "processes only": ()}
LIMITS = limits_lib.Limits(
    cpu_seconds=0.5, wall_slack=1.0, judge_cpu_seconds=1.0, memory_bytes=512 << 20, max_processes=32
)

TEST = "assert f([3, 1, 2]) == [1, 2, 3]"


def hostile_programs():
  """name -> (program, statuses that are right for it), from hostile_programs.txt."""
  text = (pathlib.Path(__file__).parent / "hostile_programs.txt").read_text()
  parts = [part.partition("\n") for part in text.split("#### ")[1:]]
  _, _, forge = parts.pop(0)
  programs = {}
  for headline, _, code in parts:
    name, statuses = headline.split(": ")
    programs[name] = (code.replace("from forge import forge\n", forge), statuses.split())
  return programs


HOSTILE = hostile_programs()


def hostile(name):
  code, _ = HOSTILE[name]
  return program_lib.Program(task_id=name, code=code, entry_point="f", tests=(TEST,))


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


@pytest.fixture(scope="module", params=LAYERS)
def executor(request, tmp_path_factory):
  """With all that the kernel here permits, and as on one that permits nothing."""
  directory = str(tmp_path_factory.mktemp("executor"))
  tempfile.tempdir = directory
  try:
    executor = executor_lib.Executor(num_workers=2, limits=LIMITS, layers=LAYERS[request.param]).__enter__()
  finally:
    tempfile.tempdir = None
  if missing := set(LAYERS[request.param]) - set(executor.confinement().layers):
    executor.close()
    pytest.skip(f"this kernel does not permit {missing}")
  yield executor
  if sys.platform == "linux":
    assert processes_in(directory)
  executor.close()
  if sys.platform == "linux":
    assert not processes_in(directory)
  assert not os.listdir(directory)


@pytest.fixture(scope="module")
def verdicts(executor):
  programs = [hostile(name) for name in HOSTILE]
  return {verdict.task_id: verdict for verdict in executor.verify(programs)}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_gets_the_verdict_it_deserves(verdicts, name):
  verdict = verdicts[name]
  assert verdict.status in HOSTILE[name][1], verdict
  assert verdict.trust == "judged"


def honest_programs():
  text = (pathlib.Path(__file__).parent / "honest_programs.txt").read_text()
  return {name: code for name, _, code in (part.partition("\n") for part in text.split("#### ")[1:])}


HONEST = honest_programs()


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_passes(executor, verdicts, name):
  # After the hostile ones, on the same workers.
  program = program_lib.Program(task_id=name, code=HONEST[name], entry_point="f", tests=(TEST,))
  (verdict,) = executor.verify([program])
  assert verdict.passed, verdict


def test_killing_every_process_reaches_none_but_its_own(executor):
  if "namespaces" not in executor.confinement().layers:
    pytest.skip("without a namespace this would reach the tests themselves")
  program = program_lib.Program(
      task_id="kill",
      code="import os\ndef f():\n  for number in (19, 15, 9): os.kill(-1, number)\n  return 1",
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
