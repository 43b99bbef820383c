"""Plots of pass@k over iterations, with 95 % intervals.

A figure becomes a PNG for the README, or an SVG for the page. In the SVG every colour is a CSS
variable of the page (`var(--ink)`, `var(--series-0)`), so that a plot follows light and dark.
"""

from collections.abc import Sequence
import io
import re

from etils import epath
import matplotlib
from matplotlib import figure as figure_lib
from matplotlib import ticker

from next_jax.report import workdir as workdir_lib

# Okabe and Ito's colours, told apart by people with every kind of colour vision.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
_INK, GRID = "#1d2330", "#d5d9e2"

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "next-jax",  # without it the ids of the SVG are random
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.parse_math": False,  # a "$" in the name of a split is a dollar sign
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def pass_at(evaluations: Sequence[workdir_lib.EvaluationRecord], k: int) -> figure_lib.Figure | None:
  """pass@k of every model, one line for each split and input; None when no evaluation has a pass@k.

  The iterations are joined by a line. Controls stand apart on the right, hollow and not joined.
  """
  evaluations = [evaluation for evaluation in evaluations if k in evaluation.pass_at]
  if not evaluations:
    return None
  models = list(dict.fromkeys(evaluation.model for evaluation in evaluations))
  several = len({evaluation.corpus for evaluation in evaluations}) > 1
  names = [f"{e.corpus} {e.series}" if several else e.series for e in evaluations]
  series = list(dict.fromkeys(names))
  with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # it lists all names
    figure = figure_lib.Figure(figsize=(5.5, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for number, name in enumerate(series):
      # Side by side, so that intervals of several series at one model can be told apart.
      offset = 0.09 * (number - (len(series) - 1) / 2)
      colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
      mine = [evaluation for evaluation, its_name in zip(evaluations, names) if its_name == name]
      main = [(models.index(e.model) + offset, e.pass_at[k]) for e in mine if not e.is_control]
      control = [(models.index(e.model) + offset, e.pass_at[k]) for e in mine if e.is_control]
      shown = name if len(name) <= 40 else name[:39] + "…"
      draw(axes, main, colour=colour, marker=marker, line="-", face=colour, label=shown)
      draw(axes, control, colour=colour, marker=marker, line="", face="none", label="" if main else shown)
    num_controls = sum(workdir_lib.is_control(model) for model in models)
    if 0 < num_controls < len(models):
      axes.axvline(len(models) - num_controls - 0.5, color=_INK, alpha=0.35, linewidth=1, linestyle=(0, (2, 3)))
    axes.set_xticks(range(len(models)), [workdir_lib.label(model).replace(": ", ":\n") for model in models])
    axes.set_xlim(-0.5, len(models) - 0.5)
    axes.set_ylim(0, min(1.03, max(0.1, 1.12 * max(e.pass_at[k].high for e in evaluations))))
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(f"pass@{k}", loc="left", fontsize=13, fontweight="bold")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, -0.14), ncols=2, borderaxespad=0.2, fontsize=10)
  return figure


def draw(axes, points, *, colour, marker, line, face, label) -> None:
  """Draws (place, estimate) points with their intervals, joined by `line`."""
  if not points:
    return
  values = [estimate.value for _, estimate in points]
  below = [estimate.value - estimate.low for _, estimate in points]
  above = [estimate.high - estimate.value for _, estimate in points]
  axes.errorbar(
      [x for x, _ in points], values, yerr=[below, above], color=colour, marker=marker, linestyle=line, linewidth=1.8,
      markersize=6.5, markerfacecolor=face, markeredgecolor=colour, markeredgewidth=1.6, elinewidth=1.4, capsize=3,
      label=label or None,
  )


def save_png(figure: figure_lib.Figure, path: epath.PathLike) -> None:
  """Writes the figure on white, at 2 pixels a point."""
  buffer = io.BytesIO()
  with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # it lists all names
    figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
  path = epath.Path(path)
  partial = path.parent / f".{path.name}.partial"
  partial.write_bytes(buffer.getvalue())
  partial.replace(path)


def svg(figure: figure_lib.Figure, title: str) -> str:
  """The figure as an SVG element to stand inside an HTML page; `title` is for screen readers."""
  buffer = io.StringIO()
  with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # it lists all names
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
  text = buffer.getvalue()
  text = text[text.index("<svg") :]
  text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
  text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would style the whole page
  text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)  # an SVG inside HTML needs no namespace
  text = re.sub(r'(<svg[^>]*?) width="[^"]*"', rf'\1 role="img" aria-label="{title}"', text, count=1)
  text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
  text = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--sans)", text)
  variables = {_INK: "var(--ink)", GRID: "var(--line)"}
  variables |= {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)}
  for colour, variable in variables.items():
    text = text.replace(colour, variable)
  # Glyph outlines are not in the file, so white space between tags carries nothing.
  return re.sub(r">\s+<", "><", text).strip()
