"""The program's process: loads one program, answers calls to it, and is killed.

Nothing here is trusted: the program shares the process and may replace any part of it. Only data leaves
the process, and whoever reads it must treat it as data. The process never holds an expected value.
"""

import _signal  # type: ignore[import-not-found]  # in C, with no stub
import builtins
import json
import operator
import os
import resource
import signal
import socket
import sys
import types

from next_jax.execution.judging import plain_data
from next_jax.execution.judging import wire

PROGRAM_FILE = "<program>"
_MODULE_NAME = "program"
_MAX_DETAIL = 400  # characters

# What a test may do with an object of the program, besides calling it. There are no comparisons: an
# object must not decide what it is equal to. The value of a built-in type that it holds is compared.
OPERATIONS = {
    "getattr": getattr,
    "setattr": setattr,
    "len": len,
    "bool": bool,
    "iter": iter,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "contains": operator.contains,
    "str": str,
    "held": plain_data.held,
}


_REHEARSED_PROGRAM = '''
import collections, math, re
from typing import List
class Pair:
  def __init__(self, first, second=0):
    self.first, self.second = first, second
def helper(*values: int, **named) -> List[int]:
  return [2 * value for value in values if value % 3] + list(named.values())
def f(values, text="a b", table=None):
  """Nobody runs this but the rehearsal."""
  result, seen, pair = [], set(), Pair(1.5)
  counts = collections.Counter(re.findall(r"[a-z]+", text))
  for index, value in enumerate(sorted(values, key=lambda value: -value)):
    try:
      seen.add(value)
      result.append((index, value // (index + 1), f"{value:>3}", math.sqrt(value)))
    except (ValueError, TypeError) as error:
      result.append(str(error))
    else:
      pair.second += max(value, index)
  while values and values[-1] > 100:
    values = values[:-1]
  if not result:
    raise IndexError("none")
  return {"result": result, "seen": seen, "counts": dict(counts), "pair": pair.second, "all": helper(*values, n=1)}
'''
_REHEARSAL: tuple[tuple, ...] = (
    ("load", "import math", _REHEARSED_PROGRAM, "f"),
    ("call", 0, [[3, 1, 2]], {}),
    ("call", 0, [[5, -1, 2.5], "x y x"], {"table": {"dict": [[1], [{"tuple": [1]}]]}}),
    ("call", 0, [[]], {}),
    ("inside", "assert f([1])"),
)


def run(channel: int, *, cpu_seconds: float) -> None:
  """Serves requests on the file descriptor `channel` until it is closed; never returns normally.

  cpu_seconds: CPU seconds after which the process is killed.
  """
  os.setsid()
  # The timer ends an honest endless loop to the millisecond; the limits end one that ignores it.
  whole_seconds = int(cpu_seconds) + 1
  resource.setrlimit(resource.RLIMIT_CPU, (whole_seconds, whole_seconds + 1))
  signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
  # A job that a script starts in the background ignores interrupts, and so would the program.
  # Not signal.signal: it first looks names up in enumerations.
  _signal.signal(signal.SIGINT, signal.default_int_handler)
  server = _Server(channel)
  while True:
    server.answer()


def rehearse() -> None:
  """Does once what every child does, before there is any program.

  Most of a child's cost is page faults: memory that it is the first to use, and pages of its parent
  that it writes to. The rehearsal saves a tenth of them.
  """
  ours, theirs = socket.socketpair()
  with ours, theirs:
    server = _Server(theirs.fileno())
    for message in _REHEARSAL:
      ours.sendall(wire.frame(json.dumps(message).encode()))
      server.answer()
      ours.recv(1 << 18)
  del sys.modules[_MODULE_NAME]


class _Server:

  def __init__(self, channel):
    self._channel = channel
    self._reader = wire.Reader(1 << 32)
    self._module = types.ModuleType(_MODULE_NAME)
    self._kept = [None]  # what the judge may ask for by number; 0 is the entry point
    self._numbers = {}  # id -> index in that list

  def answer(self):
    message = self._receive()
    try:
      reply = getattr(self, f"_on_{message[0]}")(*message[1:])
    except BaseException as error:  # whatever the program raises is an answer, SystemExit too
      reply = _raised(error)
    self._send(reply)

  def _receive(self):
    while (payload := self._reader.take()) is None:
      data = os.read(self._channel, 1 << 16)
      if not data:
        os._exit(0)
      self._reader.feed(data)
    return json.loads(payload)

  def _send(self, reply):
    payload = memoryview(wire.frame(json.dumps(reply, separators=(",", ":")).encode()))
    while payload:
      payload = payload[os.write(self._channel, payload) :]

  def _on_load(self, setup_code, code, entry_point):
    # dataclasses, typing and pickle look a class's module up by name.
    sys.modules[_MODULE_NAME] = self._module
    namespace = self._module.__dict__
    namespace["__builtins__"] = builtins
    try:
      setup = compile(setup_code, "<setup>", "exec", dont_inherit=True) if setup_code else None
      program = compile(code, PROGRAM_FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
      return _raised(error, status="syntax")
    if setup is not None:
      exec(setup, namespace)
    exec(program, namespace)
    if entry_point:
      try:
        self._kept[0] = namespace[entry_point]
      except KeyError:
        raise NameError(f"the program does not define {entry_point!r}") from None
    return ["ok"]

  def _on_call(self, target, arguments, keywords):
    function = OPERATIONS[target] if isinstance(target, str) else self._kept[target]
    values = [plain_data.decode(value, self._known) for value in arguments]
    named = {name: plain_data.decode(value, self._known) for name, value in keywords.items()}
    arguments_may_change = any(map(plain_data.may_change, values)) or any(map(plain_data.may_change, named.values()))
    changed = None
    try:
      result = function(*values, **named)
      for index, value in enumerate(values):
        if result is value and type(value) not in (int, str, bool, float, type(None)):
          encoded = {"argument": index}
          break
      else:
        encoded = plain_data.encode(result, self._keep)
      reply = ["value", encoded]
    except BaseException as error:
      reply = _raised(error)
    if arguments_may_change:
      after = [
          [plain_data.encode(value, self._keep) for value in values],
          {name: plain_data.encode(value, self._keep) for name, value in named.items()},
      ]
      # As text, because True == 1 == 1.0.
      if json.dumps(after) != json.dumps([arguments, keywords]):
        changed = after
    reply.append(changed)
    return reply

  def _on_next(self, target, count):
    iterator = self._kept[target]
    items = []
    try:
      for _ in range(count):
        items.append(plain_data.encode(next(iterator), self._keep))
    except StopIteration:
      return ["items", items, ["end"]]
    except BaseException as error:
      return ["items", items, _raised(error)]
    return ["items", items, None]

  def _on_inside(self, test):
    namespace = self._module.__dict__
    try:
      exec(compile(test, "<test>", "exec", dont_inherit=True), namespace)
    except AssertionError as error:
      if _program_line(error) is None:
        return ["failed", _first_line(test)]
      raise
    return ["ok"]

  def _on_trace(self, source, call, setup_code, budget):
    from next_jax.tracing.recording import recorder

    options = {} if budget is None else {"budget": recorder.Budget(**budget)}
    try:
      return ["trace", recorder.record(source, call, setup_code=setup_code, **options).to_json()]
    except recorder.TraceError as error:
      return ["refused", str(error)]

  def _keep(self, value):
    kind = type(value)
    number = self._numbers.setdefault(id(value), len(self._kept))
    if number == len(self._kept):
      self._kept.append(value)  # for good, so that its id stays its own
    if hasattr(kind, "__next__"):
      return {"iterator": [number, kind.__name__]}
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
      return {"callable": [number, kind.__name__]}
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix(f"{_MODULE_NAME}.")
    base = plain_data.built_in(kind)
    if base in plain_data.IMMUTABLE:
      return {"value": [number, name, plain_data.encode(plain_data.held(value), self._keep)]}
    return {"object" if base is None else "container": [number, name]}

  def _known(self, tag, payload):
    if tag != "kept":
      raise ValueError(f"unknown tag {tag!r}")
    return self._kept[payload]


def _raised(error, status=None):
  """["raise", name of the nearest built-in exception, detail, status]."""
  name = next((cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "builtins"), "Exception")
  if status is None:
    status = "memory" if isinstance(error, MemoryError) else "error"
  try:
    message = str(error)
  except BaseException:
    message = "its message raised an exception itself"
  line = getattr(error, "lineno", None) if status == "syntax" else _program_line(error)
  detail = f"{type(error).__name__}: {message}" if message else type(error).__name__
  if status == "syntax" and isinstance(error, SyntaxError):
    detail = f"{type(error).__name__}: {error.msg}"
  detail = detail[:_MAX_DETAIL] + (f" (line {line} of the program)" if line else "")
  return ["raise", name, detail, status, message[:_MAX_DETAIL]]


def _program_line(error):
  line, traceback = None, error.__traceback__
  while traceback is not None:
    if traceback.tb_frame.f_code.co_filename == PROGRAM_FILE:
      line = traceback.tb_lineno
    traceback = traceback.tb_next
  return line


def _first_line(text):
  line = text.strip().split("\n", 1)[0]
  return f"{line[:_MAX_DETAIL]} is false"
