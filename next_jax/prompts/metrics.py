"""Metrics in SeqIO's signature, so that SeqIO's and T5X's evaluators can run them: pass@1 by execution.

Targets come from `problem`, predictions from `Prompt.parse`. Both are plain dictionaries, so that SeqIO's loggers can
write them.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib


def problem(task: schema.RepairTask) -> dict[str, Any]:
  """The part of a task that the metric needs: the tests and how to run them, as plain JSON."""
  return {
      "task_id": task.task_id, "entry_point": task.entry_point, "setup_code": task.setup_code,
      "tests": list(task.tests),
  }


@dataclasses.dataclass(frozen=True, kw_only=True)
class PassAt1:
  """pass@1: the share of tasks, from 0 to 1, whose one prediction passes all public and hidden tests.

  A program that could not be judged because of an infrastructure failure is left out and counted, as in the loop's
  `evaluation.repair`. Each call starts its workers by exec, so they share nothing with the process that holds the
  model.

  Attributes:
    num_workers: Number of programs that run at the same time; None means one per CPU core.
    limits: Time and memory limits of each program.
  """

  num_workers: int | None = None
  limits: limits_lib.Limits = limits_lib.Limits()

  def __call__(
      self, targets: Sequence[Mapping[str, Any]], predictions: Sequence[Mapping[str, Any]]
  ) -> dict[str, float]:
    """A SeqIO metric function.

    Args:
      targets: What `problem` returned for each task.
      predictions: Mappings with the key "fix"; its value is None when the completion has no fix.

    Returns:
      "pass_at_1"; "refused", the share of completions without a fix; "not_judged", the number of programs that could
      not be judged.
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
