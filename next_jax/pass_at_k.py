"""pass@k: the chance that at least one of k samples of a task passes its tests.

Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374, section 2.1.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import math

from next_jax import errors
from next_jax import schema


def results_by_task(
    verdicts: Iterable[schema.Verdict], passed: Callable[[schema.Verdict], bool] = lambda verdict: verdict.passed
) -> dict[str, list[bool]]:
  """Task id -> whether each of its samples passed, in the order of the verdicts.

  An infrastructure failure is ours and says nothing about the model: it is no sample.

  Args:
    passed: What counts as passed; all tests by default.
  """
  results: dict[str, list[bool]] = {}
  for verdict in verdicts:
    if verdict.is_sample:
      results.setdefault(verdict.task_id, []).append(passed(verdict))
  return results


def of_tasks(results: Mapping[str, Sequence[bool]], k: int) -> dict[str, float]:
  """Task id -> pass@k, for the tasks that have `k` samples or more."""
  return {
      task_id: pass_at_k(len(passed), sum(passed), k) for task_id, passed in results.items() if len(passed) >= k
  }


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
  """The unbiased estimate from `num_samples` samples of one task, of which `num_correct` passed.

  1 - C(n - c, k) / C(n, k), the chance that k samples drawn without replacement are not all wrong,
  as a product of k or fewer ratios of moderate numbers. Raises EvaluationError for k > num_samples.
  """
  if not 0 <= num_correct <= num_samples:
    raise errors.EvaluationError(f"found {num_correct} correct of {num_samples} samples, expected 0 to {num_samples}")
  if not 1 <= k <= num_samples:
    raise errors.EvaluationError(
        f"pass@{k} needs k from 1 to the number of samples of each task, which is {num_samples} for one"
    )
  if num_samples - num_correct < k:
    return 1.0
  if k == 1:  # exact, as it is compared with thresholds: 1 - (1 - 0.3) is more than 0.3
    return num_correct / num_samples
  # C(n-c, k) / C(n, k) is symmetric in c and k; the shorter product is the faster and exacter one.
  fewer, more = sorted((num_correct, k))
  return 1.0 - math.prod(1.0 - more / (num_samples - index) for index in range(fewer))


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float:
  """The mean over tasks, each given as (num_samples, num_correct)."""
  values = [pass_at_k(num_samples, num_correct, k) for num_samples, num_correct in counts]
  if not values:
    raise errors.EvaluationError("found no tasks; pass@k is a mean over tasks and needs at least one")
  return math.fsum(values) / len(values)
