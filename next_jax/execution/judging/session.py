"""Session: the judge's end of one program. Calls go out, plain data comes back, and limits are kept."""

import collections
from collections.abc import Sequence
import json
import os
import select
import signal
import time
from typing import Any

from next_jax.execution import limits as limits_lib
from next_jax.execution.judging import assertions
from next_jax.execution.judging import forker as forker_lib
from next_jax.execution.judging import plain_data
from next_jax.execution.judging import remote
from next_jax.execution.judging import scratch
from next_jax.execution.judging import wire
from next_jax.execution.judging import zygote

# Seconds to wait for a reply before looking at what the program's process does: at first, and at most.
_PATIENCE_SECONDS, _MOST_PATIENCE_SECONDS = 0.05, 0.4
# Characters of calls made ahead; well below what a socket holds.
_MOST_FORESEEN = 1 << 15


class Lost(BaseException):
  """The program will not answer any more. Not an Exception: no test's `except` may turn it into a pass."""

  def __init__(self, status: str, detail: str):
    super().__init__(status, detail)
    self.status = status
    self.detail = detail


class Unforeseen(BaseException):
  """A test makes a call other than the foreseen one, which was already made; the program must run again."""


class CandidateError(Exception):
  """Stands in a test for an exception of a class that is the program's own."""


class Session:
  """One program in its process, from fork to kill.

  All methods raise Lost if the process ends, or has to be ended, instead of answering.
  """

  def __init__(self, forker: forker_lib.Forker, limits: dict):
    self._forker = forker
    self._limits = limits
    self._started = self._looked = time.monotonic()
    self._waited = 0.0  # seconds in which no process of the program could have run
    self._cpu_seconds = 0.0  # at the last look
    self._reader = wire.Reader(limits["reply_bytes"])
    self.is_loaded = False
    self._foreseen: collections.deque[str] = collections.deque()  # calls that were sent but not asked for yet
    self._remotes: dict[int, Any] = {}  # by number: the same object is the same, however often it is returned
    self._channel = forker.fork()
    self._patience = _PATIENCE_SECONDS
    self._channel.settimeout(self._patience)
    # What ended the session; a test may catch the exception, but cannot undo that it was raised.
    self.lost: Lost | None = None
    self.abandoned: Unforeseen | plain_data.NotPlain | None = None
    self.raised: BaseException | None = None  # the last exception of the program that a call raised again
    self.raised_status = self.raised_detail = ""

  def load(self, setup_code: str, code: str, entry_point: str, foreseen: Sequence[str] = ()) -> None:
    """Sends the program; the reply is read before that of the first call.

    foreseen: Calls of the entry point (`assertions.call_text`) to make at once, before the tests ask
      for them.
    """
    if sum(map(len, foreseen)) > _MOST_FORESEEN:
      foreseen = ()  # both sides could be waiting for the other to read
    self._foreseen = collections.deque(foreseen)
    requests = [json.dumps(["load", setup_code, code, entry_point])]
    requests += [f'["call",0,{text[1:]}' for text in foreseen]
    self._send_all(b"".join(wire.frame(request.encode()) for request in requests))

  def loaded(self) -> None:
    """Waits until the program is loaded; raises Lost if it cannot be."""
    if not self.is_loaded:
      self._expect_ok(self._receive())
      self.is_loaded = True

  def call(self, arguments: tuple, keywords: dict, target: int | str = 0) -> Any:
    """What the program's function returns or raises.

    target: Number of a function that the program returned, 0 for the entry point, or a key of child.OPERATIONS.

    Raises plain_data.NotPlain, before anything is sent, for arguments that are not plain data.
    """
    try:
      encoded = [plain_data.encode(value, _encode_ours) for value in arguments]
      named = {name: plain_data.encode(value, _encode_ours) for name, value in keywords.items()}
    except plain_data.NotPlain as error:
      self._abandon(error)
    text = assertions.call_text(encoded, named)
    if self._foreseen and target == 0:
      if self._foreseen.popleft() != text:
        self._abandon(Unforeseen())
    else:
      self._send(f'["call",{json.dumps(target)},{text[1:]}')
    self.loaded()
    reply = self._receive()
    if len(reply) > 1 and reply[-1] is not None:
      self._update(arguments, keywords, reply[-1])
    if reply[0] == "value" and len(reply) == 3:
      if type(reply[1]) is dict and "argument" in reply[1]:
        return self._guarded(lambda: arguments[reply[1]["argument"]])
      return self._decode(reply[1])
    if reply[0] == "raise" and len(reply) == 6:
      raise self._exception(reply[:-1])
    self._malformed(f"a reply of kind {str(reply[0])[:40]!r}")

  def next_items(self, target: int, count: int) -> tuple[list, Any]:
    """Up to `count` items of an iterator in the program, and the exception that ended it, or None."""
    self._send(json.dumps(["next", target, count]))
    reply = self._receive()
    if reply[0] != "items" or len(reply) != 3 or type(reply[1]) is not list:
      self._malformed("no items")
    items = [self._decode(item) for item in reply[1]]
    if reply[2] is None:
      return items, None
    if reply[2] == ["end"]:
      return items, StopIteration()
    return items, self._exception(reply[2])

  def inside(self, test: str) -> None:
    """Runs a test in the program's own process. Raises Lost unless the process says that it passed."""
    self._send(json.dumps(["inside", test]))
    self.loaded()
    self._expect_ok(self._receive())

  def trace(self, source: str, call: str, setup_code: str, budget: dict | None) -> list:
    """Traces a call: ["trace", the trace as JSON] or ["refused", reason]."""
    self._send(json.dumps(["trace", source, call, setup_code, budget]))
    reply = self._receive()
    if len(reply) != 2 or reply[0] not in ("trace", "refused"):
      self._expect_ok(reply)
    return reply

  def end(self) -> float:
    """Kills the program and everything it started; returns its CPU seconds. Raises ZygoteLost if that fails."""
    self._channel.close()
    status, cpu_seconds = self._forker.end()
    if status == zygote.FORK_FAILED:
      raise forker_lib.ZygoteLost("no process could be forked: too many processes, or too little memory")
    if status == zygote.NOT_CLEAN:
      raise forker_lib.ZygoteLost("processes that the program left could not be killed")
    if self.lost is not None and self.lost.status == "ended":
      self.lost.status, self.lost.detail = self._why(status, cpu_seconds)
    return cpu_seconds

  def _why(self, status, cpu_seconds):
    """(status, detail) for a process that ended without being told to."""
    if os.WIFSIGNALED(status):
      number = os.WTERMSIG(status)
      if number in (signal.SIGXCPU, signal.SIGPROF) or cpu_seconds >= self._limits["cpu_seconds"]:
        return "timeout", self._out_of_time()
      try:
        name = signal.Signals(number).name
      except ValueError:
        name = f"signal {number}"
      return "error", f"its process was killed by {name}"
    return "error", f"its process ended with exit status {os.WEXITSTATUS(status)} without an answer"

  def _out_of_time(self):
    return f"used more than {self._limits['cpu_seconds']:g} s of CPU time"

  def _send(self, request):
    if self._foreseen:
      self._abandon(Unforeseen())
    self._send_all(wire.frame(request.encode()))

  def _send_all(self, data):
    data = memoryview(data)
    while data:
      try:
        data = data[self._channel.send(data) :]
      except TimeoutError:
        self._look()
      except (BrokenPipeError, ConnectionResetError):
        # Its last words may still be there to read, such as why the program could not be loaded.
        return

  def _receive(self):
    try:
      while (payload := self._reader.take()) is None:
        try:
          data = self._channel.recv(1 << 18)
        except TimeoutError:
          self._look()
          continue
        except ConnectionResetError:
          data = b""
        if not data:
          self._lose("ended", "")
        self._reader.feed(data)
        # A reply may come byte by byte, so that the wait for the next byte is never long.
        if time.monotonic() - self._looked > _MOST_PATIENCE_SECONDS:
          self._look()
    except wire.MessageTooLong:
      self._lose("error", f"returned more than {self._limits['reply_bytes']} bytes")
    try:
      reply = json.loads(payload)
    except (ValueError, RecursionError) as error:
      self._malformed(str(error))
    if type(reply) is not list or not reply:
      self._malformed("no list")
    return reply

  def _look(self):
    """Raises Lost for a program that is dead, out of time or over another limit; else sets the next wait."""
    status, processes = self._forker.look()
    cpu_seconds = sum(process.cpu_seconds for process in processes)
    if status != zygote.RUNNING and not self._readable():
      self._lose("ended", "")
    if len(processes) > self._limits["max_processes"]:
      self._lose("error", f"started more than {self._limits['max_processes']} processes")
    if sum(process.memory_bytes for process in processes) > 2 * self._limits["memory_bytes"]:
      self._lose("memory", f"its processes held more than twice {self._limits['memory_bytes']} bytes")
    if scratch.used_bytes(self._limits["scratch"]) > self._limits["scratch_bytes"]:
      self._lose("error", f"wrote more than {self._limits['scratch_bytes']} bytes, or too many files")
    now = time.monotonic()
    # A program that only lacks a core, on a busy machine, does not wait.
    if not any(process.is_runnable for process in processes) and cpu_seconds <= self._cpu_seconds:
      # At most the patience: for the rest of the time this process itself lacked a core.
      self._waited += min(now - self._looked, self._patience)
    self._looked, self._cpu_seconds = now, cpu_seconds
    if cpu_seconds > self._limits["cpu_seconds"]:  # of all its processes; each alone has the kernel's limit
      self._lose("timeout", self._out_of_time())
    if self._waited > self._limits["wall_slack"]:
      self._lose("timeout", f"waited for more than {self._limits['wall_slack']:g} s")
    longest = limits_lib.longest_seconds(self._limits["cpu_seconds"], self._limits["wall_slack"])
    if now - self._started > longest:
      self._lose("timeout", f"not finished after {longest:g} s on the clock")
    self._patience = min(1.5 * self._patience, _MOST_PATIENCE_SECONDS)
    self._channel.settimeout(self._patience)

  def _readable(self):
    poll = select.poll()
    poll.register(self._channel, select.POLLIN)
    return bool(poll.poll(0))

  def _expect_ok(self, reply):
    if reply == ["ok"]:
      return
    if reply[0] == "raise" and len(reply) in (5, 6) and all(type(part) is str for part in reply[1:5]):
      self._lose(reply[3] if reply[3] in ("error", "memory", "syntax") else "error", reply[2])
    if reply[0] == "failed" and len(reply) == 2:
      self._lose("failed", str(reply[1]))
    self._malformed(f"a reply of kind {str(reply[0])[:40]!r}")

  def _exception(self, reply):
    """The exception to raise in a test for ["raise", built-in name, detail, status, message]."""
    if type(reply) is not list or len(reply) != 5 or not all(type(part) is str for part in reply):
      self._malformed("no exception")
    _, name, detail, status, message = reply
    kind = _EXCEPTIONS.get(name, CandidateError)
    try:
      error = kind(message)
    except TypeError:  # such as UnicodeDecodeError, which takes five arguments
      error = CandidateError(message)
    self.raised, self.raised_detail = error, detail
    self.raised_status = status if status in ("error", "memory") else "error"
    return error

  def _update(self, arguments, keywords, changed):
    if type(changed) is not list or len(changed) != 2 or type(changed[0]) is not list or type(changed[1]) is not dict:
      self._malformed("no arguments")
    for old, new in zip(arguments, changed[0], strict=False):  # the reply is not trusted
      plain_data.update(old, self._decode(new))
    for name, new in changed[1].items():
      plain_data.update(keywords.get(name), self._decode(new))

  def _decode(self, value):
    return self._guarded(lambda: plain_data.decode(value, self._decode_theirs))

  def _guarded(self, decode):
    try:
      return decode()
    except (plain_data.Malformed, TypeError, IndexError) as error:
      self._malformed(str(error))

  def _decode_theirs(self, tag, payload):
    number, kind, *content = payload
    if type(number) is not int or type(kind) is not str or len(content) != (tag == "value"):
      raise ValueError(f"tag {tag!r}")
    if number not in self._remotes:
      if tag == "iterator":
        self._remotes[number] = remote.RemoteIterator(self, number)
      elif tag == "callable":
        self._remotes[number] = remote.RemoteFunction(self, number)
      elif tag == "object":
        self._remotes[number] = remote.RemoteObject(self, number, kind[:100])
      elif tag == "container":
        self._remotes[number] = remote.RemoteContainer(self, number, kind[:100])
      elif tag == "value":
        self._remotes[number] = remote.value(self, number, plain_data.decode(content[0], self._decode_theirs))
      else:
        raise ValueError(f"unknown tag {tag!r}")
    return self._remotes[number]

  def _malformed(self, what):
    self._lose("error", f"its process wrote something else than an answer ({what[:200]})")

  def _abandon(self, error):
    self.abandoned = error
    raise error

  def _lose(self, status, detail):
    self.lost = Lost(status, detail)
    raise self.lost


def _encode_ours(value):
  if isinstance(value, remote.KINDS):
    return {"kept": value._remote_number}
  kind = type(value)
  raise plain_data.NotPlain(f"an argument of type {kind.__module__}.{kind.__qualname__} is not plain data")


_EXCEPTIONS = {
    error.__name__: error
    for error in vars(__import__("builtins")).values()
    if isinstance(error, type) and issubclass(error, BaseException)
}
