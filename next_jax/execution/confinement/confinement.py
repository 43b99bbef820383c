"""Keeps programs from the rest of the machine by four layers, besides limits; each is used where it exists.

    privileges   no capabilities, and no way to gain any (setuid files have no effect)
    namespaces   programs neither see nor signal processes outside, and have neither network nor shared memory
    landlock     they read the interpreter and its packages, write to their scratch directory, and no other files
    seccomp      they make only the system calls that programs need

A worker applies them to itself before it forks the first program, so they cost a program nothing.
"""

from collections.abc import Collection
import dataclasses
import os
import signal
import struct
import sys
import sysconfig
from typing import ClassVar

from next_jax import schema

LAYERS = ("privileges", "namespaces", "landlock", "seccomp")

_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_NAMESPACES = _NEW_IPC | _NEW_PID | _NEW_NET
_MOST_FILES = 10000
# Without it, root could not even run an interpreter in a user's private directory.
_READ_ALL_FILES = 1 << 2
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_SYSTEM_FILES = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confinement(schema.Record):
  """The layers that programs run in.

  Attributes:
    layers: Layers in force.
    missing: (layer, reason) of each layer that is missing.
  """

  record_name: ClassVar[str] = "confinement"
  layers: tuple[str, ...]
  missing: tuple[tuple[str, str], ...] = ()

  def __str__(self):
    if not self.missing:
      return f"programs are confined by {', '.join(self.layers)} and limits"
    rest = ", ".join((*self.layers, "limits and processes of their own"))
    missing = "; ".join(f"{layer} ({why})" for layer, why in self.missing)
    return f"programs are confined by {rest} only. Missing: {missing}"


def of_workers(missing: Collection[dict[str, str]]) -> Confinement:
  """The layers of several workers; a layer counts only if all of them have it.

  Args:
    missing: Layers that each worker lacks (layer -> reason).
  """
  reasons: dict[str, str] = {}
  for worker in missing:
    reasons = {**worker, **reasons}
  return Confinement(
      layers=tuple(layer for layer in LAYERS if layer not in reasons),
      missing=tuple((layer, reasons[layer]) for layer in LAYERS if layer in reasons),
  )


def enter_namespaces(scratch: str, scratch_bytes: int) -> str:
  """Makes the next child of this process the first of its namespaces; returns why it could not, or "".

  Where the kernel permits mounts, `scratch` becomes a directory in memory that holds at most `scratch_bytes`.
  """
  # Root needs no user namespace, except in some containers.
  users = (0, _NEW_USER) if os.geteuid() == 0 else (_NEW_USER,)
  for mounts in (_NEW_MOUNTS, 0):
    for user in users:
      flags = _NAMESPACES | mounts | user
      # In a throw-away process first: what fails half-way cannot be undone.
      trial = os.fork()
      if not trial:
        try:
          _unshare(flags, scratch, scratch_bytes)
          first = os.fork()
          if first:
            os.waitpid(first, 0)
          os._exit(0)
        except OSError as error:
          os._exit((error.errno or 0) & 0xFF)
        finally:
          os._exit(1)
      _, status = os.waitpid(trial, 0)
      if status == 0:
        _unshare(flags, scratch, scratch_bytes)
        return ""
  return f"the kernel refuses: {os.strerror(os.waitstatus_to_exitcode(status))}"


def _unshare(flags, scratch, scratch_bytes):
  from next_jax.execution.confinement import kernel

  user, group = os.geteuid(), os.getegid()
  kernel.unshare(flags)
  if flags & _NEW_USER:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
      with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
  if flags & _NEW_MOUNTS:
    kernel.mount(None, "/", kernel.MS_REC | kernel.MS_PRIVATE)  # so that nobody else sees the next mount
    options = f"size={scratch_bytes},nr_inodes={_MOST_FILES},mode=700"
    kernel.mount("tmpfs", scratch, kernel.MS_NOSUID | kernel.MS_NODEV, options)


def die_with_parent(parent: int) -> None:
  """Has the kernel kill this process when its parent dies.

  parent: Number that `os.getppid` gives while the parent lives.
  """
  from next_jax.execution.confinement import kernel

  kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
  if os.getppid() != parent:
    os._exit(1)


def adopt_orphans() -> None:
  """Makes this process the parent of all processes below it that lose theirs. Raises OSError."""
  from next_jax.execution.confinement import kernel

  kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def close_memory() -> None:
  """Keeps this user's other processes from reading this one's memory. Does not survive exec."""
  if sys.platform == "linux":
    from next_jax.execution.confinement import kernel

    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def apply(layers: Collection[str], *, readable: list[str], scratch: str, signals: bool) -> dict:
  """Applies privileges, landlock and seccomp to this process, for good; returns missing layer -> reason.

  Args:
    layers: Layers to apply.
    readable: Paths that programs can read besides the interpreter and the system's libraries.
    scratch: Directory below which programs can write.
    signals: Whether programs may send signals to any process that they can name.
  """
  steps = {
      "privileges": _drop_privileges,
      "landlock": lambda: _restrict_files(readable, scratch),
      "seccomp": lambda: _restrict_calls(signals),
  }
  missing = {}
  for layer, step in steps.items():
    if layer not in layers:
      missing[layer] = "switched off"
      continue
    try:
      reason = step()
    except (OSError, NotImplementedError) as error:
      reason = f"the kernel refuses: {error}"
    if reason:
      missing[layer] = reason
  return missing


def _drop_privileges():
  from next_jax.execution.confinement import kernel

  kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
  machine = os.uname().machine
  if machine not in _CAPSET:
    return f"there is no table of system calls for {machine}"
  kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
  kept = _permitted_capabilities() & _READ_ALL_FILES
  header = struct.pack("=II", _CAPABILITY_VERSION, 0)
  # Effective, permitted and inheritable sets, of the lower and the upper 32. No exec brings any back.
  kernel.system_call(_CAPSET[machine], header, struct.pack("=6I", kept, kept, 0, 0, 0, 0))
  return ""


def _permitted_capabilities():
  with open("/proc/self/status") as file:
    return next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))


def _restrict_files(readable, scratch):
  from next_jax.execution.confinement import landlock

  found = landlock.restrict(_with_interpreter(readable), list(_DEVICES), [scratch])
  if found < landlock.COMPLETE_SINCE:
    return f"version {found} does not keep files from being cut off; {landlock.COMPLETE_SINCE} does (Linux 6.2)"
  return ""


def _with_interpreter(readable):
  paths = [*readable, *_SYSTEM_FILES, sys.executable]
  for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix):
    paths += [os.path.join(prefix, name) for name in ("bin", "lib", "lib64", "pyvenv.cfg")]
  paths += [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
  # Looking a path up below a permitted one follows no links, so both ends of a link are permitted.
  return list(dict.fromkeys([*paths, *map(os.path.realpath, paths)]))


def _restrict_calls(signals):
  from next_jax.execution.confinement import seccomp

  seccomp.install(signals=signals)
  return ""
