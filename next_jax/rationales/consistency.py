"""Consistency of rationale and trace: did the run do what the rationale says?

    for finding in check(task, "At step (4) total=3. The call raises KeyError."):
      print(finding.status, finding.statement.text, finding.why)

docs/method.md, step 2 (NExT, Ni et al., arXiv 2404.14662, section 4.2): rationales that contradict the trace are
dropped. Patterns find the claims, a module of `claims` for each kind; what no pattern matches is not judged. A claim is
"supported" or "contradicted" where trace, source and public tests decide, and "unverifiable" where they do not: about
other inputs, after the end of a truncated trace, inside an abridged value.
"""

from collections.abc import Callable, Sequence
import dataclasses
import itertools
from typing import Any

from next_jax import schema
from next_jax.evaluation import intervals
from next_jax.rationales.claims import check_events
from next_jax.rationales.claims import check_states
from next_jax.rationales.claims import evidence
from next_jax.rationales.claims import exceptions
from next_jax.rationales.claims import executions
from next_jax.rationales.claims import literals
from next_jax.rationales.claims import results
from next_jax.rationales.claims import statement as statement_lib
from next_jax.rationales.claims import states
from next_jax.rationales.claims import status as status_lib

SUPPORTED, CONTRADICTED, UNVERIFIABLE = STATUSES = status_lib.STATUSES

PATTERNS: tuple[statement_lib.Pattern, ...] = (
    states.values, states.types, states.definitions, results.results, exceptions.exceptions, executions.terminations,
    executions.executions,
)
CHECKS: dict[str, Callable[[statement_lib.Statement, evidence.Evidence], status_lib.Check]] = {
    "value": check_states.values, "type": check_states.types, "definition": check_states.definitions,
    "exception": check_events.exceptions, "execution": check_events.executions, "result": check_events.results,
    "termination": check_events.terminations,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckedClaim:
  """A statement and its status; `why` is the reason, for people."""

  statement: statement_lib.Statement
  status: str
  why: str


class Checker:
  """Checks rationales of one task.

  A task without a trace has nothing to check against: every statement is unverifiable.
  """

  def __init__(self, task: schema.RepairTask):
    traced = task if task.trace is not None else dataclasses.replace(task, trace=_NO_TRACE)
    self._evidence = evidence.Evidence(traced)
    self._is_traced = task.trace is not None
    self._names = statement_lib.Names(
        variables=self._evidence.variables, functions=self._evidence.functions, entry_point=task.entry_point,
        source_lines=self._evidence.source_lines,
    )

  def check(self, rationale: str) -> tuple[CheckedClaim, ...]:
    """The statements of a rationale, in its order, each with its status. Accepts any text."""
    return tuple(self._finding(statement) for statement in statements(rationale, self._names))

  def contradicts(self, rationale: str) -> bool:
    """Whether a statement of the rationale is contradicted."""
    return any(finding.status == CONTRADICTED for finding in self.check(rationale))

  def _finding(self, statement: statement_lib.Statement) -> CheckedClaim:
    if not self._is_traced:
      return CheckedClaim(statement=statement, status=UNVERIFIABLE, why="the task has no trace")
    status, why = CHECKS[statement.kind](statement, self._evidence)
    if status == CONTRADICTED and statement.is_supposed and not self._is_given(statement):
      status, why = UNVERIFIABLE, f"supposed; of this run, {why}"
    return CheckedClaim(statement=statement, status=status, why=why)

  def _is_given(self, statement: statement_lib.Statement) -> bool:
    """Whether the condition of a statement holds in the run."""
    return bool(statement.given) and all(
        any(literals.same(value, state.literal) for state in self._evidence.states.get(name, ()))
        for name, value in statement.given
    )


_NO_TRACE = schema.Trace(call="", steps=(), outcome="truncated", detail="no trace")


def check(task: schema.RepairTask, rationale: str) -> tuple[CheckedClaim, ...]:
  """As `Checker(task).check(rationale)`, which is faster for many rationales of a task."""
  return Checker(task).check(rationale)


def statements(rationale: str, names: statement_lib.Names) -> list[statement_lib.Statement]:
  """The claims of a rationale, by position."""
  found: dict[statement_lib.Statement, None] = {}
  for sentence in statement_lib.sentences(rationale, names):
    for pattern in PATTERNS:
      found.update(dict.fromkeys(pattern(sentence)))
  return sorted(found, key=lambda statement: statement.start)


def consistency(
    tasks: Sequence[schema.RepairTask], samples: Sequence[schema.Sample], *, seed: int = 0
) -> dict[str, Any]:
  """How far the rationales of samples agree with the traces of their tasks.

  Samples without a rationale are left out, and counted. Means are over tasks, of the means over a task's samples, and
  so are their bootstrap intervals of 95 %.

  Args:
    tasks: Traced tasks.
    samples: The samples of these tasks, in any order.
    seed: The seed of the resampling.

  Returns:
    "num_tasks", "num_samples" (with a rationale), "without_rationale"; "contradicted_rationales" (share of rationales
    with a contradiction), "supported_statements", "contradicted_statements" (shares of all statements of a task) and
    "statements" (mean number in a rationale), each with value, low and high; "by_kind" (kind -> status -> count).
  """
  of_task: dict[str, list[tuple[CheckedClaim, ...]]] = {task.task_id: [] for task in tasks}
  texts: dict[str, list[str]] = {task.task_id: [] for task in tasks}
  without = 0
  for sample in samples:
    if sample.rationale:
      texts[sample.task_id].append(sample.rationale)
    else:
      without += 1
  for task in tasks:
    checker = Checker(task)
    of_task[task.task_id] = [checker.check(text) for text in texts[task.task_id]]
  by_kind: dict[str, dict[str, int]] = {}
  for finding in itertools.chain(*itertools.chain(*of_task.values())):
    counts = by_kind.setdefault(finding.statement.kind, dict.fromkeys(STATUSES, 0))
    counts[finding.status] += 1
  rationales = [found for found in of_task.values() if found]

  def has(status: str) -> list[float]:
    return [sum(any(f.status == status for f in found) for found in task) / len(task) for task in rationales]

  def share(status: str) -> list[float]:
    pooled = [[f.status == status for found in task for f in found] for task in rationales]
    return [sum(flags) / len(flags) for flags in pooled if flags]

  return {
      "num_tasks": len(rationales),
      "num_samples": sum(len(found) for found in rationales),
      "without_rationale": without,
      "contradicted_rationales": intervals.estimate(has(CONTRADICTED), seed=seed),
      "supported_statements": intervals.estimate(share(SUPPORTED), seed=seed),
      "contradicted_statements": intervals.estimate(share(CONTRADICTED), seed=seed),
      "statements": intervals.estimate([sum(map(len, task)) / len(task) for task in rationales], seed=seed),
      "by_kind": {kind: by_kind[kind] for kind in statement_lib.KINDS if kind in by_kind},
  }
