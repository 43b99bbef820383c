"""Groups of tasks that results are broken down by: the kind of bug, where it came from, how it shows, what mends it."""

from collections.abc import Callable

from next_jax import schema
from next_jax.evaluation import changes

SYMPTOMS = {"returned": "wrong value", "raised": "exception", "truncated": "endless"}  # by a trace's outcome

Grouping = Callable[[schema.RepairTask], str]

GROUPS: dict[str, Grouping] = {
    "kind": lambda task: task.bug_kind,
    "origin": lambda task: task.bug_origin,
    "symptom": lambda task: "not traced" if task.trace is None else SYMPTOMS[task.trace.outcome],
    # Without new code, words such as "line 3 should be removed" can be the whole fix.
    "mended by": lambda task: (
        "new code" if changes.new_code(task.buggy_code, task.reference_code) else "removing or moving lines"
    ),
}
