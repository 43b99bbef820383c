#!/usr/bin/env python3
"""Stands in for `gcloud` in the tests of launch/tpu_run.sh: plays Cloud TPU on this machine.

It lives in the directory `$STAND_IN`: `play.json` holds the scenario, `calls.jsonl` the arguments of every call,
`resource.json` the queued resource while there is one, and `workers/N` is the home of worker N. Files for a worker are
copied there, and commands for a worker run there, with `bash -c` as sshd would run them. So the tests see what the
commands do, not only what they are. Flags that gcloud 528.0.0 does not know are refused.

`play.json`, all optional:
  workers: Number of workers in the slice.
  creations: For each creation, the states that successive `describe` calls show; the last state stays.
  create_error, describe_error: Error message of that call, which then does nothing else.
  failed_message: Message of a resource that is FAILED.
  preempt: Connections that run `next-jax`, counted from 0, that end with a preemption once every worker is half way.
  after_preemption: States of the resource after that; without any, the resource is gone.
  initiator: Who suspended the resource, as `describe` shows it.
  node_after_preemption: State of the node after a preemption.
  late_worker: Worker that connections that run `next-jax` reach only after the first attempt to stop it.
  broken: Connections that run `next-jax` that break once, as soon as every worker is half way.
  report: Whether the bucket has a report.
"""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(os.environ["STAND_IN"])
WIDE = {"--project", "--quiet", "--format"}
FLAGS = {
    ("compute", "tpus", "queued-resources", "create"): {
        "--zone", "--node-id", "--accelerator-type", "--runtime-version", "--spot", "--reserved", "--guaranteed",
        "--async", "--network", "--subnetwork", "--internal-ips", "--labels", "--service-account", "--scopes",
        "--tags", "--metadata", "--description", "--valid-until-duration", "--valid-until-time",
    },
    ("compute", "tpus", "queued-resources", "describe"): {"--zone"},
    ("compute", "tpus", "queued-resources", "delete"): {"--zone", "--force", "--async"},
    ("compute", "tpus", "tpu-vm", "describe"): {"--zone"},
    ("compute", "tpus", "tpu-vm", "ssh"): {"--zone", "--worker", "--command", "--ssh-flag", "--internal-ip"},
    ("compute", "tpus", "tpu-vm", "scp"): {"--zone", "--worker", "--recurse", "--scp-flag", "--internal-ip"},
    ("storage", "cp"): {"--recursive"},
}


def main(argv):
  with open(HERE / "calls.jsonl", "a") as calls:
    fcntl.flock(calls, fcntl.LOCK_EX)
    calls.write(json.dumps(argv) + "\n")
  for command, known in FLAGS.items():
    if tuple(argv[:len(command)]) == command:
      words = [word for word in argv[len(command):] if not word.startswith("--")]
      flags = dict(word.partition("=")[::2] for word in argv[len(command):] if word.startswith("--"))
      unknown = sorted(set(flags) - known - WIDE)
      if unknown:
        error(2, f"({'.'.join(('gcloud', *command))}) unrecognized arguments: {' '.join(unknown)}")
      return globals()["_".join(command[-2:]).replace("-", "_")](words, flags)
  error(2, f"(gcloud) Invalid choice: '{' '.join(argv[:4])}'.")


def queued_resources_create(words, flags):
  if play("create_error"):
    error(1, "(gcloud.compute.tpus.queued-resources.create) " + play("create_error"))
  if resource() is not None:
    error(1, f"(gcloud.compute.tpus.queued-resources.create) ALREADY_EXISTS: Resource '{words[0]}' already exists")
  number = count("creations")
  creations = play("creations", [["ACCEPTED", "PROVISIONING", "ACTIVE"]])
  save({"states": creations[min(number, len(creations) - 1)], "node": "READY"})
  for worker in range(play("workers", 2)):
    home(worker).mkdir(parents=True)
  say(f"Created queued resource [{words[0]}].")


def queued_resources_describe(words, flags):
  if play("describe_error"):
    error(1, "(gcloud.compute.tpus.queued-resources.describe) " + play("describe_error"))
  found = resource()
  if found is None:
    error(1, f"(gcloud.compute.tpus.queued-resources.describe) NOT_FOUND: Resource '{words[0]}' was not found")
  if flags["--format"] == "value(state.failedData.error.message)":
    print(play("failed_message"))
  elif flags["--format"] == "value(state.stateInitiator)":
    print(play("initiator", "SERVICE"))
  elif flags["--format"] == "value(state.state)":
    print(found["states"][0])
    if len(found["states"]) > 1:
      save({**found, "states": found["states"][1:]})
  else:
    error(2, f"the stand-in does not know {flags['--format']}")


def queued_resources_delete(words, flags):
  if resource() is None:
    error(1, f"(gcloud.compute.tpus.queued-resources.delete) NOT_FOUND: Resource '{words[0]}' was not found")
  if "--force" not in flags and resource()["states"][0] not in ("ACCEPTED", "FAILED", "SUSPENDED"):
    error(1, "(gcloud.compute.tpus.queued-resources.delete) FAILED_PRECONDITION: it has nodes")
  if "--quiet" not in flags:
    error(1, "(gcloud.compute.tpus.queued-resources.delete) it asked, and nobody answered")
  lose_machines()
  (HERE / "resource.json").unlink()


def tpu_vm_describe(words, flags):
  if resource() is None:
    error(1, f"(gcloud.compute.tpus.tpu-vm.describe) NOT_FOUND: Resource '{words[0]}' was not found")
  print(resource()["node"])


def tpu_vm_scp(words, flags):
  source, target = words
  for worker in workers(flags):
    shutil.copy(source, home(worker) / target.partition(":")[2])


def tpu_vm_ssh(words, flags):
  runs = "tpu_worker.sh run" in flags["--command"]
  number = count("runs") if runs else None
  late = play("late_worker") if runs else None
  for attempt in range(10):  # as gcloud does for ssh's own exit code, 255
    connections = [connect(worker, flags["--command"]) for worker in workers(flags) if worker != late]
    if late is not None:
      wait_until((HERE / "count_stops").exists)
      connections.insert(late, connect(late, flags["--command"]))
    if runs and number in play("preempt", []):
      wait_until_half_way()
      preempt()
    if runs and number in play("broken", []) and attempt == 0:
      wait_until_half_way()
      for connection in connections:
        os.killpg(connection.pid, signal.SIGKILL)
      for connection in connections:
        connection.wait()
      say("Retrying: SSH command error: [/usr/bin/ssh] exited with return code [255].")
      continue
    codes = [connection.wait() for connection in connections]
    break
  if "tpu_worker.sh stop" in flags["--command"]:
    count("stops")
  for worker, code in enumerate(codes):
    if code:
      say(f"##### Command execution on worker {worker} failed with exit status {code}. Continuing.")
  sys.exit(next((255 if code < 0 else code for code in codes if code), 0))


def storage_cp(words, flags):
  source, target = words
  if not play("report", True):
    error(1, f"The following URLs matched no objects or files:\n-{source}")
  folder = pathlib.Path(target) / source.rpartition("/")[2]
  folder.mkdir(parents=True, exist_ok=True)
  (folder / "index.html").write_text("the report\n")


def connect(worker, command):
  if not home(worker).is_dir():
    error(1, f"there is no worker {worker}")
  environment = {
      "HOME": os.fspath(home(worker)), "HOSTNAME": f"t1v-n-0123abcd-w-{worker}", "STAND_IN": os.fspath(HERE),
      "PATH": os.pathsep.join([os.fspath(HERE / "image"), "/usr/bin", "/bin"]), "LANG": "C.UTF-8",
      "ENDPOINTS": ",".join(f"unknown:unknown:10.0.0.{number}" for number in range(play("workers", 2))),
  }
  return subprocess.Popen(
      ["bash", "-c", command], cwd=home(worker), env=environment, stdin=subprocess.DEVNULL, process_group=0
  )


def preempt():
  lose_machines()
  if play("after_preemption", ["SUSPENDING", "SUSPENDED"]):
    save({"states": play("after_preemption", ["SUSPENDING", "SUSPENDED"]),
          "node": play("node_after_preemption", "PREEMPTED")})
  else:
    (HERE / "resource.json").unlink()


def lose_machines():
  """Kills what runs on the workers and deletes their disks."""
  for pid in HERE.glob("workers/*/next-jax-run/pid"):
    try:
      os.killpg(int(pid.read_text()), signal.SIGKILL)
    except ProcessLookupError:
      pass
  shutil.rmtree(HERE / "workers", ignore_errors=True)


def wait_until_half_way():
  wait_until(lambda: len(list(HERE.glob("workers/*/half_way"))) == play("workers", 2))


def wait_until(condition):
  while not condition():
    time.sleep(0.02)


def workers(flags):
  return range(play("workers", 2)) if flags["--worker"] == "all" else [int(flags["--worker"])]


def home(worker):
  return HERE / "workers" / str(worker)


def play(key, default=None):
  return json.loads((HERE / "play.json").read_text()).get(key, default)


def resource():
  path = HERE / "resource.json"
  return json.loads(path.read_text()) if path.exists() else None


def save(new):
  (HERE / "resource.json").write_text(json.dumps(new))


def count(name):
  """Number of earlier calls with `name`."""
  path = HERE / f"count_{name}"
  number = int(path.read_text()) if path.exists() else 0
  path.write_text(str(number + 1))
  return number


def say(text):
  print(text, file=sys.stderr, flush=True)


def error(code, text):
  say("ERROR: " + text)
  sys.exit(code)


if __name__ == "__main__":
  main(sys.argv[1:])
