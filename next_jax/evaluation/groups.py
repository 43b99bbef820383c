"""Groups of tasks that results are broken down by: the kind of bug, where it came from, how it shows."""

from collections.abc import Callable

from next_jax import schema

SYMPTOMS = {"returned": "wrong value", "raised": "exception", "truncated": "endless"}  # by a trace's outcome

GROUPS: dict[str, Callable[[schema.RepairTask], str]] = {
    "kind": lambda task: task.bug_kind,
    "origin": lambda task: task.bug_origin,
    "symptom": lambda task: "not traced" if task.trace is None else SYMPTOMS[task.trace.outcome],
}
