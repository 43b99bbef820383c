"""The page on which one rater answers: blind, in one file, driven by the keyboard."""

from collections.abc import Sequence
from typing import Any

from next_jax.pages import document
from next_jax.pages import program
from next_jax.rationales.raters import draw
from next_jax.rationales.raters import questions

_PACKAGE = "next_jax.rationales.raters"
_TITLE = "Rating rationales"

_BODY = f"""<h1>{_TITLE}</h1>
<div id="rate"><noscript>This page needs JavaScript.</noscript></div>"""


def html(ordered: Sequence[draw.Drawn], *, study: str, built: str, number: int) -> str:
  """Page `number` of the study. It holds no name of a model, task, kind of bug or file, and no verdict."""
  return document.document(
      title=_TITLE, body=_BODY, data={"study": study, "built": built, "page": number, **data(ordered)},
      styles=[(_PACKAGE, "page.css")], scripts=[(_PACKAGE, "page.js")],
  )


def data(ordered: Sequence[draw.Drawn]) -> dict[str, Any]:
  """{"questions": [...], "tasks": [...], "items": [...]} as `page.js` reads it; tasks in the order of their items."""
  numbers: dict[str, int] = {}
  tasks: list[dict[str, Any]] = []
  for one in ordered:
    if one.item.task_id not in numbers:
      numbers[one.item.task_id] = len(tasks)
      tasks.append(_task(one))
  return {
      "questions": [
          {"name": question.name, "text": question.text, "choices": list(question.scores)}
          for question in questions.QUESTIONS
      ],
      "tasks": tasks,
      "items": [_item(one, numbers[one.item.task_id]) for one in ordered],
  }


def _task(one: draw.Drawn) -> dict[str, Any]:
  trace = one.task.trace  # the id of a task may say what is wrong in it, so a page numbers them
  return {
      "instruction": one.task.instruction,
      "tests": list(one.task.public_tests),
      "call": trace.call if trace else None,
      "outcome": f"{trace.outcome} {trace.detail}".strip() if trace else None,
      "program": program.annotated(one.task),
  }


def _item(one: draw.Drawn, task: int) -> dict[str, Any]:
  sample = one.sample
  return {
      "item": one.item.item,
      "task": task,
      "rationale": sample.completion if sample.rationale is None else sample.rationale,
      "diff": None if sample.fix is None else program.diff(one.task.buggy_code, sample.fix),
  }
