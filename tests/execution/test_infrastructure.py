"""Infrastructure failures are not failures of programs: workers are replaced, and programs run again."""

import os
import signal
import subprocess
import sys

import pytest

from next_jax import errors
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


def program(number, code=None):
  return program_lib.Program(
      task_id=str(number),
      code=code or f"def f():\n  return sum(range({number}))\n",
      entry_point="f",
      tests=(f"assert f() == {sum(range(number))}",),
  )


def judges():
  """Process numbers of the judges that this process has started."""
  found = []
  for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
      with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/cmdline") as command_line:
        parent = int(stat.read().rpartition(")")[2].split()[1])
        if parent == os.getpid() and "judge.main" in command_line.read():
          found.append(int(pid))
    except FileNotFoundError:
      continue
  return found


@LINUX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_worker_is_replaced_and_no_verdict_is_lost(number):
  with executor_lib.Executor(num_workers=2) as executor:
    stream = executor.verify(program(number) for number in range(300))
    verdicts = [next(stream) for _ in range(20)]
    for pid in judges():
      os.kill(pid, number)
    verdicts += stream
  assert [verdict.task_id for verdict in verdicts] == [str(number) for number in range(300)]
  assert all(verdict.passed for verdict in verdicts)


def test_a_program_that_ends_every_worker_is_not_counted_as_failed_and_harms_no_other():
  # Without a namespace the program can reach its judge's zygote.
  killer = program(0, "import os, signal\ndef f(): os.kill(os.getppid(), signal.SIGKILL)")
  with executor_lib.Executor(num_workers=2, layers=()) as executor:
    verdicts = list(executor.verify([program(1), killer, *map(program, range(2, 30))]))
  assert [verdict.status for verdict in verdicts if not verdict.passed] == ["infrastructure"]
  assert "3 attempts" in verdicts[1].detail


def test_when_known_good_programs_do_not_pass_nothing_is_judged():
  limits = limits_lib.Limits(reply_bytes=3)
  with executor_lib.Executor(num_workers=2, limits=limits) as executor:
    with pytest.raises(errors.ExecutionError, match="canary/good has status 'error' .* expected 'passed'"):
      list(executor.verify([program(1)]))


@LINUX
def test_a_worker_that_takes_anothers_place_judges_nothing_before_known_good_programs_pass(monkeypatch):
  with executor_lib.Executor(num_workers=1) as executor:
    stream = executor.verify(program(number) for number in range(300))
    assert next(stream).passed
    monkeypatch.setattr(sys, "executable", "/bin/false")  # from now on no interpreter starts
    for pid in judges():
      os.kill(pid, signal.SIGKILL)
    with pytest.raises(errors.ExecutionError, match="before it judged anything"):
      list(stream)


@LINUX
def test_nothing_is_left_when_the_process_that_uses_it_is_killed(tmp_path):
  script = (
      "import os, signal, tempfile\n"
      f"tempfile.tempdir = {str(tmp_path)!r}\n"
      "from next_jax.execution import executor\n"
      "open_executor = executor.Executor(num_workers=2).__enter__()\n"
      "open_executor.confinement()\n"
      "os.kill(os.getpid(), signal.SIGKILL)\n"
  )
  process = subprocess.Popen([sys.executable, "-c", script])
  assert process.wait() == -signal.SIGKILL
  for _ in range(1000):
    if not os.listdir(tmp_path):
      return
    os.sched_yield()
    subprocess.run(["true"], check=True)
  raise AssertionError(f"left: {os.listdir(tmp_path)}")


def test_an_error_in_the_input_reaches_the_caller_and_the_executor_stays_usable():
  def programs():
    yield program(1)
    raise OSError("the disk is gone")

  with executor_lib.Executor(num_workers=1) as executor:
    with pytest.raises(OSError, match="the disk is gone"):
      list(executor.verify(programs()))
    assert [verdict.status for verdict in executor.verify([program(2)])] == ["passed"]


def test_an_executor_that_is_not_open_says_so():
  executor = executor_lib.Executor(num_workers=1)
  with pytest.raises(RuntimeError, match="not open"):
    executor.verify([])
  with executor:
    stream = executor.verify(program(number) for number in range(300))
    next(stream)
  with pytest.raises(RuntimeError, match="closed"):
    list(stream)


@pytest.mark.parametrize("fields", [{"cpu_seconds": 0}, {"wall_slack": -1.0}, {"memory_bytes": 1 << 20}])
def test_limits_under_which_nothing_could_run_are_refused(fields):
  with pytest.raises(errors.ExecutionError, match=next(iter(fields))):
    limits_lib.Limits(**fields)


def test_no_worker_is_no_executor():
  with pytest.raises(errors.ExecutionError, match="num_workers: found 0"):
    executor_lib.Executor(num_workers=0)
