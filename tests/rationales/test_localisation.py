"""Localisation: which lines a rationale names, and whether they are the ones that are changed."""

import dataclasses
import random

from hypothesis import given
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.corpora.minirepair import minirepair
from next_jax.corpora.minirepair import rationales
from next_jax.evaluation import changes
from next_jax.rationales import localisation

SOURCE = """\
def count(items, limit):
    total = 0
    best = None
    for item in items:
        if item < limit:
            total += 1
    if total < limit:
        return 0
    return total
"""
TASK = schema.RepairTask(
    task_id="t/0", split="dev", instruction="Count.", entry_point="count", buggy_code=SOURCE,
    reference_code=SOURCE.replace("item < limit", "item <= limit"), public_tests=("assert count([1], 1) == 1",),
    hidden_tests=(), bug_kind="comparison", bug_origin="mutant",
)


@pytest.mark.parametrize("rationale, named", [
    # By number.
    ('Line 5 "if item < limit:" should be "if item <= limit:".', [{5}]),
    ("The call returns 0. Change line 5 to `if item <= limit:`.", [{5}]),
    ("A line \"total = 0\" is missing after line 3.", [{3}]),
    ("It belongs between lines 3 and 4.", [{3}, {4}]),
    ("Lines 5 and 7 should change places.", [{5}, {7}]),
    ("Lines 2, 3 and 5 are wrong.", [{2}, {3}, {5}]),
    ("The fault is in lines 4-6.", [{5}, {4}, {6}]),
    ("The mistake is on line (5).", [{5}]),
    ("line 12 is wrong", [{12}]),  # named all the same: it is no line that can be right
    # By code.
    ("`total += 1` should be `total += item`.", [{6}]),
    ("The condition `item < limit` leaves out the limit itself.", [{5}]),
    ("The test \"if item < limit\" is wrong: it should be `<=`.", [{5}]),
    ("`< limit` is the wrong comparison.", [{5, 7}]),  # one of the two, it does not say which
    ("Replace `item < limit` with `total < limit`.", [{5}]),  # what follows "with" is new
    ("It should read `return 0`.", []),
    ("`return 0` is missing at the end.", []),
    ("`total` is never reset.", []),  # a bare name is a variable
    # What is said of a fault counts before what is just mentioned.
    ("Line 4 runs three times. Line 6 adds too little. Line 5 should be `if item <= limit:`.", [{5}]),
    ("Line 6 is never executed.", [{6}]),
    ("On line 4 item is 1. On line 6 total becomes 1.", [{4}, {6}]),
    # No places.
    ("At step (5) total=3. It returns 4 instead of 5.", []),
    ("It prints 3 lines. The deadline 5 has passed.", []),
    ("The loop leaves out the last item.", []),
    ("", []),
])
def test_the_places_that_a_rationale_names(rationale, named):
  assert sorted(map(sorted, localisation.lines(rationale, SOURCE))) == sorted(map(sorted, named))


@given(st.text(alphabet=st.sampled_from("Line lines 3457-–,and()`\"\n.<=total \ue000\ue001"), max_size=200))
def test_any_text_names_lines_and_nothing_else(text):
  for place in localisation.lines(text, SOURCE):
    assert place and all(number >= 0 for number in place)


def sample(rationale, fix, index=0, task_id="t/0"):
  return schema.Sample(
      task_id=task_id, sample_index=index, completion="", rationale=rationale, fix=fix, log_probability=0.0,
      token_count=1, seed=0,
  )


def test_the_score_is_the_share_of_named_places_that_are_changed():
  other = dataclasses.replace(TASK, task_id="t/1", bug_kind="constant", reference_code=SOURCE.replace("0", "1", 1))
  samples = [
      sample("Line 5 is wrong.", TASK.reference_code, 0),  # bug 1, own 1
      sample("Lines 5 and 6 are wrong.", SOURCE.replace("+= 1", "+= 2"), 1),  # bug 1/2, own 1/2
      sample("It is wrong.", SOURCE.replace("+= 1", "+= 2"), 2),  # names none: 0 and 0
      sample("Line 6 is wrong.", SOURCE, 3),  # bug 0; its fix changes nothing
      sample("Line 2 is wrong.", None, 0, "t/1"),  # bug 1; no fix
      sample(None, SOURCE, 1, "t/1"),
  ]
  found = localisation.localisation([TASK, other], samples)
  assert (found["num_tasks"], found["num_samples"], found["without_rationale"], found["num_changing"]) == (2, 5, 1, 3)
  assert found["names_bug"]["value"] == pytest.approx(((1 + 0.5 + 0 + 0) / 4 + 1) / 2, abs=1e-6)
  assert found["names_own_change"]["value"] == pytest.approx((1 + 0.5 + 0) / 3, abs=1e-6)
  assert found["names_a_line"]["value"] == pytest.approx((3 / 4 + 1) / 2, abs=1e-6)
  assert found["places"]["value"] == pytest.approx((4 / 4 + 1) / 2, abs=1e-6)
  assert found["chance"]["value"] == pytest.approx(1 / 9, abs=1e-6)
  assert found["by_bug_kind"] == {
      "comparison": {"tasks": 1, "samples": 4, "names_bug": 0.375},
      "constant": {"tasks": 1, "samples": 1, "names_bug": 1.0},
  }
  assert found["names_bug"]["low"] == 0.375 and found["names_bug"]["high"] == 1.0  # the tasks resampled


def test_without_rationales_there_is_nothing_to_say():
  found = localisation.localisation([TASK], [sample(None, SOURCE), sample("", SOURCE, 1)])
  assert found["without_rationale"] == 2 and found["num_tasks"] == 0
  assert found["names_bug"] is None and found["names_own_change"] is None and found["by_bug_kind"] == {}


def test_the_rationales_that_the_base_was_taught_name_the_line_that_they_change():
  draw = random.Random(0)
  for case in minirepair.MiniRepair(num_train=300).items("train"):
    task = case.task
    target = changes.changed(task.buggy_code, task.reference_code)
    assert target, task.task_id
    for write in (rationales.of_reference, rationales.of_reference_without_trace):
      text = write(draw, task)
      named = localisation.lines(text, task.buggy_code)
      assert named and all(place & target for place in named), (text, task.buggy_code, task.reference_code)
