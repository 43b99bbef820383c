"""Reads the processes below a process from /proc, and kills processes."""

from collections.abc import Iterable
import dataclasses
import errno
import os
import signal

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RUNNABLE = (b"R", b"D")
_PIDFD_SIGNAL_PROCESS_GROUP = 1 << 2  # since Linux 6.9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Process:
  """A process, which may have ended since.

  Attributes:
    is_runnable: Whether any of its threads runs, or would run if it had a core.
    cpu_seconds: CPU seconds of the process and of the children that it has waited for.
    memory_bytes: Resident memory.
  """

  pid: int
  parent: int
  threads: int
  is_runnable: bool
  cpu_seconds: float
  memory_bytes: int


def descendants(pid: int) -> list[Process]:
  """All processes below the process `pid`, nearest first; none where there is no /proc."""
  children: dict[int, list[Process]] = {}
  for process in _all():
    children.setdefault(process.parent, []).append(process)
  found = list(children.get(pid, ()))
  for process in found:
    found.extend(children.get(process.pid, ()))
  return found


def glance(pid: int) -> list[Process]:
  """Like `descendants`, without looking at all other processes; may miss one while another ends."""
  if not os.path.exists(f"/proc/{pid}/task/{pid}/children"):  # a kernel without CONFIG_PROC_CHILDREN
    return descendants(pid)
  found, pids = [], _children(pid)
  for child in pids:
    process = _read(child)
    if process is not None:
      found.append(process)
      pids.extend(_children(child))
  return found


def kill(processes: Iterable[Process]) -> None:
  """Stops all processes before it kills any, or one could fork while another dies."""
  processes = list(processes)
  for number in (signal.SIGSTOP, signal.SIGKILL):
    for process in processes:
      try:
        os.kill(process.pid, number)
      except ProcessLookupError:
        pass


def kill_group(pid: int) -> None:
  """Kills the process `pid` and the group that it leads; nobody may have waited for it yet."""
  # All of the group at once: fork() fails in a group that is being killed, so no bomb escapes.
  if hasattr(os, "pidfd_open"):
    try:
      descriptor = os.pidfd_open(pid)
    except OSError:  # an old kernel; the number is still its own, because it was not waited for
      descriptor = None
  else:
    descriptor = None
  try:
    for is_group in (True, False):
      try:
        _signal(pid, descriptor, is_group)
      except (ProcessLookupError, PermissionError):
        pass  # not yet a leader; PermissionError is macOS's answer for a zombie
  finally:
    if descriptor is not None:
      os.close(descriptor)


def _signal(pid, descriptor, is_group):
  if descriptor is not None:
    try:
      signal.pidfd_send_signal(descriptor, signal.SIGKILL, None, _PIDFD_SIGNAL_PROCESS_GROUP if is_group else 0)
      return
    except OSError as error:
      if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
        raise
  (os.killpg if is_group else os.kill)(pid, signal.SIGKILL)


def count_threads_of_user() -> int:
  """Number of threads in all processes of this process's user."""
  count = 0
  for process in _all():
    try:
      if os.stat(f"/proc/{process.pid}").st_uid == os.getuid():
        count += process.threads
    except FileNotFoundError:
      continue
  return count


def _all():
  for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
    if name.isdigit():
      process = _read(int(name))
      if process is not None:
        yield process


def _read(pid):
  """The Process, or None for one that has ended."""
  try:
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
      fields = file.read().rpartition(b")")[2].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        threads=int(fields[17]),
        is_runnable=fields[0] in _RUNNABLE or (fields[17] != b"1" and _has_runnable_thread(pid)),
        cpu_seconds=sum(map(int, fields[11:15])) / _CLOCK_TICKS,
        memory_bytes=int(fields[21]) * _PAGE_BYTES,
    )
  except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
    return None


def _children(pid):
  """Process numbers of the children that any thread of `pid` has started or adopted."""
  found = []
  try:
    for thread in os.listdir(f"/proc/{pid}/task"):
      with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
        found += map(int, file.read().split())
  except (FileNotFoundError, ProcessLookupError):
    pass  # it has ended, and its children are somebody else's now
  return found


def _has_runnable_thread(pid):
  for thread in os.listdir(f"/proc/{pid}/task"):
    try:
      with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
        if file.read().rpartition(b")")[2].split(None, 1)[0] in _RUNNABLE:
          return True
    except (FileNotFoundError, ProcessLookupError):
      continue
  return False
