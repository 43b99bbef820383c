"""Small pieces of HTML that pages are made of."""

from collections.abc import Iterable
import html
from typing import Any

from next_jax.evaluation import intervals


def escape(text: Any) -> str:
  """Text for HTML; what UTF-8 cannot hold (a lone surrogate) is replaced."""
  return html.escape(str(text).encode("utf-8", "replace").decode("utf-8"))


def table(columns: Iterable[tuple[str, bool]], rows: Iterable[str]) -> str:
  """A table in a box that scrolls by itself on a narrow screen.

  Args:
    columns: name, and whether the column holds numbers.
    rows: `<tr>` elements.
  """
  head = "".join(f'<th{" class=number" if is_number else ""}>{escape(name)}</th>' for name, is_number in columns)
  body = "\n".join(rows)
  return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n'


def row(cells: Iterable[str], css_class: str = "") -> str:
  return f'<tr{f" class={css_class}" if css_class else ""}>{"".join(cells)}</tr>'


def cell(content: Any = "") -> str:
  """`content` is text; None is an empty cell."""
  return f"<td>{'' if content is None else escape(content)}</td>"


def number(text: str) -> str:
  """A cell with a number."""
  return f'<td class="number">{escape(text)}</td>'


def estimate(value: intervals.Estimate | None, scale: float) -> str:
  """A cell with an estimate in numbers, and as a dot in its interval on an axis from 0 to `scale`."""
  if value is None:
    return "<td></td>"
  low, middle, high = (100 * share / scale for share in (value.low, value.value, value.high))
  return (
      f'<td><span class="interval" aria-hidden="true"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
      f'<b style="left:{middle:.1f}%"></b></span>{value}</td>'
  )


def meter(passed: int, total: int) -> str:
  """A cell with a share, in numbers and as a bar; empty where the total is 0."""
  if not total:
    return "<td></td>"
  return (
      f'<td><span class="meter" aria-hidden="true"><i style="width:{100 * passed / total:.1f}%"></i></span>'
      f"{passed / total:.3f}</td>"
  )


def percent(value: intervals.Estimate) -> str:
  """As "12.5 % (9.1-16.2 %)"."""
  return f"<b>{100 * value.value:.1f}&nbsp;%</b> ({100 * value.low:.1f}–{100 * value.high:.1f}&nbsp;%)"


def facts(values: dict[str, Any]) -> str:
  """A list of names and values, which may be nested."""
  items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_plain(value))}</dd>" for name, value in values.items())
  return f'<dl class="facts">{items}</dl>'


def _plain(value: Any) -> str:
  if isinstance(value, dict):
    return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
  if isinstance(value, list):
    return ", ".join(map(_plain, value))
  if value is None:
    return "–"
  return f"{value:.6g}" if isinstance(value, float) else str(value)
