"""Several processes on one or many hosts, joined by JAX's coordination service.

The processes meet through the service's key-value store, not through the devices. They may wait for hours while another
process builds the corpus, they exchange only a few kilobytes of JSON, and they must notice when another process fails.
"""

from collections.abc import Callable, Iterator
import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import jax
from jax._src import distributed  # the client of the service has no public name; Orbax takes it from here too

from next_jax import errors
from next_jax.stages import processes

_PATIENCE_MS = 1000  # timeout of one request to the service; signals are noticed between requests
_GRACE_SECONDS = 15.0  # time in which the other processes can stop by themselves
_FAILED = "next_jax/failed"


class PodError(errors.StageError):
  """The processes cannot find one another, or another process has failed."""


@contextlib.contextmanager
def joined(
    *, coordinator_address: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> Iterator[processes.Processes]:
  """Joins the processes of a run; while active, `processes.current` returns them.

  Args:
    coordinator_address: host:port of process 0. If an argument is None, JAX finds its value (on Cloud TPU, Slurm, Open
      MPI, Kubernetes).
    num_processes: Number of processes.
    process_id: Number of this process, from 0.

  Raises:
    PodError: The processes cannot find one another, or another process fails; the message says why it failed.
  """
  # JAX's preemption service would keep SIGTERM from ending a process. A run needs no notice: it resumes from its files.
  jax.config.update("jax_enable_preemption_service", False)
  try:
    jax.distributed.initialize(
        coordinator_address, num_processes, process_id, shutdown_timeout_seconds=int(2 * _GRACE_SECONDS)
    )
    # The first access to the devices waits for all processes. Here all make it at once; later, a process that has
    # nothing left to sample would keep the others waiting for a long time.
    jax.devices()
  except (ValueError, TypeError, RuntimeError) as error:
    given = f"coordinator_address={coordinator_address}, num_processes={num_processes}, process_id={process_id}"
    raise PodError(
        f"{given}: the processes of this run do not find one another ({str(error).splitlines()[0]}); give all three"
        " to each process, or none where JAX finds them out: Cloud TPU, Slurm, Open MPI, Kubernetes"
    ) from error
  state = distributed.global_state
  with Pod(state.client, state.process_id, state.num_processes) as pod, processes.joined(pod):
    yield pod


class Pod:
  """`processes.Processes` over a client of the coordination service; a context manager.

  When an exception ends one process, PodError with its message ends all others. A process that is running Python stops
  at once. One that is not, as in a collective that waits for the failed process, is ended by force after some seconds.
  """

  def __init__(self, client: Any, index: int, count: int):
    self.index = index
    self.count = count
    self._client = client
    self._meetings = 0
    self._failure: str | None = None
    self._ended = threading.Event()
    self._handler: Any = None
    self._watcher = threading.Thread(target=self._watch, name="watch-processes", daemon=True)

  def gather(self, value: Any) -> list[Any]:
    """See `processes.Processes`."""
    key = self._next_meeting()
    self._client.key_value_set(f"{key}/{self.index}", json.dumps(value))
    if self.index == 0:
      values = [json.loads(self._get(f"{key}/{index}")) for index in range(self.count)]
      self._client.key_value_set(f"{key}/all", json.dumps(values))
    return json.loads(self._get(f"{key}/all"))

  def broadcast(self, make: Callable[[], Any]) -> Any:
    """See `processes.Processes`."""
    key = self._next_meeting()
    if self.index == 0:
      value = make()
      self._client.key_value_set(key, json.dumps(value))
      return value
    return json.loads(self._get(key))

  def __enter__(self) -> "Pod":
    self._handler = signal.signal(signal.SIGUSR1, self._stop)
    self._watcher.start()
    return self

  def __exit__(self, unused_type, error: BaseException | None, unused_traceback) -> None:
    if error is None:
      try:
        self.gather(None)  # else processes that still work would lose the service
      except processes.Stopped as stopped:
        error = stopped
    self._ended.set()
    self._watcher.join()  # if a thread were in the client when the interpreter ends, it would abort
    signal.signal(signal.SIGUSR1, self._handler)
    if isinstance(error, processes.Stopped):
      with contextlib.suppress(jax.errors.JaxRuntimeError):  # the service may be gone
        self._client.key_value_set(f"{_FAILED}/seen/{self.index}", "")
      raise PodError(self._failure) from None
    if error is not None:
      self._tell(error)

  def _tell(self, error: BaseException) -> None:
    """Tells the other processes that this one has failed, and waits until they have seen it or the time is up."""
    message = str(error) if isinstance(error, errors.UserError) else f"{type(error).__name__}: {error}"
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # the service may be what failed
      self._client.key_value_set(_FAILED, f"process {self.index} failed: {message}", allow_overwrite=True)
      deadline = time.monotonic() + _GRACE_SECONDS
      for index in range(self.count):
        if index != self.index:
          while self._ask(f"{_FAILED}/seen/{index}") is None and time.monotonic() < deadline:
            pass

  def _watch(self) -> None:
    """Runs in a thread: waits for another process to fail, then stops the main thread."""
    try:
      while self._failure is None and not self._ended.is_set():
        self._failure = self._ask(_FAILED)
    except jax.errors.JaxRuntimeError as error:
      self._failure = f"process 0, where the others meet, is gone ({str(error).splitlines()[0]})"
    if self._ended.is_set():
      return
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # it has started
    signal.pthread_kill(main_thread, signal.SIGUSR1)
    if not self._ended.wait(_GRACE_SECONDS / 2):
      print(f"next-jax: {self._failure}", file=sys.stderr, flush=True)
      os._exit(1)

  def _stop(self, *unused_signal) -> None:
    raise processes.Stopped(self._failure)

  def _next_meeting(self) -> str:
    self._meetings += 1
    return f"next_jax/meeting/{self._meetings}"

  def _get(self, key: str) -> str:
    """Waits until a key has a value, and returns it."""
    while True:
      value = self._ask(key)
      if value is not None:
        return value

  def _ask(self, key: str) -> str | None:
    """Returns the value of a key, or None if it has none within `_PATIENCE_MS`."""
    try:
      return self._client.blocking_key_value_get(key, _PATIENCE_MS)
    except jax.errors.JaxRuntimeError as error:
      if "DEADLINE_EXCEEDED" not in str(error):
        raise
      return None
