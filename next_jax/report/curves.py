"""Curves of pass@1 over iterations: a line for each arm and each chain of controls, with the dots of its seeds."""

from collections.abc import Sequence
import dataclasses
import re

import matplotlib
from matplotlib import figure as figure_lib
from matplotlib import ticker

from next_jax.report import contrasts
from next_jax.report import plots
from next_jax.report import workdir as workdir_lib


@dataclasses.dataclass(frozen=True)
class _Line:
  """Points (iteration, result) of one arm, and how they are called."""

  name: str
  points: list[tuple[int, contrasts.ModelResult]]


def over_iterations(results: Sequence[contrasts.ModelResult], *, title: str) -> figure_lib.Figure | None:
  """pass@1 of all arms on one set of tasks; None where there is nothing to draw."""
  results = [one for one in results if 1 in one.pass_at]
  lines = _lines(results)
  if not lines:
    return None
  most = max(iteration for line in lines for iteration, _ in line.points)
  with matplotlib.rc_context(plots.STYLE):  # type: ignore[arg-type]  # it lists all names
    rows = (len(lines) + 1) // 2
    figure = figure_lib.Figure(figsize=(5.5, 3.6 + 0.24 * rows), layout="constrained")
    axes = figure.add_subplot()
    for number, line in enumerate(lines):
      offset = min(0.07, 0.5 / len(lines)) * (number - (len(lines) - 1) / 2)
      colour = plots.SERIES[number % len(plots.SERIES)]
      marker = plots.MARKERS[number % len(plots.MARKERS)]
      style = ("-", "--", ":")[number // len(plots.SERIES) % 3]
      points = [(iteration + offset, one.pass_at[1].estimate) for iteration, one in line.points]
      plots.draw(axes, points, colour=colour, marker=marker, line=style, face=colour, label=line.name)
      for (place, _), (_, one) in zip(points, line.points, strict=True):
        seeds = one.pass_at[1].per_seed
        axes.plot([place] * len(seeds), seeds, color=colour, marker=".", markersize=3.5, linestyle="", alpha=0.7)
    names = ["base", *(f"NExT {number}" for number in range(1, most + 1))]
    axes.set_xticks(range(most + 1), names)
    axes.set_xlim(-0.4, most + 0.4)
    high = max(one.pass_at[1].estimate.high for line in lines for _, one in line.points)
    axes.set_ylim(0, min(1.03, max(0.1, 1.12 * high)))
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
    axes.grid(axis="y", color=plots.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, -0.1), ncols=2, borderaxespad=0.2, fontsize=10)
  return figure


def _lines(results: Sequence[contrasts.ModelResult]) -> list[_Line]:
  """Arms in their order; a chain of controls begins at its arm's base, a single control stands at the end alone.

  An arm whose results all equal an earlier arm's is left out.
  """
  last = max((int(m[1]) for one in results if (m := re.fullmatch(r"iteration_0*(\d+)", one.model))), default=0)
  lines: dict[tuple[str, str], list[tuple[int, contrasts.ModelResult]]] = {}
  bases = {one.arm: one for one in results if one.model == "base"}
  for one in results:
    if match := re.fullmatch(r"(\w+?)_0*(\d+)", one.model):
      start = [(0, bases[one.arm])] if one.arm in bases else []
      lines.setdefault((one.arm, match[1]), start).append((int(match[2]), one))
    elif one.model == "base":
      continue  # it is the beginning of its arm's line
    else:
      lines.setdefault((one.arm, one.model), []).append((last, one))
  return [
      _Line(arm if chain == "iteration" else f"{arm}, {workdir_lib.label(chain)}", sorted(points, key=lambda p: p[0]))
      for (arm, chain), points in lines.items() if not all(one.same_as for _, one in points)
  ]
