"""Changes: the lines of a program that another one changes."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from next_jax.evaluation import changes

OLD = """\
def f(xs):
    total = 0
    for x in xs:
        total -= x
    return total
"""


@pytest.mark.parametrize("old_line, new_lines, expected", [
    ("        total -= x", ["        total += x"], {4}),
    ("        total -= x", [], {4}),
    ("        total -= x", ["        if x:", "            total += x"], {4}),
    ("    return total", ["        return total"], {5}),  # indentation is code
    ("    return total", ["    total += 1", "    return total"], {4, 5}),  # put in between: either side
    ("def f(xs):", ["import math", "def f(xs):"], {1}),  # before the first line there is none
    ("    return total", ["    return total", "print(1)"], {5}),
    ("    total = 0", ["", "    # starts", "    total = 0   # at nothing"], set()),
])
def test_the_lines_that_differ_are_the_changed_ones(old_line, new_lines, expected):
  assert changes.changed(OLD, OLD.replace(old_line, "\n".join(new_lines), 1)) == expected


def test_changes_far_apart_are_all_there():
  new = OLD.replace("total = 0", "total = 1").replace("return total", "return -total")
  assert changes.changed(OLD, new) == {2, 5}


def test_lines_that_change_places_are_both_changed():
  old = "def f(a):\n    a = g(a)\n    a = h(a)\n    a += 1\n    return a"
  new = "def f(a):\n    a += 1\n    a = h(a)\n    a = g(a)\n    return a"
  assert changes.changed(old, new) == {2, 4}


def test_one_of_two_equal_lines_that_went_may_have_been_either():
  old = "def f(a):\n    a += 1\n    a += 1\n    return a"
  new = "def f(a):\n    a += 1\n    return a"
  assert changes.changed(old, new) == {2, 3}
  assert changes.changed(new, old) == {1, 2, 3}  # before or behind the one that is there


def test_numbers_are_those_of_the_program_with_its_blank_lines():
  assert changes.changed("\n\ndef f(a):\n\n    # why\n    return a\n", "def f(a):\n    return 1\n") == {6}


def test_a_program_that_is_far_too_long_to_compare_is_changed_everywhere():
  assert changes.changed(OLD, "x = 1\n" * 250_000) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("text", ["", "def f(:", "'''open", "    x\n  y", "\x00", "# only"])
def test_any_text_is_taken_line_by_line(text):
  assert changes.changed(text, text) == frozenset()
  assert changes.is_unchanged(text, text)


def test_a_program_is_unchanged_whatever_its_comments_and_blank_lines():
  assert changes.is_unchanged(OLD, OLD.replace("    return", "\n    # (3) total=-6\n    return") + "\n\n")
  assert not changes.is_unchanged(OLD, OLD.replace("    return", "        return"))
  assert not changes.is_unchanged(OLD, OLD.replace("'#'", "'-'").replace("total -= x", "total -= '# x'"))
  assert not changes.is_unchanged(OLD, None)


LINES = st.lists(st.sampled_from(["a = 1", "b = 2", "  c = 3", "return a"]), min_size=1, max_size=8)


@given(LINES, st.data())
def test_a_line_that_goes_is_among_the_changed_ones(lines, data):
  gone = data.draw(st.integers(0, len(lines) - 1))
  found = changes.changed("\n".join(lines), "\n".join(lines[:gone] + lines[gone + 1 :]))
  assert gone + 1 in found and all(lines[number - 1] == lines[gone] for number in found)


@given(LINES, st.data())
def test_a_line_that_comes_in_is_named_by_its_neighbours(lines, data):
  place = data.draw(st.integers(0, len(lines)))
  new = data.draw(st.sampled_from(["a = 1", "new = 0"]))
  found = changes.changed("\n".join(lines), "\n".join([*lines[:place], new, *lines[place:]]))
  beside = {place, place + 1} & set(range(1, len(lines) + 1))
  assert beside <= found and (new == "a = 1" or found == beside)


@given(LINES, st.data())
def test_a_line_that_becomes_another_is_the_only_changed_one(lines, data):
  place = data.draw(st.integers(0, len(lines) - 1))
  new = [*lines[:place], "new = 0", *lines[place + 1 :]]
  assert changes.changed("\n".join(lines), "\n".join(new)) == {place + 1}


@given(LINES, LINES)
def test_only_equal_programs_have_no_change_and_numbers_are_lines_that_exist(old, new):
  found = changes.changed("\n".join(old), "\n".join(new))
  assert bool(found) == (old != new) and found <= set(range(1, len(old) + 1))
  assert changes.is_unchanged("\n".join(old), "\n".join(new)) == (not found)


@pytest.mark.parametrize("old_line, new_lines, expected", [
    ("        total -= x", ["        total += x"], ["total += x"]),
    ("        total -= x", [], []),
    ("    return total", ["        return  total  # early"], []),  # moved, not written
    ("    total = 0", ["    total = 0", "    total = 0"], []),  # a line that is there already
    ("    total = 0", ["    total = 1", "    best = 0"], ["total = 1", "best = 0"]),
])
def test_new_code_is_lines_that_the_program_has_nowhere(old_line, new_lines, expected):
  assert changes.new_code(OLD, OLD.replace(old_line, "\n".join(new_lines), 1)) == expected
