"""The fix rate of a model: pass@k over tasks with an interval, and what became of the samples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from next_jax import pass_at_k
from next_jax import schema
from next_jax.evaluation import changes
from next_jax.evaluation import groups as groups_lib
from next_jax.evaluation import intervals

REFUSED = "refused"


def fix_rate(
    tasks: Sequence[schema.RepairTask],
    samples: Sequence[schema.Sample],
    verdicts: Sequence[schema.Verdict],
    *,
    ks: Sequence[int],
    seed: int,
    groups: Mapping[str, groups_lib.Grouping] = groups_lib.GROUPS,
) -> dict[str, Any]:
  """What `metrics.json` says of one model on one set of tasks.

  pass@k is the unbiased estimator of Chen et al. (2021, arXiv 2107.03374), averaged over the tasks.
  A sample whose verdict is "infrastructure" was not judged: it is left out, and counted.

  Args:
    samples, verdicts: Samples of the tasks and their verdicts, in the same order.
    ks: Values of k; those larger than the number of judged samples of every task are left out.
    seed: The seed of the resampling.
    groups: What to break down by.

  Returns:
    "num_tasks", "num_samples" (of each task), "pass_at" (k -> value, low, high), "unchanged" (share of samples whose
    fix is the buggy program, comments aside, as a mean over tasks with low and high), "statuses" (status -> samples; a
    completion that could not be parsed is "refused"), "by_bug_kind" (kind -> tasks, samples, passed), "groups" (name of
    `groups` -> group -> "tasks", "pass_at").
  """
  of_id = {task.task_id: task for task in tasks}
  judged: dict[str, list[bool]] = {task_id: [] for task_id in of_id}
  unchanged: dict[str, list[bool]] = {task_id: [] for task_id in of_id}
  statuses: Counter[str] = Counter()
  for sample, verdict in zip(samples, verdicts, strict=True):
    unchanged[sample.task_id].append(changes.is_unchanged(of_id[sample.task_id].buggy_code, sample.fix))
    statuses[REFUSED if sample.refusal is not None else verdict.status] += 1
    if verdict.is_sample:
      judged[sample.task_id].append(verdict.passed)
  num_samples = max(Counter(sample.task_id for sample in samples).values(), default=0)
  by_kind: dict[str, Counter[str]] = {}
  for task in tasks:
    results = judged[task.task_id]
    by_kind.setdefault(task.bug_kind, Counter()).update(tasks=1, samples=len(results), passed=sum(results))
  return {
      "num_tasks": len(tasks),
      "num_samples": num_samples,
      "pass_at": _pass_at(list(judged.values()), ks, seed),
      "unchanged": intervals.estimate([sum(flags) / len(flags) for flags in unchanged.values() if flags], seed=seed),
      "statuses": {status: statuses[status] for status in (*schema.STATUSES, REFUSED) if statuses[status]},
      "by_bug_kind": {
          kind: {name: counts[name] for name in ("tasks", "samples", "passed")}
          for kind, counts in sorted(by_kind.items())
      },
      "groups": _groups(tasks, judged, ks, seed, groups),
  }


def _groups(
    tasks: Sequence[schema.RepairTask], judged: Mapping[str, Sequence[bool]], ks: Sequence[int], seed: int,
    groups: Mapping[str, groups_lib.Grouping],
) -> dict[str, dict[str, Any]]:
  found: dict[str, dict[str, Any]] = {}
  for name, group_of in groups.items():
    members: dict[str, list[Sequence[bool]]] = {}
    for task in tasks:
      members.setdefault(group_of(task), []).append(judged[task.task_id])
    found[name] = {
        group: {"tasks": len(results), "pass_at": _pass_at(results, ks, seed)}
        for group, results in sorted(members.items())
    }
  return found


def _pass_at(judged: Sequence[Sequence[bool]], ks: Sequence[int], seed: int) -> dict[str, Any]:
  """k -> estimate, for every k that some task has enough samples for."""
  found = {}
  for k in ks:
    values = list(pass_at_k.of_tasks({str(number): results for number, results in enumerate(judged)}, k).values())
    if values:
      found[str(k)] = intervals.estimate(values, seed=seed)
  return found
