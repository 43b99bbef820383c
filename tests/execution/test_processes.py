"""Processes below another are found, by reading all of /proc or only a part."""

import subprocess
import sys

import pytest

from next_jax.execution.judging import processes

SCRIPT = """
import subprocess, sys, threading
child = [sys.executable, "-c", "import sys; print('ready', flush=True); sys.stdin.read()"]
def start():
  process = subprocess.Popen(child, stdin=sys.stdin, stdout=subprocess.PIPE)
  process.stdout.readline()
  print("started", flush=True)
  process.wait()
thread = threading.Thread(target=start)  # the kernel keeps children by thread
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize("find", [processes.descendants, processes.glance])
def test_children_of_threads_and_grandchildren_are_found_nearest_first(find):
  with subprocess.Popen(["sh", "-c", f'"{sys.executable}" -c "$0"; true', SCRIPT], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE) as shell:
    shell.stdout.readline()
    found = find(shell.pid)
    assert [process.parent for process in found] == [shell.pid, found[0].pid]
    assert found[0].threads == 2 and all(process.memory_bytes > 1 << 20 for process in found)
    shell.stdin.close()


@pytest.mark.parametrize("find", [processes.descendants, processes.glance])
def test_nothing_is_found_below_a_process_that_has_ended(find):
  with subprocess.Popen(["true"]) as process:
    process.wait()
  assert find(process.pid) == []
