"""Tests of what the pages show of programs."""

import pytest

from next_jax.pages import program


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a\nb\n", "a\nc\n", " a\n-b\n+c"),
        ("a\nb", "a  \nb\n", ""),
        ("-- a\n", "++ a\n", "--- a\n+++ a"),
    ],
)
def test_diff_is_of_the_programs_and_nothing_else(before, after, expected):
  assert program.diff(before, after) == expected


def test_diff_of_a_long_program_keeps_the_positions_of_its_parts():
  lines = [f"line {number}" for number in range(60)]
  changed = [line.replace("line 3", "LINE 3") if line in ("line 3", "line 50") else line for line in lines]
  changed[50] = "fifty"
  hunks = [line for line in program.diff("\n".join(lines), "\n".join(changed)).split("\n") if line.startswith("@@")]
  assert len(hunks) == 2
