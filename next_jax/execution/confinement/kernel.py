"""Calls of the Linux kernel for which Python has no functions. Import only where needed: ctypes takes memory."""

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 1 << 1, 1 << 2, 1 << 14, 1 << 18

_LIBC = ctypes.CDLL(None, use_errno=True)


def system_call(number: int, *arguments: int | bytes | None) -> int:
  """Makes a system call; bytes are passed as a pointer to them. Raises OSError."""
  return _checked(_LIBC.syscall(ctypes.c_long(number), *map(_long, arguments)), f"system call {number}")


def prctl(option: int, *arguments: int) -> int:
  """See prctl(2). Raises OSError."""
  padded = [*arguments, 0, 0, 0, 0][:4]
  return _checked(_LIBC.prctl(option, *map(ctypes.c_ulong, padded)), f"prctl({option})")


def mount(kind: str | None, target: str, flags: int, options: str = "") -> None:
  """See mount(2); `kind` is the type of the file system, and its source. Raises OSError."""
  source = kind.encode() if kind else None
  done = _LIBC.mount(source, os.fsencode(target), source, ctypes.c_ulong(flags), options.encode())
  _checked(done, f"mount on {target}")


def unshare(flags: int) -> None:
  """See unshare(2). Raises OSError."""
  _checked(_LIBC.unshare(flags), f"unshare({flags:#x})")


def pointer(buffer: bytes | ctypes.Array) -> int:
  """Address of a buffer; valid as long as the buffer is kept."""
  return ctypes.cast(buffer, ctypes.c_void_p).value or 0  # type: ignore[arg-type]  # bytes are cast as well


def _long(argument):
  return argument if isinstance(argument, (bytes, type(None))) else ctypes.c_ulong(argument)


def _checked(result, what):
  if result < 0:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")
  return result
