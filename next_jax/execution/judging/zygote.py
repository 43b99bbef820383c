"""A small process that forks a child for every program, and afterwards removes all that the program left.

It is started by exec with an empty environment, confines itself (see confinement.py) and runs no program.
It holds neither tests nor anything else of value. A child inherits the confinement, and an interpreter
with common modules loaded.

On the control socket it first describes itself in one message of wire.py. Each request is one byte:
    "F" (fork), with the child's channel attached; the answer is the child's process number or FORK_FAILED (`PID`)
    "L" (look) and "E" (end); the answer is one `REPLY`: wait status, RUNNING, REMAINING or NOT_CLEAN, and CPU seconds
"""

import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
import time

from next_jax.execution.judging import scratch
from next_jax.execution.judging import wire

PID = struct.Struct("<i")
REPLY = struct.Struct("<id")
RUNNING = -1
FORK_FAILED = -2
NOT_CLEAN = -3
REMAINING = -4  # processes remain; the judge has to kill them and ask again

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # next_jax itself

# What MBPP's programs import; loaded once, so that children need not load it again.
_PRELOADED = (
    "array", "bisect", "cmath", "collections", "copy", "datetime", "functools", "heapq", "itertools", "math",
    "operator", "random", "re", "string", "typing",
)

_SECONDS_TO_CLEAN = 10.0


def python(module: str, inherited: int, settings: dict) -> list[str]:
  """The command line that runs `main` of a module of this package in a bare interpreter.

  Args:
    module: Name of the module in `execution.judging`.
    inherited: A socket that `main` is given.
    settings: "directory" (the worker's), "scratch" (inside it, the programs'), "packages" (what programs may import
      from besides the standard library), "preload" (modules), "lifeline" (a descriptor that closes when the last
      process is gone), "layers" (of confinement, to try for) and the numbers of Limits.
  """
  # -P -s -S: nothing is imported from the working directory, the user's or the site's packages. Not -I,
  # which would ignore PYTHONHASHSEED too: verdicts must not depend on the order of sets. This package
  # is found without sys.path, so that its neighbours are not imported and need not be readable.
  start = (
      "import sys; package = sys.modules['next_jax'] = type(sys)('next_jax'); package.__path__ = [sys.argv[1]];"
      f" from next_jax.execution.judging import {module}; {module}.main(int(sys.argv[2]), sys.argv[3])"
  )
  arguments = [_PACKAGE, str(inherited), json.dumps(settings)]
  return [sys.executable, "-B", "-P", "-s", "-S", "-c", start, *arguments]


def environment() -> dict[str, str]:
  """The environment that a program sees; nothing in it is the user's."""
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
  if "missing" not in settings:
    _stand_apart(control, settings)
  _import_random()
  for name in _PRELOADED:
    __import__(name)
  for name in settings["preload"]:
    __import__(name, fromlist=["*"])
  from next_jax.execution.judging import child

  if "landlock" in settings["missing"]:
    from next_jax.execution.confinement import confinement

    confinement.close_memory()
  sys.path += settings["packages"]
  os.chdir(settings["scratch"])
  os.environ["HOME"] = os.environ["TMPDIR"] = settings["scratch"]
  child.rehearse()
  gc.collect()
  gc.freeze()  # so that a collection in a child does not touch, and so copy, the pages it shares
  _Zygote(control, settings, child).serve()


def _import_random():
  """Imports `random` with one seed for all programs, so that verdicts on those that draw are reproducible."""
  # It would draw another seed in every forked process, which is a tenth of what a fork costs.
  register, os.register_at_fork = os.register_at_fork, lambda **handlers: None
  try:
    import random
  finally:
    os.register_at_fork = register
  random.seed(0)


def _stand_apart(control, settings):
  """Confines what programs start, makes sure that all of it can be killed, and executes this module again.

  Where the kernel permits it, the zygote becomes the first process of a process namespace: programs
  can neither see nor signal anything outside of it, and none can leave it. Elsewhere the zygote
  becomes the parent of orphans, so that they can at least be found. This process stays outside, to
  end what the zygote leaves. The confinement survives executing the module again; ctypes and other
  modules that it needed do not, and would otherwise stay in memory and be copied by every fork.
  """
  from next_jax.execution.confinement import confinement

  if sys.platform != "linux":
    settings["missing"] = {layer: f"{sys.platform} has none of the kind" for layer in confinement.LAYERS}
    settings["pid"] = os.getpid()
    _limit(settings, others=0)
    return
  from next_jax.execution.judging import processes

  reason = "switched off"
  if "namespaces" in settings["layers"]:
    reason = confinement.enter_namespaces(settings["scratch"], settings["scratch_bytes"])
  if reason:
    confinement.adopt_orphans()
  outside = os.getpid()
  first = os.fork()
  if first:
    os.close(control)
    os.waitpid(first, 0)
    if reason:
      _kill_all_below(outside)
    os._exit(0)
  confinement.die_with_parent(outside if reason else 0)
  if reason:
    confinement.adopt_orphans()
  settings["pid"] = int(os.readlink("/proc/self"))  # as those outside know it
  _limit(settings, others=processes.count_threads_of_user())
  missing = confinement.apply(
      settings["layers"],
      readable=[_PACKAGE, *settings["packages"]],
      scratch=settings["scratch"],
      signals=not reason,
  )
  settings["missing"] = {"namespaces": reason, **missing} if reason else missing
  arguments = python("zygote", control, settings)
  os.execve(arguments[0], arguments, environment())


def _kill_all_below(pid):
  from next_jax.execution.judging import processes

  deadline = time.monotonic() + _SECONDS_TO_CLEAN
  while time.monotonic() < deadline:
    processes.kill(processes.descendants(pid))
    try:
      while os.waitpid(-1, os.WNOHANG)[0]:
        pass
    except ChildProcessError:
      return
    time.sleep(0.001)


def _limit(settings, others):
  """Sets limits that the children inherit. CPU time is limited in each child, because it counts from its start.

  others: Number of threads that the user already has; the limit counts those too.
  """
  _set_limit(resource.RLIMIT_AS, settings["memory_bytes"])
  _set_limit(resource.RLIMIT_FSIZE, settings["file_bytes"])
  _set_limit(resource.RLIMIT_NOFILE, settings["max_files"])
  _set_limit(resource.RLIMIT_CORE, 0)
  if sys.platform == "linux":
    _set_limit(resource.RLIMIT_NPROC, others + settings["max_processes"])
    # For the deep recursion of honest programs; the kernel counts the main thread's stack as it grows.
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
    self._about = {"pid": settings["pid"], "missing": settings["missing"]}
    self._is_first_of_namespace = "namespaces" not in settings["missing"]
    self._cpu_seconds_allowed = settings["cpu_seconds"]
    self._scratch = settings["scratch"]
    self._directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    self._child_module = child
    self._child = None  # until it is waited for
    self._status, self._cpu_seconds = RUNNING, 0.0

  def serve(self):
    self._control.sendall(wire.frame(json.dumps(self._about).encode()))
    while True:
      request, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
      if request == b"F":
        self._fork(descriptors[0])
      elif request == b"L":
        self._reply(self._look())
      elif request == b"E":
        self._end()
      else:  # the judge is gone; whoever waits for us ends what is left
        return

  def _fork(self, channel):
    try:
      self._child = os.fork()
    except OSError:
      self._child, self._status = None, FORK_FAILED
    if self._child == 0:
      try:
        self._control.close()
        self._child_module.run(channel, cpu_seconds=self._cpu_seconds_allowed)
      finally:
        os._exit(1)
    os.close(channel)
    self._control.sendall(PID.pack(FORK_FAILED if self._child is None else self._child))

  def _look(self):
    """Wait status of the child, or RUNNING; leaves it a zombie, so that its process number stays its own."""
    if self._child is None or not hasattr(os, "waitid"):
      return RUNNING
    state = os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return RUNNING if state is None else state.si_status

  def _end(self):
    """Waits for all processes of the program. In a namespace it kills them; elsewhere the judge has done so."""
    deadline = time.monotonic() + _SECONDS_TO_CLEAN
    self._kill_all()
    if self._child is not None:
      _, self._status, usage = os.wait4(self._child, 0)
      self._cpu_seconds = usage.ru_utime + usage.ru_stime
      self._child = None
    while True:
      try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
      except ChildProcessError:
        break
      if pid:
        continue
      if not self._is_first_of_namespace:
        return self._reply(REMAINING)
      if time.monotonic() > deadline:
        return self._reply(NOT_CLEAN)
      self._kill_all()
      time.sleep(0.001)
    scratch.empty(self._directory)
    if not os.fstat(self._directory).st_nlink:
      self._make_directory()
    self._reply(self._status, self._cpu_seconds)

  def _make_directory(self):
    """Makes the scratch directory again, after a program that Landlock did not restrict has removed it."""
    os.mkdir(self._scratch, 0o700)
    os.close(self._directory)
    self._directory = os.open(self._scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    os.fchdir(self._directory)

  def _kill_all(self):
    if self._is_first_of_namespace:
      try:
        os.kill(-1, signal.SIGKILL)  # all in the namespace but ourselves, at once
      except ProcessLookupError:
        pass

  def _reply(self, status, cpu_seconds=0.0):
    self._control.sendall(REPLY.pack(status, cpu_seconds))
