"""Programs in, verdicts out: spreads them over worker processes and keeps their order."""

import collections
import dataclasses
import os
import selectors
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from next_jax import errors
from next_jax import schema
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib
from next_jax.execution import worker as worker_lib

# Jobs that a worker holds: one to run and one to go on with when it is done.
_JOBS_A_WORKER = 2
# Programs taken from the input ahead of the verdict that is next in order, per worker.
_WINDOW_A_WORKER = 64
# How often a program is tried when the failure is ours, each time on a worker started afresh.
_MAX_ATTEMPTS = 3
# How often in a row a worker may fail to judge the known-good programs.
_MAX_STARTS = 3
# On top of every limit that the judge keeps by itself.
_WATCHDOG_SECONDS = 60.0

_CANARIES = (
    (
        program_lib.Program(
            task_id="canary/good",
            code="def double(values):\n  return [2 * value for value in values]\n",
            entry_point="double",
            tests=("assert double([1, 2]) == [2, 4]",),
        ),
        "passed",
    ),
    (
        program_lib.Program(
            task_id="canary/bad",
            code="def double(values):\n  return list(values)\n",
            entry_point="double",
            tests=("assert double([1, 2]) == [2, 4]",),
        ),
        "failed",
    ),
)


class ExecutionError(errors.UserError):
  """Programs cannot be run on this machine, not even one that is known to be good."""


class Executor:
  """Runs programs of unknown intent on their tests.

  Use it as a context manager. Each worker is two processes, a judge that evaluates the tests and a
  zygote that forks the programs' processes; both are started by exec and know nothing of this one.

  Args:
    num_workers: programs that run at the same time; None for one a CPU core.
    limits: of each program.
    namespaces: put the programs of a worker into a process namespace, where the kernel permits it.
  """

  changes_no_result = ("num_workers", "namespaces")  # see selftrain/settings.py

  def __init__(
      self,
      *,
      num_workers: int | None = None,
      limits: limits_lib.Limits = limits_lib.Limits(),
      namespaces: bool = True,
  ):
    if num_workers is None:
      num_workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if num_workers < 1:
      raise limits_lib.LimitError(f"Executor.num_workers: found {num_workers}, expected at least 1")
    self._num_workers = num_workers
    self._limits = limits
    self._namespaces = namespaces
    self._directory: str | None = None
    self._pools: dict[str, _Pool] = {}

  def __enter__(self) -> "Executor":
    self._directory = tempfile.mkdtemp(prefix="next_jax_")
    try:
      self._pool("verify").fill()
    except BaseException:
      self.close()
      raise
    return self

  def __exit__(self, *exception_info) -> None:
    self.close()

  def close(self) -> None:
    """Ends all processes; what was being run is lost."""
    for pool in self._pools.values():
      pool.close()
    self._pools.clear()
    if self._directory is not None:
      shutil.rmtree(self._directory, ignore_errors=True)
      self._directory = None

  def has_namespaces(self) -> bool:
    """Whether all workers run their programs in process namespaces; waits until that is known."""
    return self._pool("verify").has_namespaces()

  def verify(self, programs: Iterable[program_lib.Program]) -> Iterator[schema.Verdict]:
    """Verdicts in the order of the programs, as they become known.

    Programs are read only as far ahead as the workers need; a consumer that stops early ends what
    runs. Raises ExecutionError when known-good programs do not pass.
    """

    def job(program):
      return {
          "program": {
              "code": program.code,
              "entry_point": program.entry_point,
              "setup_code": program.setup_code,
              "tests": program.tests,
          }
      }

    return self._pool("verify").map(programs, job, _verdict)

  def trace(
      self, requests: Iterable[program_lib.TraceRequest], budget: Any = None
  ) -> Iterator[schema.Trace]:
    """Traces in the order of the requests; one that had to be killed has outcome "truncated".

    budget: a `tracing.recorder.Budget`, None for its defaults. A source that does not compile, or a
      call that is no expression, comes back as outcome "raised".
    """
    fields = None if budget is None else dataclasses.asdict(budget)

    def job(request):
      return {
          "trace": {
              "source": request.source,
              "call": request.call,
              "setup_code": request.setup_code,
              "budget": fields,
          }
      }

    return self._pool("trace").map(requests, job, _trace)

  def _pool(self, name):
    if self._directory is None:
      raise RuntimeError("the executor is not open; use it as `with Executor() as executor: ...`")
    if name not in self._pools:
      settings = {**dataclasses.asdict(self._limits), "preload": [], "namespaces": self._namespaces}
      if name == "trace":
        settings["preload"] = ["next_jax.tracing.recorder"]
      self._pools[name] = _Pool(self._num_workers, settings, self._directory)
    return self._pools[name]


def _verdict(program, answer):
  if "infrastructure" in answer:
    return schema.Verdict(
        task_id=program.task_id,
        sample_index=program.sample_index,
        status="infrastructure",
        detail=answer["infrastructure"],
    )
  return schema.Verdict.from_json({"task_id": program.task_id, "sample_index": program.sample_index, **answer})


def _trace(request, answer):
  if "trace" in answer:
    try:
      return schema.Trace.from_json(answer["trace"])
    except schema.RecordError as error:  # only a program that writes its own answer gets here
      answer = {"detail": f"its process sent something else than a trace: {error}"}
  if "refused" in answer:
    return schema.Trace(call=request.call, steps=(), outcome="raised", detail=answer["refused"])
  detail = answer.get("detail") or answer["infrastructure"]
  return schema.Trace(call=request.call, steps=(), outcome="truncated", detail=f"killed: {detail}")


@dataclasses.dataclass
class _Task:
  """An item of the input on its way through a pool."""

  item: Any
  job: dict
  index: int
  attempts: int = 0


class _Pool:
  """Workers of one kind, and the loop that feeds them."""

  def __init__(self, num_workers, settings, directory):
    self._num_workers = num_workers
    self._settings = settings
    self._directory = directory
    self._workers: list[worker_lib.Worker] = []
    self._starting: dict[worker_lib.Worker, int] = {}  # canaries that are still to be answered
    self._failed_starts = 0
    self._busy = False
    self._wall_seconds = settings["cpu_seconds"] + settings["wall_slack"]
    self._watchdog_seconds = 2 * (self._wall_seconds + settings["judge_cpu_seconds"]) + _WATCHDOG_SECONDS

  def fill(self):
    """Starts workers up to the number; each is first given programs of known verdict."""
    while len(self._workers) < self._num_workers:
      worker = worker_lib.Worker(self._settings, self._directory)
      self._workers.append(worker)
      self._starting[worker] = len(_CANARIES)
      for program, _ in _CANARIES:
        worker.send({"program": {
            "code": program.code, "entry_point": program.entry_point, "setup_code": "", "tests": program.tests,
        }})  # fmt: skip

  def close(self):
    while self._workers:
      self._workers.pop().close()
    self._starting.clear()

  def has_namespaces(self):
    self.fill()
    while self._starting:
      self._wait(collections.deque(), {}, None)
      self.fill()
    return all(worker.is_namespace for worker in self._workers)

  def map(self, items: Iterable, job: Callable, result: Callable) -> Iterator:
    if self._busy:
      raise RuntimeError("the executor is still at an earlier stream; finish or close that one first")
    self._busy = True
    waiting: collections.deque[_Task] = collections.deque()  # to be sent again
    done: dict[int, Any] = {}
    try:
      tasks = (_Task(item, job(item), index) for index, item in enumerate(items))
      exhausted = False
      taken = given = 0
      while True:
        while given in done:
          yield done.pop(given)
          given += 1
        self.fill()
        for worker in [worker for worker in self._workers if worker not in self._starting]:
          while len(worker.jobs) < _JOBS_A_WORKER:
            if waiting:
              task = waiting.popleft()
            elif not exhausted and taken - given < _WINDOW_A_WORKER * self._num_workers:
              task = next(tasks, None)
              if task is None:
                exhausted = True
                break
              taken += 1
            else:
              break
            self._send(worker, task, waiting, done, result)
        if exhausted and given == taken:
          return
        if given not in done:
          self._wait(waiting, done, result)
    finally:
      self._busy = False
      for worker in [worker for worker in self._workers if worker.jobs]:
        self._discard(worker)

  def _send(self, worker, task, waiting, done, result):
    if not worker.jobs:
      worker.since = time.monotonic()
    worker.jobs.append(task)
    try:
      worker.send(task.job)
    except OSError as error:
      self._fail(worker, error, waiting, done, result)

  def _wait(self, waiting, done, result):
    """Waits for some worker to answer, and takes what has come."""
    with selectors.DefaultSelector() as selector:
      for worker in self._workers:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.has_outgoing else 0)
        selector.register(worker, events)
      ready = selector.select(1.0)
    for key, events in ready:
      worker = key.fileobj
      try:
        if events & selectors.EVENT_WRITE:
          worker.flush()
        answers = worker.receive() if events & selectors.EVENT_READ else []
      except OSError as error:
        self._fail(worker, error, waiting, done, result)
        continue
      for answer in answers:
        if worker in self._starting:
          self._check_canary(worker, answer)
        elif "infrastructure" in answer:
          self._fail(worker, answer["infrastructure"], waiting, done, result)
          break
        else:
          task = worker.jobs.pop(0)
          worker.since = time.monotonic()
          done[task.index] = result(task.item, answer)
    now = time.monotonic()
    for worker in list(self._workers):
      if worker.jobs and now - worker.since > self._wall_seconds:
        worker.go_on()
      if worker.jobs and now - worker.since > self._watchdog_seconds:
        self._fail(worker, "the worker stopped answering", waiting, done, result)

  def _check_canary(self, worker, answer):
    program, expected = _CANARIES[len(_CANARIES) - self._starting[worker]]
    found = answer.get("status", "infrastructure")
    if found != expected:
      self._discard(worker)
      self._count_failed_start(f"{program.task_id} has status {found!r}, expected {expected!r}: {answer}")
      return
    self._starting[worker] -= 1
    if not self._starting[worker]:
      del self._starting[worker]
      self._failed_starts = 0

  def _count_failed_start(self, why):
    self._failed_starts += 1
    if self._failed_starts >= _MAX_STARTS * self._num_workers:
      raise ExecutionError(
          f"programs cannot be executed: {why}. Check that there is memory and room for processes, and that"
          f" Limits (now {self._settings}) leave enough for a Python interpreter"
      )

  def _fail(self, worker, why, waiting, done, result):
    """Takes a worker out whose answer did not come, and sees to what it was given."""
    was_starting = worker in self._starting
    jobs, worker.jobs = worker.jobs, []
    status = self._discard(worker)
    if was_starting:
      self._count_failed_start(f"a worker ended with exit status {status} before it judged anything ({why})")
    if not jobs:
      return
    suspect, *others = jobs
    if status == -signal.SIGPROF:
      # The judge's hard timer: comparing what this program returned is what does not end.
      seconds = self._settings["judge_cpu_seconds"]
      detail = f"judging took more than {seconds:g} s of CPU time"
      done[suspect.index] = result(suspect.item, {"status": "timeout", "detail": detail})
    else:
      suspect.attempts += 1
      if suspect.attempts < _MAX_ATTEMPTS:
        others.insert(0, suspect)
      else:
        done[suspect.index] = result(suspect.item, {"infrastructure": f"{why} ({_MAX_ATTEMPTS} attempts)"})
    waiting.extendleft(reversed(others))

  def _discard(self, worker):
    self._workers.remove(worker)
    self._starting.pop(worker, None)
    return worker.close()
