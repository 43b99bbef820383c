"""What raters found: means of every model, who wins on the same task, and whether the raters agree."""

import collections
from collections.abc import Collection, Mapping, Sequence
import dataclasses
import itertools
import math
from typing import Any

from next_jax import errors
from next_jax.evaluation import intervals
from next_jax.rationales.raters import agreement
from next_jax.rationales.raters import answers as answers_lib
from next_jax.rationales.raters import key as key_lib
from next_jax.rationales.raters import questions


def summarize(key: key_lib.Key, raters: Sequence[answers_lib.RaterFile], *, seed: int = 0) -> dict[str, Any]:
  """The merged answers, as JSON.

  Every mean is over tasks, of each task over its raters, with the 95 % interval of the bootstrap over tasks. A win is a
  rater's higher score for one model than for the other on the same task.

  Returns:
    A dictionary: "study", "seed", "raters" (name, page, answers, items), and for each of "questions": "models" (model
    -> mean, low, high, num_tasks, num_answers), "pairs" (first, second, wins and losses of the first, ties, difference,
    low, high, num_tasks) and "agreement" (alpha, low, high, num_items), which is None for a single rater.

  Raises:
    RationaleError: Nothing was answered, or the package for the agreement of several raters is missing.
  """
  if not any(one.answers for one in raters):
    raise errors.RationaleError("no item is answered in these files; expected answers to one or more")
  return {
      "study": key.study,
      "seed": seed,
      "raters": [
          {"rater": one.rater, "page": one.page, "answers": len(one.answers), "items": len(key.items)}
          for one in raters
      ],
      "questions": {question.name: _question(question, key, raters, seed) for question in questions.QUESTIONS},
  }


def _question(
    question: questions.Question, key: key_lib.Key, raters: Sequence[answers_lib.RaterFile], seed: int
) -> dict[str, Any]:
  scores = [{answer.item: answer.score(question) for answer in one.answers} for one in raters]
  items = {item.item: item for item in key.items}
  # (model, task) -> rater's number -> score
  given: dict[tuple[str, str], dict[int, float]] = collections.defaultdict(dict)
  for number, of_rater in enumerate(scores):
    for item, score in of_rater.items():
      given[items[item].model, items[item].task_id][number] = score
  tasks = list(dict.fromkeys(item.task_id for item in key.items))
  found = None
  if len(raters) > 1:
    task_of = {item.item: item.task_id for item in key.items}
    found = agreement.alpha(scores, task_of, list(question.scores.values()), seed=seed)
  return {
      "models": {model: _model([given.get((model, task), {}) for task in tasks], seed) for model in key.models},
      "pairs": [
          {"first": a, "second": b, **_pair([(given.get((a, t), {}), given.get((b, t), {})) for t in tasks], seed)}
          for a, b in itertools.combinations(key.models, 2)
      ],
      "agreement": None if found is None else dataclasses.asdict(found),
  }


def _model(by_task: Sequence[Mapping[int, float]], seed: int) -> dict[str, Any]:
  means = [_mean(of_task.values()) for of_task in by_task if of_task]
  return {"mean": _mean(means) if means else None, **_interval(means, seed), "num_answers": sum(map(len, by_task))}


def _pair(by_task: Sequence[tuple[Mapping[int, float], Mapping[int, float]]], seed: int) -> dict[str, Any]:
  differences = [[first[rater] - second[rater] for rater in first if rater in second] for first, second in by_task]
  each = [difference for of_task in differences for difference in of_task]
  means = [_mean(of_task) for of_task in differences if of_task]
  return {
      "wins": sum(difference > 0 for difference in each),
      "ties": sum(difference == 0 for difference in each),
      "losses": sum(difference < 0 for difference in each),
      "difference": _mean(means) if means else None,
      **_interval(means, seed),
  }


def _mean(values: Collection[float]) -> float:
  return math.fsum(values) / len(values)


def _interval(means: Sequence[float], seed: int) -> dict[str, Any]:
  low, high = intervals.bootstrap_interval(means, seed=seed) if means else (None, None)
  return {"low": low, "high": high, "num_tasks": len(means)}
