"""A small process that forks a child for every program, and afterwards leaves nothing of it.

It is started by exec with an empty environment, runs no program itself, and holds neither tests nor
anything else of value; what a child inherits is an interpreter with common modules loaded.

Requests on the control socket are one byte: "F" (with the child's channel attached), "L" (look) and
"E" (end). Each but "F" is answered by one `REPLY`: wait status or RUNNING, number of processes, how many
of them are running or would if they had a core, CPU seconds.
"""

import collections
import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
import time

REPLY = struct.Struct("<iiid")
RUNNING = -1
FORK_FAILED = -2
NOT_CLEAN = -3
IN_NAMESPACE, IN_NO_NAMESPACE = b"N", b"P"  # sent once, when programs can be forked

PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What MBPP's programs import, so that not every child has to do it again.
_PRELOADED = (
    "array", "bisect", "cmath", "collections", "copy", "datetime", "functools", "heapq", "itertools", "math",
    "operator", "random", "re", "string", "typing",
)  # fmt: skip

_SECONDS_TO_CLEAN = 10.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def python(module: str, inherited: int, settings: dict) -> list[str]:
  """The command line for `main` of a module of this package, in a bare interpreter.

  inherited: a socket that `main` is given.
  settings: "directory" (for scratch directories), "packages" (what programs may import from besides
    the standard library), "preload" (modules), "lifeline" (a descriptor that closes when the last
    process is gone), "namespaces" (whether to try for one) and the numbers of Limits.
  """
  # -P -s -S: nothing comes from the working directory, the user's or the site's packages. Not -I,
  # which would ignore PYTHONHASHSEED too: verdicts must not depend on the order of sets.
  start = (
      "import sys; sys.path.insert(0, sys.argv[1]);"
      f" from next_jax.execution import {module}; {module}.main(int(sys.argv[2]), sys.argv[3])"
  )
  arguments = [PACKAGE_ROOT, str(inherited), json.dumps(settings)]
  return [sys.executable, "-B", "-P", "-s", "-S", "-c", start, *arguments]


def environment() -> dict[str, str]:
  """All that a program sees of the environment: nothing of the user's."""
  # One thread for numerical libraries: each of their threads takes 40 MB of address space.
  return {
      "PATH": "/usr/local/bin:/usr/bin:/bin",
      "LANG": "C.UTF-8",
      "PYTHONHASHSEED": "0",
      "OPENBLAS_NUM_THREADS": "1",
      "OMP_NUM_THREADS": "1",
      "MKL_NUM_THREADS": "1",
  }


def main(control: int, settings_json: str) -> None:
  settings = json.loads(settings_json)
  if sys.platform == "linux" and "namespace" not in settings:
    _stand_apart(control, settings)
  for name in _PRELOADED:
    __import__(name)
  for name in settings["preload"]:
    __import__(name, fromlist=["*"])
  from next_jax.execution import child

  if not settings["preload"]:
    sys.path.remove(PACKAGE_ROOT)
  sys.path += settings["packages"]
  _limit(settings)
  gc.collect()
  gc.freeze()  # so that a collection in a child does not touch, and so copy, the pages it shares
  _Zygote(control, settings, child).serve()


def _stand_apart(control, settings):
  """Sees to it that all which programs start is ours to kill, and executes this module again.

  Where the kernel permits it, that is a process namespace of which the zygote is the first process:
  programs can neither see nor signal anything outside of it, and none can leave it. Elsewhere the
  zygote becomes the parent of orphans, which at least lets it find them. It is executed again
  because both survive that, while ctypes would stay in memory and be copied by every fork.
  """
  import ctypes

  new_user, new_pid = 0x10000000, 0x20000000
  pr_set_pdeathsig, pr_set_child_subreaper = 1, 36
  libc = ctypes.CDLL(None, use_errno=True)
  user, group = os.geteuid(), os.getegid()
  settings["namespace"] = settings["namespaces"] and libc.unshare(new_pid if user == 0 else new_pid | new_user) == 0
  if settings["namespace"]:
    if user != 0:
      for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
          file.write(text)
    first = os.fork()
    if first:  # stays outside, as the process that the judge started and waits for
      os.close(control)
      os.waitpid(first, 0)
      os._exit(0)
    result = libc.prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
  else:
    result = libc.prctl(pr_set_child_subreaper, 1, 0, 0, 0)
  if result != 0:
    raise OSError(ctypes.get_errno(), "prctl")
  arguments = python("zygote", control, settings)
  os.execve(arguments[0], arguments, environment())


def _limit(settings):
  """Limits that the children inherit; the CPU time is set in each, since it counts from its start."""
  _set_limit(resource.RLIMIT_AS, settings["memory_bytes"])
  _set_limit(resource.RLIMIT_FSIZE, settings["file_bytes"])
  _set_limit(resource.RLIMIT_NOFILE, settings["max_files"])
  _set_limit(resource.RLIMIT_CORE, 0)
  if sys.platform == "linux":
    # Counted over all processes of the user, so others' must fit in as well.
    _set_limit(resource.RLIMIT_NPROC, _count_threads_of_user() + settings["max_processes"])
    # Deep recursion of honest programs; the kernel counts the main thread's stack as it grows.
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = 64 << 20
    if hard == resource.RLIM_INFINITY or hard >= wanted:
      resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def _set_limit(kind, value):
  _, hard = resource.getrlimit(kind)
  if hard != resource.RLIM_INFINITY:
    value = min(value, hard)
  try:
    resource.setrlimit(kind, (value, value))
  except (ValueError, OSError):
    if sys.platform == "linux":
      raise
    # macOS does not let RLIMIT_AS be lowered; there the CPU limit alone ends a memory bomb.


class _Zygote:

  def __init__(self, control, settings, child):
    self._control = socket.socket(fileno=control)
    self._settings = settings
    self._child_module = child
    self._child = None
    self._fork_error = False
    self._status = RUNNING
    self._cpu_seconds = 0.0
    self._directory = os.path.join(settings["directory"], "program")

  def serve(self):
    self._control.sendall(IN_NAMESPACE if self._settings.get("namespace") else IN_NO_NAMESPACE)
    try:
      while True:
        request, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if request == b"F":
          self._fork(descriptors[0])
        elif request == b"L":
          processes = _descendants()
          runnable = sum(process.is_runnable for process in processes)
          cpu_seconds = sum(process.cpu_seconds for process in processes)
          self._reply(self._look(), len(processes), runnable, cpu_seconds)
        elif request == b"E":
          self._end()
        else:  # the judge is gone
          return
    finally:
      if self._child is not None:
        self._kill()

  def _fork(self, channel):
    self._fork_error, self._status, self._cpu_seconds = False, RUNNING, 0.0
    try:
      os.mkdir(self._directory, 0o700)
    except FileExistsError:
      _remove(self._directory)
      os.mkdir(self._directory, 0o700)
    try:
      self._child = os.fork()
    except OSError:
      self._fork_error = True
    if self._child == 0:
      try:
        self._control.close()
        random = sys.modules["random"]
        random.seed(0)  # verdicts are reproducible, also of programs that draw
        self._child_module.run(channel, cpu_seconds=self._settings["cpu_seconds"], directory=self._directory)
      finally:
        os._exit(1)
    os.close(channel)

  def _look(self):
    """Wait status of the child, or RUNNING; leaves it a zombie, so its number stays its own."""
    if self._child is None or not hasattr(os, "waitid"):
      return RUNNING
    state = os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return RUNNING if state is None else state.si_status

  def _end(self):
    if self._fork_error:
      self._reply(FORK_FAILED)
      return
    clean = self._kill()
    self._reply(self._status if clean else NOT_CLEAN, cpu_seconds=self._cpu_seconds)

  def _kill(self):
    child, self._child = self._child, None
    # Its group at once: fork() in a group that is being killed fails, so no bomb escapes.
    for kill in (os.killpg, os.kill):
      try:
        kill(child, signal.SIGKILL)
      except (ProcessLookupError, PermissionError):
        pass  # PermissionError is macOS's answer for a zombie
    _, self._status, usage = os.wait4(child, 0)
    self._cpu_seconds = usage.ru_utime + usage.ru_stime
    clean = self._kill_orphans()
    try:
      os.rmdir(self._directory)
    except OSError:
      _remove(self._directory)
    return clean

  def _kill_orphans(self):
    """Kills what left the group (setsid, double fork); on Linux all of it is below us."""
    deadline = time.monotonic() + _SECONDS_TO_CLEAN
    while True:
      try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
      except ChildProcessError:
        return True
      if pid:
        continue
      if time.monotonic() > deadline:
        return False
      # In a namespace -1 is all in it but ourselves, at once. Elsewhere all are stopped before any
      # is killed, or one would fork while another dies.
      targets = [-1] if self._settings.get("namespace") else [process.pid for process in _descendants()]
      for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in targets:
          try:
            os.kill(pid, number)
          except ProcessLookupError:
            pass
      time.sleep(0.001)

  def _reply(self, status, processes=0, runnable=0, cpu_seconds=0.0):
    self._control.sendall(REPLY.pack(status, processes, runnable, cpu_seconds))


_Process = collections.namedtuple("_Process", "pid parent threads is_runnable cpu_seconds")


def _processes():
  """Yields all processes that /proc shows."""
  for name in os.listdir("/proc"):
    if name.isdigit():
      try:
        with open(f"/proc/{name}/stat", "rb") as file:
          state, parent, *fields = file.read().rpartition(b")")[2].split()
        ticks = sum(map(int, fields[9:13]))  # its own, and of children that it has waited for
        yield _Process(int(name), int(parent), int(fields[15]), state in (b"R", b"D"), ticks / _CLOCK_TICKS)
      except (FileNotFoundError, ProcessLookupError, ValueError):
        continue


def _descendants():
  """Processes below this one, nearest first; none where there is no /proc."""
  if sys.platform != "linux":
    return []
  children = {}
  for process in _processes():
    children.setdefault(process.parent, []).append(process)
  # Our number as /proc shows it, which is not getpid() in a namespace.
  found = list(children.get(int(os.readlink("/proc/self")), ()))
  for process in found:
    found.extend(children.get(process.pid, ()))
  return found


def _count_threads_of_user():
  count = 0
  for process in _processes():
    try:
      if os.stat(f"/proc/{process.pid}").st_uid == os.getuid():
        count += process.threads
    except FileNotFoundError:
      continue
  return count


def _remove(directory):
  import shutil
  import subprocess

  shutil.rmtree(directory, ignore_errors=True)
  if os.path.lexists(directory):
    # Left over: directories without permissions, or nested deeper than Python recurses.
    subprocess.run(["chmod", "-R", "u+rwx", directory], check=False)
    subprocess.run(["rm", "-rf", directory], check=True)
