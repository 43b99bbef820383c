"""The one table writer: the same cells as aligned text, as Markdown and as HTML."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from next_jax.evaluation import intervals
from next_jax.pages import markup


class Number(str):
  """A number as shown, such as "1.5*"; aligned right."""


class Html(str):
  """A cell for HTML only, such as a bar."""


@dataclasses.dataclass(frozen=True)
class Share:
  """A share, in numbers and as a bar; empty where `total` is 0."""

  part: int
  total: int

  def __str__(self) -> str:
    return f"{self.part / self.total:.3f}" if self.total else ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shift:
  """A difference, and the side of 0 that its whole interval is on: 1, -1, or 0 for neither."""

  estimate: intervals.Estimate
  sign: int

  def __str__(self) -> str:
    estimate = self.estimate
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


@dataclasses.dataclass(frozen=True)
class Group:
  """In place of a row: the name of the rows that follow."""

  name: str


# str, int, Number, Estimate, Shift, Share, Html, or None for an empty cell.
Cell = Any
Row = Sequence[Cell] | Group


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
  """Columns, rows, and what a reader must know about them.

  Attributes:
    columns: Names of the columns.
    rows: Rows with as many cells as columns, and groups.
    title: Heading.
    lead: Sentence above the table.
    notes: Text below the table.
    best: Index of the row to emphasise.
    scale: Upper end of the axis on which HTML draws estimates; None takes their highest bound.
  """

  columns: tuple[str, ...]
  rows: tuple[Row, ...]
  title: str = ""
  lead: str = ""
  notes: str = ""
  best: int | None = None
  scale: float | None = None

  def text(self, indent: str = "") -> str:
    """Aligned columns for a terminal; numbers are on the right."""
    cells = [list(self.columns), *([_text(cell) for cell in row] for row in self._plain_rows())]
    widths = [max(len(line[i]) for line in cells) for i in range(len(self.columns))]
    numeric = self._numeric()
    lines = [
        "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True))
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(f"{indent}{line.rstrip()}" for line in lines)

  def markdown(self) -> str:
    cells = [[_text(cell).replace("|", "\\|") for cell in row] for row in self._plain_rows()]
    widths = [max(len(line[i]) for line in [self.columns, *cells]) for i in range(len(self.columns))]
    lines = [_line(self.columns, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    lines += [_line(row, widths) for row in cells]
    parts = [f"## {self.title}" if self.title else "", self.lead, "\n".join(lines), self.notes]
    return "\n\n".join(part for part in parts if part)

  def html(self) -> str:
    scale = self.scale or max((cell.high for cell in self._cells(intervals.Estimate)), default=0.0) or 1.0
    rows = []
    for number, row in enumerate(self.rows):
      if isinstance(row, Group):
        rows.append(f'<tr class=group><td colspan="{len(self.columns)}">{markup.escape(row.name)}</td></tr>')
      else:
        rows.append(markup.row([_html(cell, scale) for cell in row], "best" if number == self.best else ""))
    parts = [f"<h2>{markup.escape(self.title)}</h2>"] if self.title else []
    if self.lead:
      parts.append(f"<p>{markup.escape(self.lead)}</p>")
    parts.append(markup.table(list(zip(self.columns, self._numeric(), strict=True)), rows))
    if self.notes:
      parts.append(f'<p class="soft">{markup.escape(self.notes)}</p>')
    return "\n".join(parts)

  def records(self) -> list[dict[str, Cell]]:
    """The rows as dictionaries from column to cell."""
    return [dict(zip(self.columns, row, strict=True)) for row in self._plain_rows()]

  def _plain_rows(self) -> list[Sequence[Cell]]:
    return [row for row in self.rows if not isinstance(row, Group)]

  def _cells(self, kind: type) -> list[Any]:
    return [cell for row in self._plain_rows() for cell in row if isinstance(cell, kind)]

  def _numeric(self) -> list[bool]:
    """For each column, whether it holds numbers."""
    rows = self._plain_rows()
    return [any(isinstance(row[i], (int, Number)) for row in rows) for i in range(len(self.columns))]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
  return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _text(cell: Cell) -> str:
  if cell is None:
    return ""
  return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _html(cell: Cell, scale: float) -> str:
  match cell:
    case intervals.Estimate():
      return markup.estimate(cell, scale)
    case Shift():
      side = {1: "above", 0: "neither", -1: "below"}[cell.sign]
      return f'<td class="shift {side}">{cell}</td>'
    case Share():
      return markup.meter(cell.part, cell.total)
    case Html():
      return f"<td>{cell}</td>"
    case int():
      return markup.number(f"{cell:,}")
    case Number():
      return markup.number(cell)
  return markup.cell(cell)
