"""launch/local_pod.sh starts, watches and ends processes (stand-ins), and runs the loop in two real ones."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "launch/local_pod.sh"
NEXT_JAX = """#!/usr/bin/env bash
# Does what the file plays/INDEX says: ok, fail, hang (after saying so), die, stop (after a failure).
index="${4#--process_id=}"
printf '%s\\n' "$@" >"$STAND_IN/arguments-$index"
echo "$JAX_NUM_CPU_DEVICES" >"$STAND_IN/devices-$index"
case "$(cat "$STAND_IN/plays/$index")" in
  ok) echo "done" ;;
  fail) echo "next-jax: out of memory" >&2; (sleep 0.5; touch "$STAND_IN/failed") & exit 3 ;;
  hang) echo "hangs"; echo $$ >"$STAND_IN/pid-$index"; exec sleep 600 ;;
  die) until [ -e "$STAND_IN/pid-1" ]; do sleep 0.05; done; kill -KILL $$ ;;
  stop)
    until [ -e "$STAND_IN/failed" ]; do sleep 0.05; done
    echo "process 0 failed: out of memory"
    exit 1 ;;
esac
"""


@pytest.fixture(name="start")
def _start(tmp_path):
  """Starts the script; its processes are stand-ins that play the given parts."""
  (tmp_path / "plays").mkdir()
  (tmp_path / "bin").mkdir()
  program = tmp_path / "bin/next-jax"
  program.write_text(NEXT_JAX)
  program.chmod(0o755)
  environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "STAND_IN": str(tmp_path)}
  environment.pop("JAX_NUM_CPU_DEVICES", None)
  environment["GRACE_SECONDS"] = "5"

  def start(*plays, arguments=("--gin_file=a.gin", "--gin.WORKDIR='/tmp/a b'")):
    for index, play in enumerate(plays):
      (tmp_path / f"plays/{index}").write_text(play)
    return subprocess.Popen(
        [str(SCRIPT), str(len(plays)), "--", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )

  return start


def is_running(pid):
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()


def test_each_process_gets_its_number_one_address_and_the_arguments(start, tmp_path):
  script = start("ok", "ok", "ok")
  stdout, stderr = script.communicate(timeout=60)
  assert (script.returncode, stderr) == (0, "")
  assert sorted(stdout.splitlines()) == [f"[process {index}] done" for index in range(3)]
  given = [(tmp_path / f"arguments-{index}").read_text().splitlines() for index in range(3)]
  for index, arguments in enumerate(given):
    assert arguments[:1] + arguments[2:] == [
        "run", "--num_processes=3", f"--process_id={index}", "--gin_file=a.gin", "--gin.WORKDIR='/tmp/a b'",
    ]
  (address,) = {arguments[1] for arguments in given}
  assert address.startswith("--coordinator_address=localhost:")
  share = max(1, len(os.sched_getaffinity(0)) // 3)
  assert {(tmp_path / f"devices-{index}").read_text() for index in range(3)} == {f"{share}\n"}


def test_the_exit_code_is_that_of_the_first_process_that_fails_and_the_others_report_why_they_stop(start):
  script = start("fail", "stop")
  stdout, _ = script.communicate(timeout=60)
  assert script.returncode == 3
  assert sorted(stdout.splitlines()) == [
      "[process 0] next-jax: out of memory", "[process 1] process 0 failed: out of memory",
  ]


def test_processes_that_do_not_stop_after_a_failure_are_killed(start, tmp_path):
  script = start("die", "hang")
  stdout, _ = script.communicate(timeout=60)
  assert script.returncode == 128 + signal.SIGKILL
  assert "[process 1] hangs\n" in stdout
  assert not is_running(int((tmp_path / "pid-1").read_text()))


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_all_processes(start, tmp_path, number, code):
  script = start("hang", "hang")
  assert {script.stdout.readline(), script.stdout.readline()} == {"[process 0] hangs\n", "[process 1] hangs\n"}
  script.send_signal(number)
  script.communicate(timeout=60)
  assert script.returncode == code
  pids = [int(path.read_text()) for path in tmp_path.glob("pid-*")]
  assert not any(map(is_running, pids))


@pytest.mark.parametrize("arguments", [[], ["2"], ["0", "--"], ["two", "--"], ["2", "--gin_file=a.gin"]])
def test_wrong_arguments_print_the_usage(arguments):
  done = subprocess.run([str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
  assert done.returncode == 2
  assert done.stderr.startswith("usage: launch/local_pod.sh N -- ARGUMENTS OF next-jax run; found:")


def test_shellcheck_passes():
  shellcheck = shutil.which("shellcheck")
  if shellcheck is None:
    pytest.skip("shellcheck is not installed")
  subprocess.run([shellcheck, "--external-sources", str(SCRIPT)], check=True, cwd=ROOT)


def small_run(workdir, command, devices):
  """One iteration of the loop on a few tasks with the shipped network; prints and ends as the command does."""
  bindings = {"WORKDIR": repr(str(workdir)), "ITERATIONS": 1, "NUM_SAMPLES": 2, "NUM_TRAIN": 24, "NUM_DEV": 6}
  bindings |= {"NUM_UNSEEN": 4, "EVAL_SAMPLES": 2, "NativeEngine.sample_batch_size": 16}
  arguments = ["--gin_file=gin_configs/smoke.gin", *(f"--gin.{name}={value}" for name, value in bindings.items())]
  bin_directory = pathlib.Path(sys.executable).parent
  environment = {
      **os.environ, "PATH": f"{bin_directory}:{os.environ['PATH']}", "JAX_NUM_CPU_DEVICES": str(devices),
      "JAX_PLATFORMS": "cpu",
  }
  done = subprocess.run(
      [*command, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
  )
  assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
  return done.stdout


def without_log_probabilities(path):
  """Records of a JSONL file, log-probabilities rounded: their last digits depend on how the batch is split."""
  records = [json.loads(line) for line in path.read_text().splitlines()]
  for record in records:
    if "log_probability" in record:
      record["log_probability"] = round(record["log_probability"], 2)
  return records


@pytest.mark.slow
def test_two_processes_with_a_device_each_are_one_with_two(tmp_path):
  small_run(tmp_path / "alone", ["next-jax", "run"], devices=2)
  said = small_run(tmp_path / "pod", [str(SCRIPT), "2", "--"], devices=1)
  assert "[process 0] [best]" in said and "[process 1] [" not in said.replace("[process 1] [Gloo]", "")
  names = sorted(str(path.relative_to(tmp_path / "alone")) for path in (tmp_path / "alone").rglob("*.json*"))
  assert names == sorted(str(path.relative_to(tmp_path / "pod")) for path in (tmp_path / "pod").rglob("*.json*"))
  compared = [name for name in names if not name.endswith(("run.json", "timing.json", "best.json"))]
  assert {"iteration_01/filter/kept.jsonl", "iteration_01/evaluate/dev/metrics.json"} <= set(compared)
  for name in compared:
    expected, found = tmp_path / "alone" / name, tmp_path / "pod" / name
    if name.endswith("samples.jsonl"):
      assert without_log_probabilities(found) == without_log_probabilities(expected), name
    elif "_METADATA" not in name and "/state/" not in name:
      assert found.read_bytes() == expected.read_bytes(), name
  (facts,) = [json.loads((tmp_path / "pod/run.json").read_text())["devices"]]
  assert (facts["processes"], facts["count"]) == (2, 2)
