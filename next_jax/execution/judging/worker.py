"""The executor's handle on one worker: a judge process, with the zygote that the judge starts."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time

from next_jax.execution.judging import wire
from next_jax.execution.judging import zygote

_LONGEST_ANSWER = 1 << 30
_SECONDS_TO_END = 10.0


class Worker:
  """Sends jobs and receives answers without ever waiting.

  Attributes:
    jobs: Jobs that were sent and not answered yet, oldest first; the caller's own objects.
    missing: Layers of confinement that its programs lack (layer -> reason); None until that is known.
    since: Time on the monotonic clock when the oldest of `jobs` became the oldest, in seconds.
  """

  def __init__(self, settings: dict, directory: str):
    """directory: Parent of the worker's own directory, in which its programs have their scratch directory."""
    os.makedirs(directory, exist_ok=True)  # the judge of an earlier worker may have removed it
    self._directory = tempfile.mkdtemp(dir=directory)
    packages = list(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))
    self._lifeline, their_lifeline = os.pipe()
    os.set_blocking(their_lifeline, False)  # a program gains nothing by writing into it
    scratch = os.path.join(self._directory, "program")
    os.mkdir(scratch, 0o700)
    settings = {
        **settings,
        "directory": self._directory,
        "scratch": scratch,
        "packages": packages,
        "lifeline": their_lifeline,
    }
    self._socket, theirs = socket.socketpair()
    try:
      # exec, not fork: nothing of this process, which may hold a model, reaches the worker. The session
      # of its own keeps a Ctrl-C in the terminal from it.
      self._process = subprocess.Popen(
          zygote.python("judge", theirs.fileno(), settings),
          stdin=subprocess.DEVNULL,
          stdout=subprocess.DEVNULL,
          stderr=subprocess.DEVNULL,
          env=zygote.environment(),
          pass_fds=(theirs.fileno(), their_lifeline),
          cwd=self._directory,
          start_new_session=True,
      )
    finally:
      theirs.close()
      os.close(their_lifeline)
    self._socket.setblocking(False)
    self._reader = wire.Reader(_LONGEST_ANSWER)
    self._outgoing = b""
    self._zygote_pid: int | None = None
    self.missing: dict[str, str] | None = None
    self.jobs: list = []
    self.since = 0.0

  def fileno(self) -> int:
    return self._socket.fileno()

  @property
  def has_outgoing(self) -> bool:
    return bool(self._outgoing)

  def send(self, job: dict) -> None:
    self._outgoing += wire.frame(json.dumps(job).encode())
    self.flush()

  def flush(self) -> None:
    """Writes as much as the socket takes now. Raises OSError when the worker is dead."""
    while self._outgoing:
      try:
        sent = self._socket.send(self._outgoing)
      except BlockingIOError:
        return
      self._outgoing = self._outgoing[sent:]

  def receive(self) -> list[dict]:
    """The answers that have arrived. Raises OSError when the worker is dead."""
    try:
      data = self._socket.recv(1 << 18)
    except BlockingIOError:
      return []
    if not data:
      raise ConnectionResetError("the worker process has ended")
    self._reader.feed(data)
    answers = []
    while (payload := self._reader.take()) is not None:
      answer = json.loads(payload)
      if "zygote" in answer:
        self._zygote_pid = answer["zygote"]
        self.missing = answer["missing"]
      else:
        answers.append(answer)
    return answers

  def resume(self) -> None:
    """Lets the judge and the zygote run again if a program has stopped them with a signal."""
    pids = [] if self._zygote_pid is None else [self._zygote_pid]
    if self._process.returncode is None:
      pids.append(self._process.pid)
    for pid in pids:
      try:
        os.kill(pid, signal.SIGCONT)
      except (ProcessLookupError, PermissionError):
        pass

  def close(self) -> int:
    """Ends the worker at once, with the program that it runs; returns the judge's exit status."""
    self._socket.close()
    self._process.kill()
    status = self._process.wait()
    # The zygote ends by itself when the judge is gone, unless a program has stopped it.
    self.resume()
    self._wait_for_all()
    os.close(self._lifeline)
    shutil.rmtree(self._directory, ignore_errors=True)
    return status

  def _wait_for_all(self):
    """Waits until no process of the worker, nor of its program, holds the other end of the lifeline."""
    deadline = time.monotonic() + _SECONDS_TO_END
    while (seconds := deadline - time.monotonic()) > 0:
      readable, _, _ = select.select([self._lifeline], [], [], seconds)
      # It holds data only if a program wrote to every open descriptor.
      if not readable or not os.read(self._lifeline, 1 << 16):
        return
