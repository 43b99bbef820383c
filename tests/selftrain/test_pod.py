"""Several processes walk through the loop as one: same files, and one failure that ends all."""

import pathlib
import socket
import subprocess
import sys

import pytest

from next_jax import files
from next_jax.stages import processes

SCRIPT = pathlib.Path(__file__).parent / "pod_process.py"


def start(workdir, address, count, index, *options):
  command = [sys.executable, str(SCRIPT), str(workdir), address, str(count), str(index), *options]
  return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free_address():
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    return f"localhost:{probe.getsockname()[1]}"


def outputs(running):
  """(exit code, stdout, stderr) of each process; none is left running."""
  try:
    found = [process.communicate(timeout=300) for process in running]
  finally:
    for process in running:
      process.kill()
  return [(process.returncode, *texts) for process, texts in zip(running, found, strict=True)]


def run(workdir, count):
  """Runs the small loop to its end in `count` processes; returns what each said."""
  address = free_address()
  ended = outputs([start(workdir, address, count, index) for index in range(count)])
  assert [code for code, _, _ in ended] == [0] * len(ended), ended[0][2][-3000:] + ended[-1][2][-3000:]
  return [stdout for _, stdout, _ in ended]


def reproducible(workdir):
  """Every file of a finished work directory but the seconds it took."""
  return {
      str(path.relative_to(workdir)): path.read_bytes()
      for path in sorted(workdir.rglob("*"))
      if path.is_file() and path.name != "timing.json"
  }


@pytest.fixture(scope="module")
def alone(tmp_path_factory, small_loop):
  """The work directory that one process has made."""
  workdir = tmp_path_factory.mktemp("alone") / "run"
  small_loop(workdir).run()
  return workdir


@pytest.mark.slow
def test_processes_together_write_the_bytes_of_one(alone, tmp_path):
  said = run(tmp_path / "run", 2)
  expected, found = reproducible(alone), reproducible(tmp_path / "run")
  assert list(found) == list(expected)
  assert [name for name in expected if found[name] != expected[name]] == []
  assert "[best]" in said[0] and said[1:] == [""]  # one line is said once


@pytest.mark.slow
def test_the_failure_of_one_stops_all_with_its_message_and_another_number_goes_on(alone, tmp_path):
  workdir = tmp_path / "run"
  broken = tmp_path / "checkpoint_0"
  broken.mkdir()
  files.write_json(broken / "other.json", 0)
  address = free_address()
  ended = outputs([start(workdir, address, 2, 0), start(workdir, address, 2, 1, "--base", str(broken))])
  assert [code for code, _, _ in ended] == [1, 1], ended[0][2][-3000:]
  cause = f"{broken}/skill.json: no such file; expected a checkpoint of a scripted engine"
  assert ended[1][1].splitlines()[-1] == f"failed: {cause}"
  assert ended[0][1].splitlines()[-1] == f"failed: process 1 failed: {cause}"
  parts = sorted(path.name for path in (workdir / "base/sample/samples.parts").iterdir())
  assert parts == ["part-00000.jsonl", "part-00002.jsonl"]  # the share of process 0, of 24 tasks in chunks of 8
  run(workdir, 3)
  assert reproducible(workdir) == reproducible(alone)


def test_what_to_give_is_said_where_processes_do_not_find_one_another():
  program = "from next_jax.stages import pod; pod.joined(num_processes=2).__enter__()"
  done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
  assert done.returncode == 1
  last = done.stderr.splitlines()[-1]
  given = "coordinator_address=None, num_processes=2, process_id=None"
  assert last.startswith(f"next_jax.stages.pod.PodError: {given}: the processes of this run do not find")
  assert last.endswith("none where JAX finds them out: Cloud TPU, Slurm, Open MPI, Kubernetes")


def test_one_process_waits_for_nobody():
  group = processes.current()
  assert (group.index, group.count) == (0, 1)
  assert group.gather({"a": 1}) == [{"a": 1}]
  assert group.broadcast(lambda: (1, 2)) == (1, 2)
