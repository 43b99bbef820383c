"""Seccomp: a filter of system calls, as a classic BPF program; see seccomp(2).

It is installed once per worker and inherited by every program, at no cost to the program. A call that
is not in system_calls.py fails with EPERM, which honest programs take as an answer. Only a process that
calls the kernel as another machine would is killed.
"""

import ctypes
import errno
import os
import struct
import sys

from next_jax.execution.confinement import kernel
from next_jax.execution.confinement import system_calls

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1
_SPECULATION_ALLOWED = 1 << 2  # the mitigation would slow all programs; none shares a process with a secret

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_FROM, _JUMP_ANY, _AND, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 0x06
_KILL, _ERROR, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

# call -> (index of an argument, values that it may have); all other values are refused.
_ARGUMENTS = {
    # Parent's death, dumpable, name, timer slack, no_new_privs, names of memory.
    "prctl": (0, (1, 2, 3, 4, 15, 16, 29, 30, 38, 39, 0x53564D41)),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FICLONE.
    "ioctl": (1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x40049409)),
    # Not F_SETOWN and F_SETSIG, which send signals to others, nor leases.
    "fcntl": (1, (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1033, 1034)),
    # Of this process only.
    "prlimit64": (0, (0,)),
    "sched_setaffinity": (0, (0,)),
    "sched_setscheduler": (0, (0,)),
    "sched_setparam": (0, (0,)),
    "sched_setattr": (0, (0,)),
}
_NEW_NAMESPACES_OR_SIBLINGS = 0x7E028000  # CLONE_NEW* and CLONE_PARENT
_STREAM, _TYPE_BITS = 1, 0xF

# Landlock does not restrict changes of modes and times, so these calls do nothing. They seem to succeed,
# because `shutil.copy` and the like make them on the way.
_WITHOUT_EFFECT = ("chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat")


def install(*, signals: bool) -> None:
  """Installs the filter for good, for this process and all that it starts; needs no_new_privs.

  Args:
    signals: Whether programs may send signals to any process that they can name; else only to their own group.

  Raises OSError, and NotImplementedError on a machine whose calls are not in the table.
  """
  machine = os.uname().machine
  if machine not in system_calls.MACHINES or sys.maxsize < 1 << 32 or sys.byteorder != "little":
    raise NotImplementedError(f"there is no table of system calls for {machine}")
  code = program(machine, signals=signals)
  buffer = ctypes.create_string_buffer(code)
  header = struct.pack("@HP", len(code) // 8, kernel.pointer(buffer))
  kernel.system_call(_SECCOMP[machine], _SET_MODE_FILTER, _SPECULATION_ALLOWED, header)


def program(machine: str, *, signals: bool) -> bytes:
  """The filter as bytes, 8 per instruction."""
  free, ruled = system_calls.numbers(machine)
  lines = [
      (_LOAD, 0, 0, _ARCHITECTURE_AT),
      (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
      (_RETURN, 0, 0, _KILL),
      (_LOAD, 0, 0, _NUMBER_AT),
  ]
  for name, number in ruled.items():
    rule = _rule(name, signals)
    lines += [(_JUMP_EQUAL, 0, len(rule), number), *rule]
  for first, last in _ranges(free.values()):
    lines += [(_JUMP_FROM, 0, 2, first), (_JUMP_ABOVE, 1, 0, last), (_RETURN, 0, 0, _ALLOW)]
  lines.append((_RETURN, 0, 0, _ERROR | errno.EPERM))
  return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _rule(name, signals):
  """Instructions that decide on a call, and return."""
  refuse, allow = (_RETURN, 0, 0, _ERROR | errno.EPERM), (_RETURN, 0, 0, _ALLOW)
  if name in _WITHOUT_EFFECT:
    return [(_RETURN, 0, 0, _ERROR)]
  if name == "clone3":  # its flags cannot be seen; the C library then takes clone
    return [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
  if name == "clone":
    return [_argument(0), (_JUMP_ANY, 0, 1, _NEW_NAMESPACES_OR_SIBLINGS), refuse, allow]
  if name == "socketpair":  # streams only: a datagram can be sent to any address
    return [_argument(1), (_AND, 0, 0, _TYPE_BITS), (_JUMP_EQUAL, 1, 0, _STREAM), refuse, allow]
  if name in ("kill", "tkill", "tgkill"):
    if signals:
      return [allow]
    return [_argument(0), (_JUMP_EQUAL, 1, 0, 0), refuse, allow] if name == "kill" else [refuse]
  index, values = _ARGUMENTS[name]
  tests = [(_JUMP_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
  return [_argument(index), *tests, refuse, allow]


def _argument(index):
  return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index)  # the lower half: these are ints to the kernel


def _ranges(numbers):
  """(first, last) of each run of consecutive numbers, in order."""
  ranges = []
  for number in sorted(numbers):
    if ranges and number == ranges[-1][1] + 1:
      ranges[-1][1] = number
    else:
      ranges.append([number, number])
  return ranges
