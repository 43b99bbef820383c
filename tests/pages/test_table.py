"""One table, said three ways: aligned text, Markdown and HTML have the same cells."""

import re

import pytest

from next_jax.evaluation import intervals
from next_jax.pages import table

HALF = intervals.Estimate(value=0.5, low=0.25, high=0.75)
TABLE = table.Table(
    title="Results", lead="Before.", notes="After.", best=3,
    columns=("model", "tasks", "pass@1", "change", "share", "minutes"),
    rows=(
        table.Group("dev"),
        ("base", 1200, HALF, None, table.Share(1, 4), table.Number("1.5*")),
        table.Group("unseen"),
        ("a|b <i>", 7, None, table.Shift(estimate=HALF, sign=1), table.Share(0, 0), None),
    ),
)


def test_text_is_aligned_with_numbers_on_the_right():
  head, rule, first, second = TABLE.text().split("\n")
  assert set(rule) == {"-", " "}
  assert head.index("tasks") + len("tasks") == first.index("1,200") + len("1,200") == second.index(" 7") + 2
  assert first.index("0.500 [0.250, 0.750]") == head.index("pass@1")
  assert "+0.500 [+0.250, +0.750]" in second and "1.5*" in first and "0.250" in first


def test_text_can_be_indented():
  assert all(line.startswith("  ") for line in TABLE.text("  ").split("\n"))


def test_markdown_has_title_lead_and_notes_and_as_many_cells_in_every_row():
  text = TABLE.markdown()
  assert text.startswith("## Results\n\nBefore.\n\n|") and text.endswith("|\n\nAfter.")
  lines = [line for line in text.split("\n") if line.startswith("|")]
  assert len(lines) == 4 and len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
  assert r"a\|b" in lines[3]


def test_html_escapes_text_and_marks_groups_the_best_row_and_the_side_of_zero():
  html = TABLE.html()
  assert "a|b &lt;i&gt;" in html and "<i>" not in html.replace("<i style", "")
  assert html.count("<tr class=group>") == 2 and "<tr class=best>" in html
  assert 'class="shift above"' in html
  assert html.count('class="number"') == 3  # cells; the heads of their columns have the class without quotes


def test_the_axis_of_estimates_ends_at_the_highest_bound_unless_another_end_is_given():
  def right_end(scale):
    html = table.Table(columns=("x",), rows=((HALF,),), scale=scale).html()
    left, width = map(float, re.search(r"left:([\d.]+)%;width:([\d.]+)%", html).groups())
    return left + width

  assert right_end(None) == pytest.approx(100.0) and right_end(1.0) == pytest.approx(75.0)


def test_records_are_rows_by_column():
  assert TABLE.records()[0]["tasks"] == 1200 and len(TABLE.records()) == 2
