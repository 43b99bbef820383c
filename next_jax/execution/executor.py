"""Executor: runs programs on worker processes and gives their verdicts in order."""

from collections.abc import Collection, Generator, Iterable
import dataclasses
import logging
import os
import shutil
import tempfile
from typing import Any

from next_jax import errors
from next_jax import schema
from next_jax.execution import limits as limits_lib
from next_jax.execution import pool as pool_lib
from next_jax.execution import program as program_lib
from next_jax.execution.confinement import confinement as confinement_lib

_LOGGER = logging.getLogger("next_jax.execution")


class Executor:
  """Runs untrusted programs on their tests.

  Use it as a context manager. Each worker is two processes: a judge that evaluates the tests, and a
  zygote that forks a process for each program. Both start by exec and know nothing of this process.

  Args:
    num_workers: Programs that run at the same time; None for one per CPU core.
    limits: Limits of each program.
    layers: Layers of confinement to apply, each where the kernel permits it; see confinement.py. Missing
      layers are reported once, as a warning of the logger "next_jax.execution".
    require_all_layers: Whether to run nothing if one of all layers is missing.

  Attributes:
    confined: Result of the last `confinement`, kept after the processes have ended; None before the first.
  """

  changes_no_result = ("num_workers", "layers", "require_all_layers")  # see stages/settings.py

  def __init__(
      self,
      *,
      num_workers: int | None = None,
      limits: limits_lib.Limits = limits_lib.Limits(),
      layers: Collection[str] = confinement_lib.LAYERS,
      require_all_layers: bool = False,
  ):
    if num_workers is None:
      num_workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if num_workers < 1:
      raise errors.ExecutionError(f"Executor.num_workers: found {num_workers}, expected at least 1")
    self._num_workers = num_workers
    self._limits = limits
    if unknown := set(layers) - set(confinement_lib.LAYERS):
      expected = ", ".join(confinement_lib.LAYERS)
      raise errors.ExecutionError(f"Executor.layers: found {min(unknown)!r}, expected some of {expected}")
    self._layers = tuple(layers)
    self._require_all_layers = require_all_layers
    self._has_warned = False
    self.confined: confinement_lib.Confinement | None = None
    self._directory: str | None = None
    self._pools: dict[str, pool_lib.Pool] = {}

  def __enter__(self) -> "Executor":
    self._directory = tempfile.mkdtemp(prefix="next_jax_")
    try:
      self._pool("verify").fill()
      if self._require_all_layers:
        self.confinement()
    except BaseException:
      self.close()
      raise
    return self

  def __exit__(self, *exception_info) -> None:
    self.close()

  def close(self) -> None:
    """Ends all processes; programs that are still running get no verdict."""
    for pool in self._pools.values():
      pool.close()
    self._pools.clear()
    if self._directory is not None:
      shutil.rmtree(self._directory, ignore_errors=True)
      self._directory = None

  def confinement(self) -> confinement_lib.Confinement:
    """The layers that all workers have; waits until all of them have started."""
    self.confined = confinement_lib.of_workers(self._pool("verify").missing())
    return self.confined

  def verify(self, programs: Iterable[program_lib.Program]) -> Generator[schema.Verdict, None, None]:
    """Yields verdicts in the order of the programs, as soon as they are known.

    Programs are read only as far ahead as the workers need. A consumer that stops early closes the
    generator, which ends the programs that still run.

    Raises:
      ExecutionError: known-good programs do not pass on this machine.
      RuntimeError: the executor is not open, or still busy with an earlier stream.
    """
    return self._pool("verify").map(programs, program_lib.Program.job, _verdict)

  def outputs(self, requests: Iterable[program_lib.OutputsRequest]) -> Generator[program_lib.Outputs, None, None]:
    """Yields what reference solutions return, in the order of the requests; raises as `verify` does."""
    return self._pool("verify").map(requests, program_lib.OutputsRequest.job, _outputs)

  def trace(
      self, requests: Iterable[program_lib.TraceRequest], budget: Any = None
  ) -> Generator[schema.Trace, None, None]:
    """Yields traces in the order of the requests; raises as `verify` does.

    The trace of a program that had to be killed has outcome "truncated". A source that does not
    compile, or a call that is not an expression, has outcome "raised".

    Args:
      requests: Calls to trace.
      budget: A `tracing.recording.budgets.Budget`; None for its defaults.
    """
    fields = None if budget is None else dataclasses.asdict(budget)
    return self._pool("trace").map(requests, lambda request: request.job(fields), _trace)

  def _pool(self, name):
    if self._directory is None:
      raise RuntimeError("the executor is not open; use it as `with Executor() as executor: ...`")
    if name not in self._pools:
      settings = {**dataclasses.asdict(self._limits), "preload": [], "layers": self._layers}
      if name == "trace":
        settings["preload"] = ["next_jax.tracing.recording.recorder"]
      self._pools[name] = pool_lib.Pool(self._num_workers, settings, self._directory, self._on_start)
    return self._pools[name]

  def _on_start(self, missing):
    if not missing or (self._has_warned and not self._require_all_layers):
      return
    confinement = confinement_lib.of_workers([missing])
    if self._require_all_layers:
      raise errors.ExecutionError(
          f"Executor.require_all_layers: {confinement}. Run on a kernel, or in a container, that permits all layers,"
          " or set Executor.require_all_layers = False"
      )
    self._has_warned = True
    _LOGGER.warning("%s", confinement)


def _verdict(program, answer):
  if "infrastructure" in answer:
    return schema.Verdict(
        task_id=program.task_id,
        sample_index=program.sample_index,
        status="infrastructure",
        detail=answer["infrastructure"],
    )
  return schema.Verdict.from_json({"task_id": program.task_id, "sample_index": program.sample_index, **answer})


def _outputs(request, answer):
  if "infrastructure" in answer:
    raise errors.ExecutionError(f"task {request.task_id!r} could not be run: {answer['infrastructure']}; try again")
  return program_lib.Outputs(**{"expected": [], "cpu_seconds": 0.0, **answer})


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
