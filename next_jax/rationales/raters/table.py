"""The summary of a study as text for a terminal."""

from collections.abc import Sequence
from typing import Any

from next_jax.rationales.raters import questions


def text(summary: dict[str, Any]) -> str:
  """Means, wins and agreement of every question; in brackets 95 % intervals, over tasks."""
  lines = [
      f"{len(summary['raters'])} rater{'s' * (len(summary['raters']) != 1)}: "
      + ", ".join(f"{one['rater']} ({one['answers']} of {one['items']})" for one in summary["raters"])
  ]
  for question in questions.QUESTIONS:
    found = summary["questions"][question.name]
    choices = ", ".join(f"{name} {score:g}" for name, score in question.scores.items() if name != score)
    lines += ["", question.text + (f" ({choices})" if choices else f" ({min(question.scores)}-{max(question.scores)})")]
    lines += _columns(
        ["model", "mean", "tasks", "answers"],
        [
            [model, _estimate(one, "mean"), str(one["num_tasks"]), str(one["num_answers"])]
            for model, one in found["models"].items()
        ],
    )
    if found["pairs"]:
      lines += _columns(
          ["on the same task", "wins", "ties", "losses", "difference", "tasks"],
          [
              [
                  f"{pair['first']} against {pair['second']}",
                  *(str(pair[name]) for name in ("wins", "ties", "losses")),
                  _estimate(pair, "difference", sign="+"), str(pair["num_tasks"]),
              ]
              for pair in found["pairs"]
          ],
      )
    lines.append(f"  {_agreement(found['agreement'])}")
  return "\n".join(lines)


def _agreement(found: dict[str, Any] | None) -> str:
  if found is None:
    return "Krippendorff's alpha: needs two raters or more"
  items = f"{found['num_items']} items with two answers or more"
  if found["alpha"] is None:
    return f"Krippendorff's alpha: not defined ({items}{', all of them the same' * bool(found['num_items'])})"
  return f"Krippendorff's alpha (ordinal): {_estimate(found, 'alpha')}; {items}"


def _estimate(found: dict[str, Any], name: str, sign: str = "") -> str:
  if found[name] is None:
    return "-"
  return f"{found[name]:{sign}.2f} [{found['low']:{sign}.2f}, {found['high']:{sign}.2f}]"


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
  widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
  return ["  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() for row in (head, *rows)]
