"""Runs programs from a process that can be another user's: `python confined_run.py ROOT DIRECTORY`.

Reads {"programs", "layers", "limits"} from standard input, and writes the results to standard output.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT, DIRECTORY = sys.argv[1:]
sys.path[0] = ROOT

from next_jax.execution import executor as executor_lib  # noqa: E402  (behind the path that this process gets)
from next_jax.execution import limits as limits_lib  # noqa: E402  (behind the path that this process gets)
from next_jax.execution import program as program_lib  # noqa: E402  (behind the path that this process gets)

TEST = "assert f([3, 1, 2]) == [1, 2, 3]"

SETUP = """
VICTIMS, VICTIM = {victims!r}, {victim}

def PARENTS():
  import os
  numbers = [os.getppid()]
  for number in numbers:
    try: parent = int(open(f'/proc/{{number}}/stat').read().rpartition(')')[2].split()[1])
    except OSError: break
    if parent > 1 and len(numbers) < 4: numbers.append(parent)
  return numbers

def libc(name, *arguments):
  import ctypes
  arguments = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
  return getattr(ctypes.CDLL(None), name)(*arguments)
"""


def victims(name):
  path = pathlib.Path(DIRECTORY) / "victims" / name
  (path / "sub").mkdir(parents=True)
  (path / "secret").write_text("the token")
  (path / "other").write_text("other")
  (path / "imported.py").write_text("token = 1\n")
  return path


def state(path):
  found = []
  for below in sorted(path.rglob("*")):
    status = below.lstat()
    content = below.read_bytes() if below.is_file() else None
    found.append((str(below), status.st_mode, status.st_mtime_ns, status.st_uid, content))
  return found


def processes():
  """process number -> state, of the processes that work in DIRECTORY, as all processes of an executor do."""
  found = {}
  for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
      if os.readlink(f"/proc/{pid}/cwd").startswith(DIRECTORY):
        found[pid] = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
      continue
  return found


def main():
  job = json.load(sys.stdin)
  work = os.path.join(DIRECTORY, "work")
  os.mkdir(work)
  tempfile.tempdir = work
  programs, damaged, victim_processes, states = [], [], {}, {}
  for name, code in job["programs"].items():
    path = victims(name)
    states[name] = state(path)
    victim = 0
    if "VICTIM" in code.replace("VICTIMS", ""):
      victim_processes[name] = subprocess.Popen(["sleep", "1000"], cwd="/")
      victim = victim_processes[name].pid
    programs.append(
        program_lib.Program(
            task_id=name,
            code=code,
            setup_code=SETUP.format(victims=str(path), victim=victim),
            entry_point="f",
            tests=(TEST,),
        )
    )
  limits = limits_lib.Limits(**job["limits"])
  with executor_lib.Executor(num_workers=2, limits=limits, layers=job["layers"]) as executor:
    confinement = executor.confinement()
    verdicts = [verdict.to_json() for verdict in executor.verify(programs)]
    worked = processes()
  for name, before in states.items():
    if state(pathlib.Path(DIRECTORY) / "victims" / name) != before:
      damaged.append(name)
  for name, process in victim_processes.items():
    is_sleeping = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    if process.poll() is not None or not is_sleeping:
      damaged.append(name)
    process.kill()
    process.wait()
  result = {
      "confinement": confinement.to_json(),
      "verdicts": verdicts,
      "damaged": damaged,
      "worked": worked,
      "processes_left": processes(),
      "files_left": os.listdir(work),
      "has_numpy": importlib.util.find_spec("numpy") is not None,
  }
  json.dump(result, sys.stdout)


main()
