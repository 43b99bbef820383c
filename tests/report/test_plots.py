"""Tests of the plots."""

import dataclasses
import re
import xml.etree.ElementTree

from next_jax.report import plots
from next_jax.report import workdir as workdir_lib


def _evaluations(workdir):
  return workdir_lib.read(workdir).evaluations


def test_there_is_one_line_for_each_split_and_input(finished_run):
  figure = plots.pass_at(_evaluations(finished_run), 1)
  legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
  assert legend == ["dev, trace", "dev, no trace", "unseen, trace"]


def test_the_points_are_the_estimates_and_the_bars_their_intervals(finished_run):
  evaluations = [e for e in _evaluations(finished_run) if e.series == "unseen, trace" and not e.is_control]
  figure = plots.pass_at(evaluations, 1)
  line, _, (bars,) = figure.axes[0].containers[0]
  assert list(line.get_ydata()) == [e.pass_at[1].value for e in evaluations]
  ends = [[y for _, y in segment] for segment in bars.get_segments()]
  for (low, high), evaluation in zip(ends, evaluations):
    assert abs(low - evaluation.pass_at[1].low) < 1e-9
    assert abs(high - evaluation.pass_at[1].high) < 1e-9


def test_corpora_are_told_apart_when_there_are_several(finished_run):


  first = _evaluations(finished_run)[0]
  other = dataclasses.replace(first, corpus="hefix_plus", split="test")
  legend = plots.pass_at([first, other], 1).axes[0].get_legend().get_texts()
  assert [text.get_text() for text in legend] == ["minirepair dev, trace", "hefix_plus test, trace"]


def test_nothing_to_plot_is_no_figure():
  assert plots.pass_at([], 1) is None


def test_svg_is_well_formed_takes_the_colours_of_the_page_and_names_nothing_outside(finished_run):
  text = plots.svg(plots.pass_at(_evaluations(finished_run), 1), "pass@1")
  xml.etree.ElementTree.fromstring(text.replace("xlink:href", "href"))
  assert "http" not in text
  assert "var(--series-0)" in text and "var(--ink)" in text
  assert not any(colour in text for colour in plots.SERIES)
  assert re.search(r'<svg[^>]* role="img" aria-label="pass@1"', text)


def test_svg_is_the_same_bytes_each_time(finished_run):
  evaluations = _evaluations(finished_run)
  assert plots.svg(plots.pass_at(evaluations, 1), "t") == plots.svg(plots.pass_at(evaluations, 1), "t")


def test_png_is_written_whole(finished_run, tmp_path):
  plots.save_png(plots.pass_at(_evaluations(finished_run), 1), tmp_path / "p.png")
  data = (tmp_path / "p.png").read_bytes()
  assert data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82")
  assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
