"""Cutting: the code of a fix goes out of a rationale, and all that explains it stays."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.rationales import cutting

TASK = schema.RepairTask(
    task_id="t/0", split="dev", instruction="Count.", entry_point="f",
    buggy_code="def f(n):\n    if n < 2:\n        return 0\n    return n\n",
    reference_code="def f(n):\n    if n <= 2:\n        return 0\n    return n\n",
    public_tests=("assert f(2) == 0",), hidden_tests=(), bug_kind="comparison", bug_origin="mutant",
)


@pytest.mark.parametrize("rationale, left", [
    ('Line 2 "if n < 2:" should be "if n <= 2:".', 'Line 2 "if n < 2:" should be "...".'),
    ("Write `if n<=2` instead", "Write `...` instead"),
    ("Replace it:\n```python\nif n <= 2:\n```\nThat is all.", "Replace it:\nThat is all."),
    ("It returns n where n is 2.", "It returns n where n is 2."),
    ("It tests if n <= 20: too many.", "It tests ... 20: too many."),
    ("The condition `n <= 2` lets the limit in.", "The condition `...` lets the limit in."),
    ("It should use `<=` there.", "It should use `...` there."),
    ("Use `<=` there.", "Use `...` there."),
    ("change the comparison to <=, and 2 is in.", "change the comparison to ..., and 2 is in."),
    ("It says `n` and `return 0`, `if n` and `return n`.", "It says `n` and `return 0`, `if n` and `return n`."),
    ("f(2) is 2 and should be 0: the limit is left out.", "f(2) is 2 and should be 0: the limit is left out."),
    ("The limit itself should be let in as well.", "The limit itself should be let in as well."),
    ('Line 2 "if n < 2:" should be "n -= 2". It is 2.', 'Line 2 "if n < 2:" should be "n -= 2". It is 2.'),
    ("if n\t<=\n2: in two lines", "... in two lines"),
    ("", ""),
])
def test_code_of_the_fix_is_taken_out_of_a_rationale(rationale, left):
  assert cutting.without_fix(rationale, TASK, None) == left


def test_what_the_model_itself_wrote_as_its_fix_is_taken_out_too():
  fix = "def f(n):\n    if n > 5:\n        return 0\n    return n\n"
  assert cutting.without_fix("Try if n > 5: there.", TASK, fix) == "Try ... there."


@given(st.text(alphabet=st.sampled_from("fn <=2:`\" .return\n"), max_size=60), st.integers(0, 4))
def test_cutting_leaves_no_line_of_the_fix_and_cuts_nothing_twice(text, place):
  fix = TASK.reference_code.split("\n")[place].strip()
  cut = cutting.without_fix(f"{text} {fix} {text}", TASK, None)
  assert "if n <= 2" not in " ".join(cut.split())
  assert cutting.without_fix(cut, TASK, None) == cut


def test_of_a_program_without_its_change_nothing_is_cut():
  text = "Line 2 `if n < 2:` and line 3 `return 0` should change places, and return n is wrong."
  same = dataclasses.replace(TASK, reference_code="def f(n):\n    return n\n    if n < 2:\n        return 0\n")
  assert cutting.without_fix(text, same, None) == text
