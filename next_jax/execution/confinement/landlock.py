"""Landlock: restricts which files this process, and all that it starts, can reach from now on.

See landlock(7) and linux/landlock.h. Reading and executing is permitted below some paths, everything
below some others, and nothing else. Names and sizes of other files stay visible. Landlock does not
restrict changes of the modes of the user's own files, anywhere; seccomp.py does.
"""

import os
import struct

from next_jax.execution.confinement import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on all machines
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
_TRUNCATE = 1 << 14
# Number of rights to files that each version of the interface knows, from version 1.
_RIGHTS = (13, 14, 15, 15, 16)
_ALL_NET, _NET_SINCE = 0b11, 4  # binding and connecting TCP sockets
_ALL_SCOPES, _SCOPES_SINCE = 0b11, 6  # abstract Unix sockets, and signals to processes outside

# From this version on, a file cannot be truncated without the right to write it (Linux 6.2).
COMPLETE_SINCE = 3


def version() -> int:
  """Version of the kernel's Landlock interface. Raises OSError if there is none."""
  return kernel.system_call(_CREATE_RULESET, None, 0, _VERSION)


def restrict(readable: list[str], devices: list[str], writable: list[str]) -> int:
  """Restricts this process for good; needs no_new_privs. Returns the version in force. Raises OSError.

  Args:
    readable: Files and directories whose content can be read and executed; those that do not exist are left out.
    devices: Files that can be read and written.
    writable: Directories below which everything is permitted except to execute, and to make devices and sockets.
  """
  found = version()
  handled = (1 << _RIGHTS[min(found, len(_RIGHTS)) - 1]) - 1
  attributes = struct.pack(
      "=QQQ", handled, _ALL_NET if found >= _NET_SINCE else 0, _ALL_SCOPES if found >= _SCOPES_SINCE else 0
  )
  ruleset = kernel.system_call(_CREATE_RULESET, attributes, len(attributes), 0)
  try:
    for path in readable:
      _allow(ruleset, path, handled & (_EXECUTE | _READ_FILE | _READ_DIR))
    for path in devices:
      _allow(ruleset, path, handled & (_READ_FILE | _WRITE_FILE | _TRUNCATE))
    for path in writable:
      _allow(ruleset, path, handled & ~(_EXECUTE | _MAKE_CHAR | _MAKE_SOCK | _MAKE_FIFO | _MAKE_BLOCK))
    kernel.system_call(_RESTRICT_SELF, ruleset, 0)
  finally:
    os.close(ruleset)
  return found


def _allow(ruleset, path, rights):
  try:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
  except OSError:  # not there, or not for us
    return
  try:
    if not os.path.isdir(path):
      rights &= _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE
    kernel.system_call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
  finally:
    os.close(descriptor)
