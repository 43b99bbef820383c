"""The summary of a study as text for a terminal."""

from typing import Any

from next_jax.pages import table
from next_jax.rationales.raters import questions


def text(summary: dict[str, Any]) -> str:
  """Means, wins and agreement for every question; in brackets 95 % intervals over tasks."""
  lines = [
      f"{len(summary['raters'])} rater{'s' * (len(summary['raters']) != 1)}: "
      + ", ".join(f"{one['rater']} ({one['answers']} of {one['items']})" for one in summary["raters"])
  ]
  for question in questions.QUESTIONS:
    found = summary["questions"][question.name]
    choices = ", ".join(f"{name} {score:g}" for name, score in question.scores.items() if name != score)
    lines += ["", question.text + (f" ({choices})" if choices else f" ({min(question.scores)}-{max(question.scores)})")]
    lines.append(table.Table(
        columns=("model", "mean", "tasks", "answers"),
        rows=tuple(
            (model, _estimate(one, "mean"), one["num_tasks"], one["num_answers"])
            for model, one in found["models"].items()
        ),
    ).text("  "))
    if found["pairs"]:
      lines.append(table.Table(
          columns=("on the same task", "wins", "ties", "losses", "difference", "tasks"),
          rows=tuple(
              (
                  f"{pair['first']} against {pair['second']}", *(pair[name] for name in ("wins", "ties", "losses")),
                  _estimate(pair, "difference", sign="+"), pair["num_tasks"],
              )
              for pair in found["pairs"]
          ),
      ).text("  "))
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
