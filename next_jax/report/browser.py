"""The data of the page's browser of samples: plain JSON, bounded in size.

Each task occurs once, however many models were evaluated on it.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

from next_jax import schema
from next_jax.evaluation import results as results_lib
from next_jax.pages import program
from next_jax.report import workdir as workdir_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
  """How much a page may hold; the page says where it is abridged.

  Attributes:
    tasks: Tasks shown per evaluation, in file order.
    samples: Samples shown per task, by index, so that the choice does not depend on the outcome.
    characters: Maximum length of a text; a longer one is cut and says so.
  """

  tasks: int = 100
  samples: int = 4
  characters: int = 6000


def data(
    evaluations: Sequence[workdir_lib.EvaluationRecord], bounds: Bounds,
    default: workdir_lib.EvaluationRecord | None = None,
) -> dict[str, Any]:
  """{"tasks": [...], "evaluations": [...]} as `page.js` reads it; `default` is the one it opens with."""
  tasks = _Tasks()
  shown = [_evaluation(one, tasks, bounds) | {"is_default": one is default} for one in evaluations]
  return {"tasks": [_task(task, bounds) for task in tasks.numbered], "evaluations": shown}


class _Tasks:
  """The tasks of all evaluations, each once: models are measured on the same ones."""

  def __init__(self):
    self.numbered: list[schema.RepairTask] = []
    self._numbers: dict[tuple[str, str, str], int] = {}

  def number(self, task: schema.RepairTask) -> int:
    key = (task.task_id, task.buggy_code, task.instruction)  # a trace is long, and follows from the rest
    if key not in self._numbers:
      self._numbers[key] = len(self.numbered)
      self.numbered.append(task)
    return self._numbers[key]


def _evaluation(evaluation: workdir_lib.EvaluationRecord, tasks: _Tasks, bounds: Bounds) -> dict[str, Any]:
  results = results_lib.read(evaluation.directory)  # its metrics.json is written when the files are whole
  groups: list[dict[str, Any]] = []
  counts: dict[str, list[int]] = {}
  for task_id, task in results.tasks.items():
    mine = [(sample, results.verdicts[task_id, sample.sample_index]) for sample in results.samples[task_id]]
    counts[task_id] = [sum(verdict.passed for _, verdict in mine), len(mine)]
    if len(groups) < bounds.tasks:
      shown = [_sample(task, sample, verdict, bounds) for sample, verdict in mine[: bounds.samples]]
      groups.append({"key": task_id, "task": tasks.number(task), "samples": shown})
  return {
      "id": f"{evaluation.model}/{evaluation.name}",
      "set": f"{evaluation.corpus}/{evaluation.split}",
      "model_label": workdir_lib.label(evaluation.model),
      "label": f"{workdir_lib.label(evaluation.model)} · {evaluation.corpus} {evaluation.series}",
      "input": evaluation.input,
      "directory": f"{evaluation.model}/evaluate/{evaluation.name}/samples.jsonl",
      "num_samples": sum(number for _, number in counts.values()),
      "counts": counts,
      "tasks": groups,
  }


def _task(task: schema.RepairTask, bounds: Bounds) -> dict[str, Any]:
  trace = task.trace
  return {
      "task_id": task.task_id,
      "instruction": _cut(task.instruction, bounds),
      "bug_kind": task.bug_kind,
      "bug_origin": task.bug_origin,
      "call": trace.call if trace else None,
      "outcome": f"{trace.outcome} {trace.detail}".strip() if trace else None,
      "tests": [
          {"code": _cut(test, bounds), "is_public": number < len(task.public_tests)}
          for number, test in enumerate(task.tests)
      ],
      "program": _program(task, bounds),
  }


def _program(task: schema.RepairTask, bounds: Bounds) -> list[list[str]]:
  """[code, comment] of each line of the annotated program; bounded where there is no comment to keep it apart from."""
  lines = program.annotated(task)
  if any(comment for _, comment in lines):
    return lines
  return [[line, ""] for line in _cut("\n".join(code for code, _ in lines), bounds).split("\n")]


def _sample(task: schema.RepairTask, sample: schema.Sample, verdict: schema.Verdict, bounds: Bounds) -> dict[str, Any]:
  out = {
      "sample_index": sample.sample_index,
      "status": "refused" if sample.refusal is not None else verdict.status,
      "detail": _cut(verdict.detail, bounds),
      "tests": [result.status for result in verdict.tests],
      "log_probability": round(sample.log_probability, 4),
      "token_count": sample.token_count,
  }
  if sample.rationale is not None:
    out["rationale"] = _cut(sample.rationale, bounds)
  if sample.fix is not None:
    out["diff"] = _cut(program.diff(task.buggy_code, sample.fix), bounds)
  else:
    out |= {"completion": _cut(sample.completion, bounds), "refusal": sample.refusal or ""}
  return out


def _cut(text: str, bounds: Bounds) -> str:
  if len(text) <= bounds.characters:
    return text
  return f"{text[: bounds.characters]}\n... ({len(text) - bounds.characters} more characters)"
