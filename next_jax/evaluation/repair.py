"""The fix rate of a model: pass@k over tasks with an interval, and what became of the samples."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from next_jax import pass_at_k
from next_jax import schema
from next_jax.evaluation import intervals

NUM_RESAMPLES = 2000
REFUSED = "refused"


def fix_rate(
    tasks: Sequence[schema.RepairTask],
    samples: Sequence[schema.Sample],
    verdicts: Sequence[schema.Verdict],
    *,
    ks: Sequence[int],
    seed: int,
) -> dict[str, Any]:
  """What `metrics.json` says of one model on one set of tasks.

  pass@k is the unbiased estimator of Chen et al. (2021, arXiv 2107.03374), averaged over the tasks.
  A sample whose verdict is "infrastructure" was not judged: it is left out, and counted.

  Args:
    samples, verdicts: of the tasks, in the same order.
    ks: those larger than the number of judged samples of every task are left out.
    seed: of the resampling.

  Returns:
    "num_tasks", "num_samples" (of each task), "pass_at" (k -> value, low, high), "statuses"
    (status -> samples; a completion that could not be parsed is "refused"), "by_bug_kind"
    (kind -> tasks, samples, passed).
  """
  judged: dict[str, list[bool]] = {task.task_id: [] for task in tasks}
  statuses: Counter[str] = Counter()
  for sample, verdict in zip(samples, verdicts, strict=True):
    statuses[REFUSED if sample.refusal is not None else verdict.status] += 1
    if verdict.status != "infrastructure":
      judged[sample.task_id].append(verdict.passed)
  num_samples = max(Counter(sample.task_id for sample in samples).values(), default=0)
  by_kind: dict[str, Counter[str]] = {}
  for task in tasks:
    results = judged[task.task_id]
    by_kind.setdefault(task.bug_kind, Counter()).update(tasks=1, samples=len(results), passed=sum(results))
  return {
      "num_tasks": len(tasks),
      "num_samples": num_samples,
      "pass_at": {str(k): estimate for k in ks if (estimate := _estimate(list(judged.values()), k, seed))},
      "statuses": {status: statuses[status] for status in (*schema.STATUSES, REFUSED) if statuses[status]},
      "by_bug_kind": {
          kind: {name: counts[name] for name in ("tasks", "samples", "passed")}
          for kind, counts in sorted(by_kind.items())
      },
  }


def _estimate(judged: Sequence[Sequence[bool]], k: int, seed: int) -> dict[str, float] | None:
  values = [pass_at_k.pass_at_k(len(results), sum(results), k) for results in judged if len(results) >= k]
  if not values:
    return None
  low, high = intervals.bootstrap_interval(values, num_resamples=NUM_RESAMPLES, seed=seed)
  return {"value": _rounded(math.fsum(values) / len(values)), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float) -> float:
  # The last bits of a mean differ between machines; nobody can mean them.
  return round(value, 6)
