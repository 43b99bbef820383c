"""Pool: workers of one kind, and the loop that feeds them and keeps their answers in order."""

import collections
from collections.abc import Callable, Generator, Iterable, Iterator
import dataclasses
import selectors
import signal
import time
from typing import Any

from next_jax import errors
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib
from next_jax.execution.judging import worker as worker_lib

# Jobs that a worker holds: the one that runs, and the next.
_JOBS_A_WORKER = 2
# Programs read ahead of the next verdict in order, per worker.
_WINDOW_A_WORKER = 64
# Attempts to run a program while the failure is ours; each retry runs on a fresh worker.
_MAX_ATTEMPTS = 3
# Consecutive workers that may fail to judge the known-good programs.
_MAX_STARTS = 3
# Wall-clock time on top of every limit that the judge keeps by itself, for each run of a program.
_WATCHDOG_SECONDS = 20.0
# A program runs with foreseen calls, then without them, then with the tests inside its own process.
_MOST_RUNS = 3

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


@dataclasses.dataclass
class _Task:
  """An item of the input on its way through a pool."""

  item: Any
  job: dict
  index: int
  attempts: int = 0


class _Stream:
  """The input of one `Pool.map`: reads tasks, keeps those to send again, and puts results in order."""

  def __init__(self, items: Iterable, job: Callable[[Any], dict], result: Callable[[Any, dict], Any], window: int):
    self._tasks = (_Task(item, job(item), index) for index, item in enumerate(items))
    self._result = result
    self._window = window
    self._exhausted = False
    self._again: collections.deque[_Task] = collections.deque()
    self._done: dict[int, Any] = {}
    self._taken = self._given = 0

  def take(self) -> _Task | None:
    """The next task; None if there is none, or if the workers are too far ahead of the consumer."""
    if self._again:
      return self._again.popleft()
    if self._exhausted or self._taken - self._given >= self._window:
      return None
    task = next(self._tasks, None)
    if task is None:
      self._exhausted = True
    else:
      self._taken += 1
    return task

  def put_back(self, tasks: list[_Task]) -> None:
    self._again.extendleft(reversed(tasks))

  def finish(self, task: _Task, answer: dict) -> None:
    self._done[task.index] = self._result(task.item, answer)

  def results_in_order(self) -> Iterator:
    while self._given in self._done:
      # Counted before it is given: the consumer may take its time, or never come back.
      self._given += 1
      yield self._done.pop(self._given - 1)

  @property
  def is_over(self) -> bool:
    return self._exhausted and self._given == self._taken


class Pool:
  """Workers of one kind.

  Args:
    num_workers: Number of workers.
    settings: Settings of each worker; see zygote.python.
    directory: Parent of the workers' scratch directories.
    on_start: Called for each worker, before it judges any program, with the layers of confinement that it
      lacks (layer -> reason).
  """

  def __init__(
      self, num_workers: int, settings: dict, directory: str, on_start: Callable[[dict[str, str]], None]
  ):
    self._num_workers = num_workers
    self._settings = settings
    self._directory = directory
    self._on_start = on_start
    self._workers: list[worker_lib.Worker] = []
    self._starting: dict[worker_lib.Worker, int] = {}  # worker -> canaries that it still has to answer
    self._failed_starts = 0
    self._busy = False
    self._closed = False
    longest = limits_lib.longest_seconds(settings["cpu_seconds"], settings["wall_slack"])
    self._usual_seconds = settings["cpu_seconds"] + settings["wall_slack"]
    self._watchdog_seconds = _MOST_RUNS * (longest + 100 * settings["judge_cpu_seconds"] + _WATCHDOG_SECONDS)

  def fill(self) -> None:
    """Starts workers until there are `num_workers`; each first gets programs of known verdict."""
    if self._closed:
      raise RuntimeError("the executor was closed")
    while len(self._workers) < self._num_workers:
      worker = worker_lib.Worker(self._settings, self._directory)
      self._workers.append(worker)
      self._starting[worker] = len(_CANARIES)
      try:
        for program, _ in _CANARIES:
          worker.send(program.job())
      except OSError as error:
        self._fail(worker, error, None)

  def close(self) -> None:
    """Ends all workers, with the programs that they run; the pool cannot be used again."""
    self._closed = True
    while self._workers:
      self._workers.pop().close()
    self._starting.clear()

  def missing(self) -> list[dict[str, str]]:
    """The layers of confinement that each worker lacks (layer -> reason); waits until all have reported."""
    self.fill()
    while self._starting:
      self._wait(None)
      self.fill()
    return [worker.missing or {} for worker in self._workers]

  def map(
      self, items: Iterable, job: Callable[[Any], dict], result: Callable[[Any, dict], Any]
  ) -> Generator[Any, None, None]:
    """Yields `result(item, answer)` for each item, in order; `job(item)` is what a judge gets.

    Raises RuntimeError while an earlier stream is open, and ExecutionError if workers cannot be started.
    """
    if self._busy:
      raise RuntimeError("the executor is still busy with an earlier stream; finish or close that one first")
    self._busy = True
    try:
      stream = _Stream(items, job, result, _WINDOW_A_WORKER * self._num_workers)
      while True:
        yield from stream.results_in_order()
        self.fill()
        self._feed(stream)
        if stream.is_over:
          return
        self._wait(stream)
    finally:
      self._busy = False
      for worker in [worker for worker in self._workers if worker.jobs]:
        self._discard(worker)

  def _feed(self, stream):
    for worker in [worker for worker in self._workers if worker not in self._starting]:
      while worker in self._workers and len(worker.jobs) < _JOBS_A_WORKER and (task := stream.take()) is not None:
        if not worker.jobs:
          worker.since = time.monotonic()
        worker.jobs.append(task)
        try:
          worker.send(task.job)
        except OSError as error:
          self._fail(worker, error, stream)

  def _wait(self, stream):
    """Waits at most a second for workers to answer, and takes what has arrived."""
    with selectors.PollSelector() as selector:
      for worker in self._workers:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.has_outgoing else 0)
        selector.register(worker, events)
      ready = selector.select(1.0)
    for key, events in ready:
      self._attend(key.fileobj, events, stream)
    now = time.monotonic()
    for worker in [worker for worker in self._workers if worker.jobs]:
      if now - worker.since > self._watchdog_seconds:
        self._fail(worker, "the worker stopped answering", stream)
      elif now - worker.since > self._usual_seconds:
        worker.resume()

  def _attend(self, worker, events, stream):
    try:
      if events & selectors.EVENT_WRITE:
        worker.flush()
      was_known = worker.missing is not None
      answers = worker.receive() if events & selectors.EVENT_READ else []
    except OSError as error:
      self._fail(worker, error, stream)
      return
    if not was_known and worker.missing is not None:
      self._on_start(worker.missing)
    for answer in answers:
      if worker in self._starting:
        self._check_canary(worker, answer)
      elif "infrastructure" in answer:
        self._fail(worker, answer["infrastructure"], stream)
      else:
        task = worker.jobs.pop(0)
        worker.since = time.monotonic()
        stream.finish(task, answer)
      if worker not in self._workers:
        return

  def _check_canary(self, worker, answer):
    program, expected = _CANARIES[len(_CANARIES) - self._starting[worker]]
    found = answer.get("status", "infrastructure")
    if found != expected:
      self._discard(worker)
      why = answer.get("infrastructure") or answer["detail"]
      self._count_failed_start(f"{program.task_id} has status {found!r} ({why}), expected {expected!r}")
      return
    self._starting[worker] -= 1
    if not self._starting[worker]:
      del self._starting[worker]
      self._failed_starts = 0

  def _count_failed_start(self, why):
    self._failed_starts += 1
    if self._failed_starts >= _MAX_STARTS:
      raise errors.ExecutionError(
          f"programs cannot be executed on this machine: {why}. Check that there is memory and room for processes, and"
          " that the executor's Limits leave enough for a Python interpreter"
      )

  def _fail(self, worker, why, stream):
    """Removes a worker that did not answer; sends its jobs again, or gives up on the one that it ran."""
    was_starting = worker in self._starting
    jobs, worker.jobs = worker.jobs, []
    status = self._discard(worker)
    if was_starting:
      self._count_failed_start(f"a worker ended with exit status {status} before it judged anything ({why})")
    if not jobs:
      return
    suspect, *others = jobs
    if status == -signal.SIGPROF:
      # The judge's hard timer: comparing what this program returned took too long.
      seconds = self._settings["judge_cpu_seconds"]
      detail = f"judging took more than {seconds:g} s of CPU time"
      stream.finish(suspect, {"status": "timeout", "detail": detail})
    else:
      suspect.attempts += 1
      if suspect.attempts < _MAX_ATTEMPTS:
        others.insert(0, suspect)
      else:
        stream.finish(suspect, {"infrastructure": f"{why} ({_MAX_ATTEMPTS} attempts)"})
    stream.put_back(others)

  def _discard(self, worker):
    self._workers.remove(worker)
    self._starting.pop(worker, None)
    return worker.close()
