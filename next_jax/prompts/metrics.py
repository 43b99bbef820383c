"""Metrics in SeqIO's signature, so that SeqIO's and T5X's evaluators can run them: pass@1 by execution.

Targets are what `problem` gives, predictions what `Prompt.parse` gives; both as plain dictionaries, which SeqIO's
loggers can write.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib


def problem(task: schema.RepairTask) -> dict[str, Any]:
  """What the metric needs of a task: the tests and how to run them. Plain JSON."""
  return {
      "task_id": task.task_id, "entry_point": task.entry_point, "setup_code": task.setup_code,
      "tests": list(task.tests),
  }


@dataclasses.dataclass(frozen=True, kw_only=True)
class PassAt1:
  """The share of the tasks whose one prediction passes all public and hidden tests, each 0 to 1.

  A program that could not be judged, for a failure of ours, is left out and counted; the loop's `evaluation.repair`
  does the same. The workers are started for each call by exec, so that they share nothing with a process that holds a
  model.

  Attributes:
    num_workers: programs that run at the same time; None for one a CPU core.
    limits: of each program.
  """

  num_workers: int | None = None
  limits: limits_lib.Limits = limits_lib.Limits()

  def __call__(
      self, targets: Sequence[Mapping[str, Any]], predictions: Sequence[Mapping[str, Any]]
  ) -> dict[str, float]:
    """A SeqIO metric function.

    Args:
      targets: as `problem` gives them.
      predictions: with "fix" (None when there is none).

    Returns:
      "pass_at_1"; "refused", the share of completions without a fix; "not_judged", how many programs could not be.
    """
    written = [
        program_lib.Program(
            task_id=target["task_id"], code=prediction["fix"], entry_point=target["entry_point"],
            setup_code=target["setup_code"], tests=tuple(target["tests"]),
        )
        for target, prediction in zip(targets, predictions, strict=True)
        if prediction["fix"] is not None
    ]
    with executor_lib.Executor(num_workers=self.num_workers, limits=self.limits) as executor:
      verdicts = list(executor.verify(written))
    not_judged = sum(not verdict.is_sample for verdict in verdicts)
    judged = len(targets) - not_judged
    return {
        "pass_at_1": sum(verdict.passed for verdict in verdicts) / max(judged, 1),
        "refused": (len(targets) - len(written)) / max(len(targets), 1),
        "not_judged": float(not_judged),
    }
