"""Completions are taken apart by one rule, whatever a model wrote."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from next_jax.prompts import completion

_FIX = "def f(x):\n    return x + 1"


def test_rationale_stands_before_the_fix():
  parsed = completion.parse(f"It returns 1.\n### Fix\n```python\n{_FIX}\n```")
  assert (parsed.rationale, parsed.fix, parsed.refusal) == ("It returns 1.", _FIX, None)


def test_block_after_the_heading_wins_over_blocks_in_the_rationale():
  parsed = completion.parse(f"The line\n```python\nreturn x\n```\nis wrong.\n### Fix\n```python\n{_FIX}\n```\nDone.")
  assert parsed.fix == _FIX
  assert "return x" in parsed.rationale


def test_first_block_after_the_heading_wins_over_later_ones():
  parsed = completion.parse(f"Why.\n### Fix\n```python\n{_FIX}\n```\nUse it:\n```python\nf(1)\n```")
  assert parsed.fix == _FIX


def test_last_block_counts_without_a_heading():
  parsed = completion.parse(f"First\n```\nreturn x\n```\nbut better\n```py\n{_FIX}\n```")
  assert parsed.fix == _FIX


def test_indented_and_crlf_fences_are_fences():
  assert completion.parse(f"a\r\n### Fix\r\n  ```python\r\n{_FIX}\r\n  ```\r\n").fix.splitlines() == _FIX.splitlines()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no code block"),
        ("no code here", "there is no code block"),
        (f"Why.\n### Fix\n```python\n{_FIX}", "the code block is not closed"),
        ("Why.\n### Fix\n```python\n\n```", "the code block is empty"),
    ],
)
def test_refusal_says_why(text, reason):
  parsed = completion.parse(text)
  assert parsed.fix is None
  assert parsed.refusal == reason


@given(st.text() | st.lists(st.sampled_from(["```", "\n", "### Fix", "```python\n", "x", " ", "\r"])).map("".join))
def test_no_text_can_make_it_raise(text):
  parsed = completion.parse(text)
  assert (parsed.fix is None) == (parsed.refusal is not None)
