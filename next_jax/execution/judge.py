"""The trusted process of a worker: evaluates tests, asks the program's process only for results.

It reads jobs from its socket and writes one answer for each. It never runs code of a program. What
programs return is decoded and compared under a timer and a memory limit, because data alone can be
hostile (keys that collide, numbers of a million digits).
"""

import json
import os
import random
import resource
import shutil
import signal
import socket
import sys

from next_jax.execution import assertions
from next_jax.execution import forker as forker_lib
from next_jax.execution import plain_data
from next_jax.execution import session as session_lib
from next_jax.execution import wire
from next_jax.execution import zygote

_MEMORY_BYTES = 4 << 30
_LONGEST_JOB = 1 << 30
# On top of `judge_cpu_seconds`, for one long operation in C that no exception can interrupt.
_SECONDS_TO_STOP = 2.0


class _OutOfTime(BaseException):
  """The judge's own timer."""


def main(job_socket: int, settings_json: str) -> None:
  settings = json.loads(settings_json)
  sys.path.remove(zygote.PACKAGE_ROOT)
  sys.path += settings["packages"]  # tests import what programs may import
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  forker = forker_lib.Forker(settings)
  if sys.platform == "linux":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
  jobs = socket.socket(fileno=job_socket)
  try:
    _serve(jobs, Judge(forker, settings), forker)
  finally:
    forker.close()
    # Also when whoever started this was killed and cannot clean up any more.
    shutil.rmtree(settings["directory"], ignore_errors=True)
    try:
      os.rmdir(os.path.dirname(settings["directory"]))
    except OSError:
      pass  # the last worker's judge can


def _serve(jobs, judge, forker):
  jobs.sendall(wire.frame(json.dumps({"zygote": forker.pid, "namespace": forker.is_namespace}).encode()))
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
    self._timing = False
    signal.signal(signal.SIGVTALRM, self._on_timer)

  def answer(self, job: dict) -> dict:
    try:
      if "trace" in job:
        return self._trace(**job["trace"])
      return self._verify(**job["program"])
    except forker_lib.ZygoteLost as error:
      return {"infrastructure": str(error)}

  def _verify(self, *, code, entry_point, setup_code, tests):
    try:
      compiled = [assertions.compile_test(test, entry_point) for test in tests]
    except (SyntaxError, ValueError) as error:
      return _verdict("error", detail=f"a test does not compile: {type(error).__name__}: {error}")
    namespace = {"__name__": "tests", "__builtins__": __builtins__}
    inside = not entry_point
    if not inside:
      try:
        if setup_code:
          exec(assertions.compile_test(setup_code).code, namespace)
      except Exception as error:
        return _verdict("error", detail=f"the setup code fails: {type(error).__name__}: {error}")
      inside = bool(assertions.names_missing(compiled, namespace.keys() | {entry_point}))
    if not inside:
      foreseen = []
      for test in compiled:
        foreseen += test.calls
        if not test.calls_are_all:
          break
      for calls in (foreseen, []):
        try:
          return self._run(code, entry_point, setup_code, compiled, dict(namespace), calls)
        except session_lib.Unforeseen:
          continue
        except plain_data.NotPlain:  # a test passes something to the program that cannot leave this process
          break
    return self._run(code, entry_point, setup_code, compiled, None, [])

  def _run(self, code, entry_point, setup_code, tests, namespace, foreseen):
    """The verdict. `namespace` None: the tests run inside. Raises Unforeseen and NotPlain."""
    session = session_lib.Session(self._forker, self._settings)
    results = []
    try:
      session.load(setup_code, code, entry_point if namespace is not None else "", foreseen)
      if namespace is not None:
        random.seed(0)  # tests that draw their arguments draw the same ones in every run
        namespace[entry_point] = lambda *arguments, **keywords: session.call(arguments, keywords)
      for test in tests:
        results.append(result := self._judge(session, test, namespace))
        if result[0] != "passed":
          break
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

  def _judge(self, session, test, namespace) -> tuple[str, str]:
    """(status, detail) of one test."""
    try:
      self._start_timer()
      try:
        if namespace is None:
          session.inside(test.source)
        else:
          exec(test.code, namespace)
        session.loaded()
      finally:
        self._stop_timer()
    except session_lib.Lost as lost:
      return lost.status, lost.detail
    except _OutOfTime:
      return "timeout", f"judging took more than {self._settings['judge_cpu_seconds']:g} s of CPU time"
    except forker_lib.ZygoteLost:
      raise
    except BaseException as error:
      if session.lost is None and session.abandoned is None:
        return _why(session, test, error)
    if session.abandoned is not None:
      raise session.abandoned
    if session.lost is not None:
      return session.lost.status, session.lost.detail
    return "passed", ""

  def _start_timer(self):
    seconds = self._settings["judge_cpu_seconds"]
    self._timing = True
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds + _SECONDS_TO_STOP)  # SIGPROF ends this process

  def _stop_timer(self):
    self._timing = False
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.setitimer(signal.ITIMER_PROF, 0)

  def _on_timer(self, number, frame):
    if self._timing:
      raise _OutOfTime

  def _trace(self, *, source, call, setup_code, budget):
    session = session_lib.Session(self._forker, self._settings)
    try:
      try:
        kind, value = session.trace(source, call, setup_code, budget)
        answer = {kind: value}
      except session_lib.Lost:
        answer = None
    finally:
      session.end()
    return answer or {"killed": session.lost.status, "detail": session.lost.detail}


def _why(session, test, error):
  """(status, detail) of a test that ended with an exception."""
  if error is session.raised:
    return session.raised_status, assertions.shorten(session.raised_detail)
  if isinstance(error, MemoryError):
    return "memory", "the result is too large to judge"
  if isinstance(error, AssertionError):
    return "failed", assertions.explain(test, error)
  return "error", assertions.shorten(f"{type(error).__name__} in the test: {error}")


def _verdict(status, results=(), detail="", trust="judged", cpu_seconds=None):
  return {
      "status": status,
      "tests": [{"status": result[0], "detail": result[1]} for result in results],
      "detail": detail,
      "trust": trust,
      "cpu_seconds": cpu_seconds,
  }
