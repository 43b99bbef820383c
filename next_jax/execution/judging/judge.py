"""The trusted process of a worker: evaluates tests, and asks the program's process only for results.

It reads jobs from its socket and writes one answer for each. It never runs a program's code. It decodes
and compares what programs return under a timer and a memory limit, because data alone can be hostile
(keys that collide, numbers of a million digits).
"""

import json
import os
import random
import resource
import shutil
import signal
import socket
import sys

from next_jax.execution import outputs
from next_jax.execution.confinement import confinement
from next_jax.execution.judging import assertions
from next_jax.execution.judging import forker as forker_lib
from next_jax.execution.judging import plain_data
from next_jax.execution.judging import session as session_lib
from next_jax.execution.judging import wire

_MEMORY_BYTES = 4 << 30
_LONGEST_JOB = 1 << 30
# Added to `judge_cpu_seconds`, for one long operation in C that no exception can interrupt.
_SECONDS_TO_STOP = 2.0


class _OutOfTime(BaseException):
  """The judge's own timer has run out."""


class _Timer:
  """Limits a `with` block to `seconds` of CPU time: raises _OutOfTime or, if that fails, ends the process."""

  def __init__(self, seconds: float):
    self._seconds = seconds
    self._runs = False
    signal.signal(signal.SIGVTALRM, self._ring)

  def __enter__(self):
    self._runs = True
    signal.setitimer(signal.ITIMER_VIRTUAL, self._seconds)
    signal.setitimer(signal.ITIMER_PROF, self._seconds + _SECONDS_TO_STOP)  # SIGPROF ends this process

  def __exit__(self, *exception_info):
    self._runs = False
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.setitimer(signal.ITIMER_PROF, 0)

  def _ring(self, number, frame):
    if self._runs:
      raise _OutOfTime


def main(job_socket: int, settings_json: str) -> None:
  settings = json.loads(settings_json)
  sys.path += settings["packages"]  # tests import what programs may import
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  confinement.close_memory()  # which holds the tests
  forker = forker_lib.Forker(settings)
  if sys.platform == "linux":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
  jobs = socket.socket(fileno=job_socket)
  try:
    _serve(jobs, Judge(forker, settings), forker)
  finally:
    forker.close()
    # The process that started this one may have been killed before it could clean up.
    shutil.rmtree(settings["directory"], ignore_errors=True)
    try:
      os.rmdir(os.path.dirname(settings["directory"]))
    except OSError:
      pass  # the last worker's judge can


def _serve(jobs, judge, forker):
  jobs.sendall(wire.frame(json.dumps({"zygote": forker.pid, "missing": forker.missing}).encode()))
  reader = wire.Reader(_LONGEST_JOB)
  while True:
    while (payload := reader.take()) is None:
      data = jobs.recv(1 << 18)
      if not data:
        return
      reader.feed(data)
    answer = judge.answer(json.loads(payload))
    jobs.sendall(wire.frame(json.dumps(answer).encode()))
    if "infrastructure" in answer:
      return  # this worker is not trusted any more; a new one takes its place


class Judge:
  """Gives verdicts on programs that run in children of `forker`."""

  def __init__(self, forker: forker_lib.Forker, settings: dict):
    self._forker = forker
    self._settings = settings
    self._timer = _Timer(settings["judge_cpu_seconds"])

  def answer(self, job: dict) -> dict:
    """The answer to a job; {"infrastructure": reason} if nothing is known about the program."""
    try:
      if "trace" in job:
        return self._trace(**job["trace"])
      if "outputs" in job:
        return self._outputs(**job["outputs"])
      return self._verify(**job["program"])
    except forker_lib.ZygoteLost as error:
      return {"infrastructure": str(error)}

  def _verify(self, *, code, entry_point, setup_code, tests, cpu_seconds=None):
    limits = self._settings
    if cpu_seconds is not None:
      limits = {**limits, "cpu_seconds": min(cpu_seconds, limits["cpu_seconds"])}
    try:
      setup = assertions.compile_test(setup_code).code if setup_code else None
      tests = [assertions.compile_test(test, entry_point) for test in tests]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # MemoryError: too deeply nested
      return _verdict("error", detail=f"a test, or the setup code, does not compile: {assertions.describe(error)}")
    session_arguments = (setup_code, code, entry_point)
    if not entry_point:
      return self._run(limits, session_arguments, tests, None)
    # First with the foreseen calls made ahead; if the tests make other calls, again without them.
    for foreseen in (_foreseen(tests), []):
      namespace = {"__name__": "tests", "__builtins__": __builtins__}
      random.seed(0)  # tests that draw their arguments draw the same ones in every run
      try:
        if setup is not None:
          with self._timer:
            exec(setup, namespace)
      except _OutOfTime:
        return _verdict("error", detail=f"the setup code takes more than {self._settings['judge_cpu_seconds']:g} s")
      except BaseException as error:  # SystemExit too: this process has to live
        return _verdict("error", detail=f"the setup code fails: {assertions.describe(error)}")
      if assertions.names_missing(tests, namespace.keys() | {entry_point}):
        break
      try:
        return self._run(limits, session_arguments, tests, namespace, foreseen)
      except session_lib.Unforeseen:
        continue
      except plain_data.NotPlain:  # a test passes something to the program that cannot leave this process
        break
    return self._run(limits, session_arguments, tests, None)

  def _run(self, limits, session_arguments, tests, namespace, foreseen=()):
    """The verdict; with `namespace` None the tests run inside the program's process. Raises Unforeseen, NotPlain."""
    session = session_lib.Session(self._forker, limits)
    results = []
    try:
      with self._timer:
        session.load(*session_arguments, foreseen)
        if namespace is not None:
          entry_point = session_arguments[-1]
          namespace[entry_point] = lambda *arguments, **keywords: session.call(arguments, keywords)
        for test in tests:
          results.append(_judge(session, test, namespace))
          if results[-1][0] != "passed":
            break
    except _OutOfTime:
      seconds = self._settings["judge_cpu_seconds"]
      results.append(("timeout", f"judging took more than {seconds:g} s of CPU time"))
    except MemoryError:
      results.append(("memory", "what was returned is too large to judge"))
    except session_lib.Lost as lost:  # while it was being loaded
      results.append((lost.status, lost.detail))
    finally:
      cpu_seconds = session.end()
    if session.lost is not None:
      # Only now is it known why the process ended.
      results[-1] = (session.lost.status, assertions.shorten(session.lost.detail))
    status, detail = results[-1]
    if not session.is_loaded:
      results = []
    trust = "judged" if namespace is not None else "inside"
    return _verdict(status, results, detail, trust, cpu_seconds)

  def _outputs(self, *, code, entry_point, setup_code, inputs, atol, rule):
    """What a reference solution returns, until it fails on an input."""
    session = session_lib.Session(self._forker, self._settings)
    expected, status, detail = [], "passed", ""
    try:
      with self._timer:
        session.load(setup_code, code, entry_point)
        session.loaded()

        def call(*arguments):
          return session.call(arguments, {})

        expected.extend(outputs.expected_outputs(call, inputs, atol=atol, rule=rule))
    except session_lib.Lost:
      pass  # why is known after the end
    except _OutOfTime:
      status, detail = "timeout", "judging took too long"
    except Exception as error:
      status, detail = "error", assertions.describe(error)
      if isinstance(error, MemoryError) or session.raised_status == "memory":
        status = "memory"
    finally:
      cpu_seconds = session.end()
    if session.lost is not None:
      status, detail = session.lost.status, session.lost.detail
      if detail.startswith("returned more than"):
        status = "too long"
    return {"expected": expected, "status": status, "detail": detail, "cpu_seconds": cpu_seconds}

  def _trace(self, *, source, call, setup_code, budget):
    session = session_lib.Session(self._forker, self._settings)
    answer = None
    try:
      kind, value = session.trace(source, call, setup_code, budget)
      answer = {kind: value}
    except session_lib.Lost:
      pass  # why is known after the end
    finally:
      session.end()
    return answer or {"killed": session.lost.status, "detail": session.lost.detail}


def _foreseen(tests):
  """The calls with which the tests certainly begin."""
  calls = []
  for test in tests:
    calls += test.calls
    if not test.calls_are_all:
      break
  return calls


def _judge(session, test, namespace):
  """(status, detail) of one test. Raises whatever leaves the test without a result."""
  raised = None
  try:
    if namespace is None:
      session.inside(test.source)
    else:
      exec(test.code, namespace)
    session.loaded()
  except (forker_lib.ZygoteLost, _OutOfTime):
    raise
  except BaseException as error:
    raised = error
  # What happened to the session comes first: a test that catches everything does not undo it.
  if session.abandoned is not None:
    raise session.abandoned
  if session.lost is not None:
    return session.lost.status, session.lost.detail
  if raised is None:
    return "passed", ""
  if raised is session.raised:
    return session.raised_status, assertions.shorten(session.raised_detail)
  if isinstance(raised, MemoryError):
    raise raised
  if isinstance(raised, AssertionError):
    return "failed", assertions.explain(test, raised)
  return "error", assertions.describe(raised, " in the test")


def _verdict(status, results=(), detail="", trust="judged", cpu_seconds=None):
  return {
      "status": status,
      "tests": [{"status": result[0], "detail": result[1]} for result in results],
      "detail": detail,
      "trust": trust,
      "cpu_seconds": cpu_seconds,
  }
