"""The judge's handle on its zygote."""

import json
import os
import signal
import socket
import subprocess
import time

from next_jax.execution.judging import processes
from next_jax.execution.judging import wire
from next_jax.execution.judging import zygote

# A zygote answers sooner, unless the machine is out of memory.
_ZYGOTE_SECONDS = 30.0
_ZYGOTE_TRIES = 30
_SECONDS_TO_CLEAN = 10.0


class ZygoteLost(Exception):
  """The zygote does not answer; nothing is known about the program."""


class Forker:
  """Starts a zygote process, and asks it for programs' processes.

  All methods raise ZygoteLost if the zygote does not answer.

  Attributes:
    pid: Process number of the zygote.
    missing: Layers of confinement that it lacks (layer -> reason).
  """

  def __init__(self, settings: dict):
    self._control, theirs = socket.socketpair()
    self._control.settimeout(_ZYGOTE_SECONDS / _ZYGOTE_TRIES)
    self._process = subprocess.Popen(
        zygote.python("zygote", theirs.fileno(), settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=zygote.environment(),
        pass_fds=(theirs.fileno(), settings["lifeline"]),
    )
    theirs.close()
    self.pid: int = self._process.pid
    header = self._read(wire.HEADER_BYTES)
    about = json.loads(self._read(int.from_bytes(header, "big")))
    self.pid = about["pid"]
    self.missing: dict[str, str] = about["missing"]
    self._child: int | None = None

  def fork(self) -> socket.socket:
    """Asks for a new child; returns the channel to it."""
    ours, theirs = socket.socketpair()
    try:
      socket.send_fds(self._control, [b"F"], [theirs.fileno()])
    except OSError as error:
      raise ZygoteLost(f"the forking process is gone: {error}") from None
    theirs.close()
    self._child = None
    return ours

  def look(self) -> tuple[int, list[processes.Process]]:
    """(Wait status of the program's child or zygote.RUNNING, all its processes)."""
    self._read_child()
    status, _ = self._ask(b"L")
    return status, processes.glance(self.pid)

  def end(self) -> tuple[int, float]:
    """Kills the child and everything that it started; returns (wait status, CPU seconds)."""
    self._read_child()
    child, self._child = self._child, None
    if child == zygote.FORK_FAILED:
      return child, 0.0
    if child is not None and "namespaces" in self.missing:
      processes.kill_group(child)  # the zygote may not
    deadline = time.monotonic() + _SECONDS_TO_CLEAN
    while (reply := self._ask(b"E"))[0] == zygote.REMAINING:
      # Some left the group (setsid, double fork). On Linux all of them are below the zygote.
      if time.monotonic() > deadline:
        return zygote.NOT_CLEAN, 0.0
      processes.kill(processes.descendants(self.pid))
      time.sleep(0.001)
    return reply

  def close(self) -> None:
    self._control.close()
    self._process.wait()

  def _read_child(self):
    if self._child is None:
      (self._child,) = zygote.PID.unpack(self._read(zygote.PID.size))

  def _ask(self, request):
    try:
      self._control.sendall(request)
    except OSError as error:
      raise ZygoteLost(f"the forking process is gone: {error}") from None
    return zygote.REPLY.unpack(self._read(zygote.REPLY.size))

  def _read(self, size):
    reply = b""
    for _ in range(_ZYGOTE_TRIES):
      try:
        while len(reply) < size:
          data = self._control.recv(size - len(reply))
          if not data:
            raise ZygoteLost("the forking process has ended")
          reply += data
        return reply
      except TimeoutError:
        os.kill(self.pid, signal.SIGCONT)  # a program may have stopped it
      except OSError as error:
        raise ZygoteLost(f"the forking process is gone: {error}") from None
    raise ZygoteLost(f"the forking process has not answered for {_ZYGOTE_SECONDS:g} s")
