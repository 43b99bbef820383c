"""No program gets out of the layers; a missing layer is reported, and can be refused."""

import json
import logging
import pathlib
import subprocess
import sys

import pytest

from next_jax import errors
from next_jax.execution import executor as executor_lib
from next_jax.execution import program as program_lib
from next_jax.execution.confinement import confinement as confinement_lib

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")


def breaking_programs():
  """name -> (program, who gets out where nothing holds it), from breaking_programs.txt."""
  text = (pathlib.Path(__file__).parent / "breaking_programs.txt").read_text()
  programs = {}
  for part in text.split("#### ")[1:]:
    headline, _, code = part.partition("\n")
    name, who = headline.split(": ")
    programs[name] = (code, who)
  return programs


BREAKING = breaking_programs()


@LINUX
@pytest.mark.parametrize("way", ["all layers", "no namespaces", "ordinary user", "ordinary user, no namespaces"])
def test_no_program_gets_out(run_confined, way):
  outcome = run_confined(way, {name: code for name, (code, _) in BREAKING.items()})
  statuses = {verdict["task_id"]: verdict["status"] for verdict in outcome["verdicts"]}
  assert set(statuses.values()) <= {"error", "failed"} and len(statuses) == len(BREAKING), statuses
  assert not outcome["damaged"] and not outcome["processes_left"] and not outcome["files_left"]


@LINUX
def test_where_nothing_holds_them_the_same_programs_do_get_out(run_confined):
  # Otherwise the test above would pass for programs that merely contain a mistake.
  outcome = run_confined("no layers", {name: code for name, (code, who) in BREAKING.items() if who == "anybody"})
  assert {verdict["task_id"] for verdict in outcome["verdicts"] if verdict["status"] != "passed"} == set()
  assert {"overwrites_a_file", "kills_a_process", "changes_a_mode"} <= set(outcome["damaged"])


@LINUX
def test_system_calls_that_no_program_needs_do_not_exist():
  # Numbers above the table, and of x32; and a sample of what is dangerous, by its number on either machine.
  numbers = {
      "x86_64": [101, 105, 155, 161, 165, 167, 169, 175, 246, 248, 250, 272, 298, 304, 308, 310, 319, 321, 323],
      "aarch64": [39, 40, 41, 51, 97, 104, 105, 117, 142, 146, 217, 219, 241, 265, 268, 270, 279, 280, 282],
  }
  code = (
      "import ctypes, errno, os\n"
      "def f(numbers):\n"
      "  numbers = numbers[os.uname().machine]\n"
      "  found, libc = [], ctypes.CDLL(None, use_errno=True)\n"
      "  for number in numbers + list(range(424, 434)) + [438, 440] + list(range(457, 462)) + [500, 1 << 30]:\n"
      "    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)\n"
      "    if result != -1 or ctypes.get_errno() != errno.EPERM: found.append(number)\n"
      "  return found\n"
  )
  program = program_lib.Program(task_id="t", code=code, entry_point="f", tests=(f"assert f({numbers}) == []",))
  with executor_lib.Executor(num_workers=1) as executor:
    if "seccomp" not in executor.confinement().layers:
      pytest.skip(str(executor.confinement()))
    (verdict,) = executor.verify([program])
  assert verdict.passed, verdict


@LINUX
def test_a_layer_that_is_missing_is_named_once(caplog):
  layers = tuple(layer for layer in confinement_lib.LAYERS if layer != "landlock")
  with caplog.at_level(logging.WARNING, logger="next_jax.execution"):
    with executor_lib.Executor(num_workers=2, layers=layers) as executor:
      confinement = executor.confinement()
  assert ("landlock", "switched off") in confinement.missing
  (record,) = caplog.records
  assert "Missing: " in record.message and "landlock (switched off)" in record.message


@LINUX
def test_when_all_layers_are_required_and_one_is_missing_nothing_runs():
  executor = executor_lib.Executor(num_workers=1, layers=("privileges", "seccomp"), require_all_layers=True)
  with pytest.raises(errors.ExecutionError, match=r"Missing: namespaces \(.*; landlock \(switched off\)"):
    executor.__enter__()
  with pytest.raises(RuntimeError, match="not open"):
    executor.verify([])


def test_a_layer_that_does_not_exist_is_refused():
  with pytest.raises(errors.ExecutionError, match="Executor.layers: found 'chroot', expected some of"):
    executor_lib.Executor(layers=("chroot",))


def test_a_layer_counts_only_where_all_workers_have_it_and_the_report_is_json():
  confinement = confinement_lib.of_workers([{}, {"namespaces": "the kernel refuses: Operation not permitted"}])
  assert confinement.layers == ("privileges", "landlock", "seccomp")
  assert confinement_lib.Confinement.from_json(json.loads(json.dumps(confinement.to_json()))) == confinement
  assert "Missing: namespaces (the kernel refuses: Operation not permitted)" in str(confinement)


@LINUX
def test_where_the_kernel_refuses_namespaces_the_rest_is_still_there_and_the_reason_is_told(tmp_path):
  # A user namespace in which no more namespaces may be made stands for a kernel that permits none.
  script = (
      "from next_jax.execution import executor\n"
      "with executor.Executor(num_workers=1) as executor: print(executor.confinement().missing)\n"
  )
  limit = "echo 0 > /proc/sys/user/max_pid_namespaces && exec \"$@\""
  command = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh", sys.executable, "-c", script]
  try:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
  except FileNotFoundError:
    pytest.skip("there is no unshare(1)")
  if "unshare failed" in result.stderr or "nonexistent" in result.stderr:
    pytest.skip(result.stderr)
  assert result.returncode == 0, result.stderr
  assert result.stdout.startswith("(('namespaces', 'the kernel refuses: "), result.stdout
