"""Proves claimed repair tasks by execution: the reference passes, the bug fails, and the failure is traced."""

from collections.abc import Callable, Sequence
import dataclasses
from typing import ClassVar

from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import program as program_lib
from next_jax.tracing.recording import calls
from next_jax.tracing.recording import recorder

# Status of the verdict -> how the bug shows.
SHOWS = {"failed": "wrong value", "error": "exception", "timeout": "endless", "memory": "memory"}

WRONG_REFERENCE = "the reference does not pass"

# A prompt shows the first rounds and the last round of a loop. Ten thousand steps of an endless one say no more than
# five hundred, and would be most of the bytes of a corpus. The number of steps ends a trace, not the clock, because the
# clock would end it elsewhere on a busy machine.
TRACE_BUDGET = recorder.Budget(max_steps=500, max_seconds=30.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProofResult(schema.Record):
  """The result of proving a claim.

  Attributes:
    task_id: Task id of the claim.
    task: The proven task; None if the claim did not hold.
    shows: How the bug shows, a value of SHOWS; "" if the claim did not hold.
    hidden_only: The bug passes all public tests.
    reason: Why the claim did not hold; "" if it did. The statistics of a corpus count the reasons.
  """

  record_name: ClassVar[str] = "result of proving"
  task_id: str
  task: schema.RepairTask | None = None
  shows: str = ""
  hidden_only: bool = False
  reason: str = ""


class Prover:
  """Runs bugs and references, and decides which test is shown and traced.

  The first public test that the bug fails moves to the front. If the bug passes all public tests and fails a hidden
  one, the order stays, and the first public test is traced. The tests of a program run in one namespace, so an earlier
  test can affect a later one. Tasks are therefore proven for their final order of tests.

  Args:
    executor: An open executor.
    form: Chooses the final public and hidden tests of a task, once the failing test is in front.
    bug_cpu_seconds: CPU seconds after which a bug counts as endless, or four times what the reference takes if that is
      more. None means the executor's limit. A corpus of mutants has hundreds of endless bugs, and each uses all its
      time.
    budget: Limits of the traces.
  """

  def __init__(
      self,
      executor: executor_lib.Executor,
      *,
      form: Callable[[schema.RepairTask], schema.RepairTask] = lambda task: task,
      bug_cpu_seconds: float | None = None,
      budget: recorder.Budget = TRACE_BUDGET,
  ):
    self._executor = executor
    self._form = form
    self._bug_cpu_seconds = bug_cpu_seconds
    self._budget = budget
    self._references: dict[program_lib.Program, schema.Verdict] = {}

  def prove(self, claims: Sequence[schema.RepairTask]) -> list[ProofResult]:
    """A result for each claim, in order; proven tasks have their traces.

    Args:
      claims: Unproven tasks. Their public tests are all tests that may be shown, in order of preference.

    Raises:
      CallError: The first public test of a proven task does not call the entry point.
    """
    results: dict[int, ProofResult] = {}

    def drop(index: int, reason: str) -> None:
      results[index] = ProofResult(task_id=claims[index].task_id, reason=reason)

    def those_with_reference(tasks: dict[int, schema.RepairTask]) -> dict[int, schema.RepairTask]:
      for index, verdict in zip(tasks, self._reference_verdicts(list(tasks.values())), strict=True):
        if not verdict.passed:
          drop(index, f"{WRONG_REFERENCE} ({verdict.status})")
      return {index: task for index, task in tasks.items() if index not in results}

    claimed = those_with_reference(dict(enumerate(claims)))
    verdicts = self._bug_verdicts(claimed)
    formed, in_front = {}, {}
    for index, verdict in verdicts.items():
      if verdict.status not in SHOWS:
        drop(index, _reason(verdict))
        continue
      # A verdict has results up to the first failure, and none if the program did not load.
      failing = max(0, len(verdict.tests) - 1)
      in_front[index] = failing < len(claims[index].public_tests)
      formed[index] = self._form(_moved_to_front(claims[index], failing) if in_front[index] else claims[index])
    formed = those_with_reference(formed)
    # Tasks whose tests have changed run again: the failure must not need the tests that were before it.
    verdicts |= self._bug_verdicts({i: task for i, task in formed.items() if task.tests != claims[i].tests})
    for index in formed:
      verdict = verdicts[index]
      if verdict.passed or (in_front[index] and len(verdict.tests) > 1):
        drop(index, "the bug fails a test only after other tests")
      elif verdict.status not in SHOWS:
        drop(index, _reason(verdict))
    proven = {index: task for index, task in formed.items() if index not in results}
    traces = self._executor.trace(map(_trace_request, proven.values()), self._budget)
    for index, trace in zip(proven, traces, strict=True):
      task = dataclasses.replace(proven[index], trace=trace)
      shows = SHOWS[verdicts[index].status]
      results[index] = ProofResult(task_id=task.task_id, task=task, shows=shows, hidden_only=not in_front[index])
    return [results[index] for index in range(len(claims))]

  def _reference_verdicts(self, tasks: Sequence[schema.RepairTask]) -> list[schema.Verdict]:
    programs = [_program(task, task.reference_code) for task in tasks]
    missing = [program for program in dict.fromkeys(programs) if program not in self._references]
    self._references.update(zip(missing, self._executor.verify(missing), strict=True))
    return [self._references[program] for program in programs]

  def _bug_verdicts(self, tasks: dict[int, schema.RepairTask]) -> dict[int, schema.Verdict]:
    """Verdicts of the bugs, by index; the references of these tasks have passed."""
    programs = [
        dataclasses.replace(_program(task, task.buggy_code), cpu_seconds=self._limit(reference))
        for task, reference in zip(tasks.values(), self._reference_verdicts(list(tasks.values())), strict=True)
    ]
    return dict(zip(tasks, self._executor.verify(programs), strict=True))

  def _limit(self, reference: schema.Verdict) -> float | None:
    if self._bug_cpu_seconds is None:
      return None
    return max(self._bug_cpu_seconds, 4 * (reference.cpu_seconds or 0.0))


def _program(task: schema.RepairTask, code: str) -> program_lib.Program:
  return program_lib.Program(
      task_id="", code=code, entry_point=task.entry_point, setup_code=task.setup_code, tests=task.tests
  )


def _moved_to_front(task: schema.RepairTask, failing: int) -> schema.RepairTask:
  tests = task.public_tests
  return dataclasses.replace(task, public_tests=(tests[failing], *tests[:failing], *tests[failing + 1 :]))


def _reason(verdict: schema.Verdict) -> str:
  return "the bug passes all tests" if verdict.passed else f"the bug could not be judged ({verdict.status})"


def _trace_request(task: schema.RepairTask) -> program_lib.TraceRequest:
  test_call = calls.test_call(task.public_tests[0], task.entry_point)
  # Statements of the test before the call may use what the program defines, so they come after it. The program keeps
  # its line numbers, and module-level code is not in the trace.
  source = f"{task.buggy_code}\n\n{test_call.preceding}\n" if test_call.preceding else task.buggy_code
  return program_lib.TraceRequest(
      task_id=task.task_id, source=source, call=test_call.call, setup_code=task.setup_code
  )
