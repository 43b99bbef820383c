"""Turns a claimed repair task into a proven one: the bug fails, the reference passes, the trace shows it."""

import dataclasses
from collections.abc import Iterator, Sequence

from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import program as program_lib
from next_jax.tracing import calls
from next_jax.tracing import recorder

# How a bug shows on the first public test, by the status of its verdict.
SHOWS = {"failed": "wrong value", "error": "exception", "timeout": "endless", "memory": "memory"}

# What a prompt shows of a loop is its first rounds and its last: ten thousand steps of an endless one say no more
# than five hundred, and would be most of the bytes of a corpus. Steps end a trace, not the clock, which on a busy
# machine would end it elsewhere.
TRACE_BUDGET = recorder.Budget(max_steps=500, max_seconds=30.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proven:
  """A task of which the executor has seen that it is one; `shows` is a value of SHOWS."""

  task: schema.RepairTask
  shows: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dropped:
  """A claim that did not hold; the reasons are counted in the statistics of a corpus."""

  task: schema.RepairTask
  reason: str


def prove(tasks: Sequence[schema.RepairTask], executor: executor_lib.Executor) -> Iterator[Proven | Dropped]:
  """Runs every bug and every reference on all tests, and moves the first test that the bug fails to the front.

  There are as many public tests afterwards as before. The tests of a program run in one namespace, so a test may
  pass or fail because of an earlier one: what is proven is proven for the order that the task is given out with.

  Args:
    tasks: their tests, public and hidden, in order of preference for the prompt.
    executor: an open one.

  Yields:
    A result for each task, in order.
  """
  tasks = list(tasks)
  bugs = list(executor.verify(_program(task, task.buggy_code) for task in tasks))
  ordered = [_failing_first(task, verdict) for task, verdict in zip(tasks, bugs)]
  # Once more those whose order has changed, for the failure must not need the tests that were before it.
  changed = [task for task, before in zip(ordered, tasks) if task is not None and task.tests != before.tests]
  again = iter(list(executor.verify(_program(task, task.buggy_code) for task in changed)))
  references = list(dict.fromkeys(_program(task, task.reference_code, "") for task in ordered if task is not None))
  passes = dict(zip(references, executor.verify(references)))
  for task, proven, verdict in zip(tasks, ordered, bugs):
    if proven is None:
      yield Dropped(task=task, reason=_reason(verdict))
      continue
    if proven.tests != task.tests:
      verdict = next(again)
    reference = passes[_program(proven, proven.reference_code, "")]
    if verdict.passed or len(verdict.tests) > 1:
      yield Dropped(task=task, reason="the bug fails a test only after other tests")
    elif verdict.status not in SHOWS:
      yield Dropped(task=task, reason=_reason(verdict))
    elif not reference.passed:
      yield Dropped(task=task, reason=f"the reference does not pass ({reference.status})")
    else:
      yield Proven(task=proven, shows=SHOWS[verdict.status])


def traced(
    tasks: Sequence[schema.RepairTask], executor: executor_lib.Executor, budget: recorder.Budget = TRACE_BUDGET
) -> Iterator[schema.RepairTask]:
  """The tasks with the trace of the bug on the first public test.

  Raises:
    CallError: that test does not call the entry point.
  """
  for task, trace in zip(tasks, executor.trace(map(_trace_request, tasks), budget)):
    yield dataclasses.replace(task, trace=trace)


def _program(task: schema.RepairTask, code: str, task_id: str | None = None) -> program_lib.Program:
  return program_lib.Program(
      task_id=task.task_id if task_id is None else task_id, code=code, entry_point=task.entry_point,
      setup_code=task.setup_code, tests=task.tests,
  )


def _failing_first(task: schema.RepairTask, verdict: schema.Verdict) -> schema.RepairTask | None:
  if verdict.status not in SHOWS:
    return None
  # A verdict has results up to the first failure, and none when the program did not even load.
  failing = max(0, len(verdict.tests) - 1)
  tests = [task.tests[failing], *task.tests[:failing], *task.tests[failing + 1 :]]
  num_public = len(task.public_tests)
  return dataclasses.replace(task, public_tests=tuple(tests[:num_public]), hidden_tests=tuple(tests[num_public:]))


def _reason(verdict: schema.Verdict) -> str:
  return "the bug passes all tests" if verdict.passed else f"the bug could not be judged ({verdict.status})"


def _trace_request(task: schema.RepairTask) -> program_lib.TraceRequest:
  test_call = calls.test_call(task.public_tests[0], task.entry_point)
  # Statements of the test before the call may use what the program defines, so they stand after it. The lines of
  # the program keep their numbers, and the module's own body is not in the trace.
  source = f"{task.buggy_code}\n\n{test_call.preceding}\n" if test_call.preceding else task.buggy_code
  return program_lib.TraceRequest(
      task_id=task.task_id, source=source, call=test_call.call, setup_code=task.setup_code
  )
