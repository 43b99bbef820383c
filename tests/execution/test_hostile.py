"""No hostile program passes, stops its judge, or leaves a process; every honest one keeps working."""

import pathlib

import pytest

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib

HERE = pathlib.Path(__file__).parent


def hostile_programs():
  """name -> (program, statuses that are right for it), from hostile_programs.txt."""
  parts = [part.partition("\n") for part in (HERE / "hostile_programs.txt").read_text().split("#### ")[1:]]
  _, _, forge = parts.pop(0)
  programs = {}
  for headline, _, code in parts:
    name, statuses = headline.split(": ")
    programs[name] = (code.replace("from forge import forge\n", forge), statuses.split())
  return programs


def honest_programs():
  text = (HERE / "honest_programs.txt").read_text()
  return {name: code for name, _, code in (part.partition("\n") for part in text.split("#### ")[1:])}


HOSTILE = hostile_programs()
HONEST = honest_programs()
WAYS = [
    "all layers",
    *(pytest.param(way, marks=pytest.mark.slow) for way in ("no namespaces", "ordinary user", "no layers")),
]


@pytest.fixture(scope="module", params=WAYS)
def outcome(request, run_confined):
  # The honest ones after the hostile ones, on the same workers.
  programs = {**{name: code for name, (code, _) in HOSTILE.items()}, **HONEST}
  outcome = run_confined(request.param, programs)
  return {**outcome, "verdicts": {verdict["task_id"]: verdict for verdict in outcome["verdicts"]}}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_gets_the_verdict_it_deserves(outcome, name):
  verdict = outcome["verdicts"][name]
  if "numpy" in HOSTILE[name][0] and not outcome["has_numpy"]:
    pytest.skip("numpy is not there")
  assert verdict["status"] in HOSTILE[name][1], verdict
  assert verdict["trust"] == "judged"


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_passes(outcome, name):
  if "numpy" in HONEST[name] and not outcome["has_numpy"]:
    pytest.skip("numpy is not there")
  assert outcome["verdicts"][name]["status"] == "passed", outcome["verdicts"][name]


def test_hostile_programs_leave_neither_processes_nor_files_and_touch_none(outcome):
  assert outcome["worked"]  # processes are found where there are some
  assert not outcome["processes_left"] and not outcome["files_left"] and not outcome["damaged"]


@pytest.fixture(scope="module")
def executor():
  limits = limits_lib.Limits(cpu_seconds=0.5, wall_slack=1.0)
  with executor_lib.Executor(num_workers=2, limits=limits) as executor:
    yield executor


def verify(executor, code, test):
  program = program_lib.Program(task_id="task", code=code, entry_point="f", tests=(test,))
  (verdict,) = executor.verify([program])
  return verdict


def test_killing_every_process_reaches_none_but_its_own(executor):
  if "namespaces" not in executor.confinement().layers:
    pytest.skip("without a namespace this would reach the tests themselves, if it were let")
  code = "import os\ndef f():\n  for number in (19, 15, 9): os.kill(-1, number)\n  return 1"
  assert verify(executor, code, "assert f() == 2").status in ("error", "failed")


def test_a_million_elements_come_back(executor):
  assert verify(executor, "def f(n): return list(range(n))", "assert f(10 ** 6) == list(range(10 ** 6))").passed


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
