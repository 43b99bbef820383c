"""A table that is said twice with the same cells: as Markdown in the terminal, as HTML on the page."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from next_jax.evaluation import intervals
from next_jax.report import markup


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shift:
  """A difference, and on which side of 0 its whole interval is: 1, -1, or 0 for neither."""

  estimate: intervals.Estimate
  sign: int

  def __str__(self) -> str:
    estimate = self.estimate
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


# str, int, Estimate, Shift, a share passed as (passed, total), or None.
Cell = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sheet:
  """Columns, rows, and what must be known to read them.

  Attributes:
    lead: a sentence above the table.
    notes: below it.
    rows: cells, as many as columns.
  """

  title: str
  columns: tuple[str, ...]
  rows: tuple[tuple[Cell, ...], ...]
  lead: str = ""
  notes: str = ""

  def markdown(self) -> str:
    cells = [[_text(cell) for cell in row] for row in self.rows]
    widths = [max(len(line[i]) for line in [self.columns, *cells]) for i in range(len(self.columns))]
    lines = [_line(self.columns, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    lines += [_line(row, widths) for row in cells]
    parts = [f"## {self.title}", self.lead, "\n".join(lines), self.notes]
    return "\n\n".join(part for part in parts if part)

  def html(self) -> str:
    estimates = [cell for row in self.rows for cell in row if isinstance(cell, intervals.Estimate)]
    scale = max((estimate.high for estimate in estimates), default=0.0) or 1.0
    numeric = [any(isinstance(row[i], int) for row in self.rows) for i in range(len(self.columns))]
    rows = [markup.row([_cell(cell, scale) for cell in row]) for row in self.rows]
    parts = [f"<h2>{markup.escape(self.title)}</h2>"]
    if self.lead:
      parts.append(f"<p>{markup.escape(self.lead)}</p>")
    parts.append(markup.table(list(zip(self.columns, numeric, strict=True)), rows))
    if self.notes:
      parts.append(f'<p class="soft">{markup.escape(self.notes)}</p>')
    return "\n".join(parts)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
  return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _text(cell: Cell) -> str:
  if cell is None:
    return ""
  if isinstance(cell, tuple):
    passed, total = cell
    return f"{passed / total:.3f}" if total else ""
  if isinstance(cell, int):
    return f"{cell:,}"
  return str(cell).replace("|", "\\|")


def _cell(cell: Cell, scale: float) -> str:
  if isinstance(cell, intervals.Estimate):
    return markup.estimate(cell, scale)
  if isinstance(cell, Shift):
    side = {1: "above", 0: "neither", -1: "below"}[cell.sign]
    return f'<td class="shift {side}">{cell}</td>'
  if isinstance(cell, tuple):
    return markup.meter(*cell)
  return markup.number(cell) if isinstance(cell, int) else markup.cell(cell)
