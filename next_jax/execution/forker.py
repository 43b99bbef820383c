"""The judge's handle of its zygote."""

import signal
import socket
import subprocess

from next_jax.execution import zygote

# A zygote does nothing that takes longer, except on a machine that is out of memory.
_ZYGOTE_SECONDS = 30.0
_ZYGOTE_TRIES = 30


class ZygoteLost(Exception):
  """The process that forks for us does not; nothing is known about the program."""


class Forker:
  """Starts a zygote process, and asks it for programs' processes."""

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
    self.is_namespace = self._read(1) == zygote.IN_NAMESPACE

  @property
  def pid(self) -> int:
    return self._process.pid

  def fork(self) -> socket.socket:
    """The channel to a new child."""
    ours, theirs = socket.socketpair()
    try:
      socket.send_fds(self._control, [b"F"], [theirs.fileno()])
    except OSError as error:
      raise ZygoteLost(f"the forking process is gone: {error}") from None
    theirs.close()
    return ours

  def look(self) -> tuple[int, int, int, float]:
    """What the child does: (wait status or zygote.RUNNING, processes, runnable ones, CPU seconds)."""
    return self._ask(b"L")

  def end(self) -> tuple[int, float]:
    """Kills the child and all that it started; returns (wait status, CPU seconds)."""
    status, _, _, cpu_seconds = self._ask(b"E")
    return status, cpu_seconds

  def close(self) -> None:
    self._control.close()
    self._process.wait()

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
        self._process.send_signal(signal.SIGCONT)  # a program may have stopped it
      except OSError as error:
        raise ZygoteLost(f"the forking process is gone: {error}") from None
    raise ZygoteLost(f"the forking process has not answered for {_ZYGOTE_SECONDS:g} s")
