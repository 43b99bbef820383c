"""Completions are taken apart by one rule, whatever a model wrote."""

import time

import hypothesis
from hypothesis import given
from hypothesis import strategies as st
import pytest

from next_jax.prompts import completion
from next_jax.prompts import prompt
from next_jax.prompts import sections

_FIX = "def f(x):\n    return x + 1"
_OTHER = "def f(x):\n    return x"


def fix_of(text):
  parsed = completion.parse(text)
  assert parsed.refusal is None
  return parsed.fix


def test_rationale_stands_before_the_fix():
  parsed = completion.parse(f"It returns 1.\n### Fix\n```python\n{_FIX}\n```")
  assert (parsed.rationale, parsed.fix, parsed.refusal) == ("It returns 1.", _FIX, None)


def test_block_after_the_heading_wins_over_blocks_in_the_rationale():
  parsed = completion.parse(f"The line\n```python\nreturn x\n```\nis wrong.\n### Fix\n```python\n{_FIX}\n```\nDone.")
  assert parsed.fix == _FIX
  assert "return x" in parsed.rationale


def test_first_block_after_the_heading_wins_over_later_ones():
  assert fix_of(f"Why.\n### Fix\n```python\n{_FIX}\n```\nUse it:\n```python\nf(1)\n```") == _FIX
  assert fix_of(f"Why.\n### Fix\n```python\n{_FIX}\n```\nOr:\n```python\n{_OTHER}\n```") == _FIX


def test_last_heading_counts():
  text = f"### Fix\n```python\n{_OTHER}\n```\nNo, that is wrong.\n### Fix\n```python\n{_FIX}\n```"
  assert fix_of(text) == _FIX


def test_last_block_counts_without_a_heading():
  parsed = completion.parse(f"First\n```\n{_OTHER}\n```\nbut better\n```py\n{_FIX}\n```")
  assert parsed.fix == _FIX and parsed.rationale.startswith("First")


@pytest.mark.parametrize("heading", ["", "### Fix\n"])
def test_blocks_that_define_nothing_are_passed_over_where_another_defines_something(heading):
  usage, output = "```python\nprint(f(1))\n```\n", "```\n2\n```\n"
  assert fix_of(f"Why.\n{heading}```python\n{_FIX}\n```\nIt gives:\n{usage}{output}") == _FIX
  assert fix_of(f"{heading}Run\n{usage}with\n```python\n{_FIX}\n```") == _FIX
  assert fix_of(f"{heading}```python\nf = max\n```") == "f = max"


def test_blocks_of_other_languages_are_no_fix():
  assert fix_of(f"```text\ndef no\n```\n```python\n{_FIX}\n```\n```bash\npython f.py\n```") == _FIX
  refusal = completion.parse("### Fix\n```diff\n-x\n+y\n```").refusal
  assert refusal == "there is no Python block after '### Fix', only 'diff'"


@pytest.mark.parametrize("language", [
    "python", "py", "python3", "Python", " python", "", "python title=fix.py", "python:fix.py", "{.python}",
])
def test_ways_to_open_a_block(language):
  assert fix_of(f"Why.\n```{language}\n{_FIX}\n```") == _FIX


@pytest.mark.parametrize("heading", [
    "### Fix", "### Fix:", "## Fix", "# Fixed program", "**Fix**", "**Fix:**", "### Fixed code:", "### **Fix**",
    "  ### fix ",
])
def test_ways_to_write_the_heading(heading):
  parsed = completion.parse(f"Why.\n{heading}\n```python\n{_FIX}\n```\n```python\n{_OTHER}\n```")
  assert (parsed.rationale, parsed.fix) == ("Why.", _FIX)


def test_a_sentence_is_no_heading():
  assert fix_of(f"```python\n{_OTHER}\n```\nFix the loop:\n```python\n{_FIX}\n```") == _FIX


def test_a_comment_in_the_program_is_no_heading():
  code = "def f(x):\n    return 1\n\n### Fix\n\ndef g(x):\n    return 2"
  assert fix_of(f"Why.\n```python\n{code}\n```") == code


def test_a_heading_after_a_block_that_was_never_closed_counts():
  parsed = completion.parse(f"The line\n```python\nreturn x\nis wrong.\n### Fix\n```python\n{_FIX}\n```")
  assert parsed.fix == _FIX and parsed.rationale.endswith("is wrong.")


def test_indented_blocks_and_programs_lose_their_indentation():
  indented = "\n".join("    " + line for line in _FIX.split("\n"))
  assert fix_of(f"1. Add one:\n\n    ```python\n{indented}\n    ```\n") == _FIX
  assert fix_of(f"### Fix\n```python\n{indented}\n```") == _FIX


def test_fences_in_a_docstring_do_not_end_the_program():
  code = 'def f(x):\n    """Adds.\n\n    ```\n    f(1)\n    ```\n    """\n    return x + 1'
  assert fix_of(f"### Fix\n```python\n{code}\n```") == code


def test_longer_fences_hold_shorter_ones():
  code = 's = """\n```\n"""\n\ndef f(x):\n    return s'
  assert fix_of(f"### Fix\n````python\n{code}\n````") == code
  assert fix_of(f"### Fix\n~~~python\n{code}\n~~~") == code
  assert fix_of("### Fix\n" + sections.fenced(code)) == code


def test_crlf_is_a_line_break():
  for line_break in ("\r\n", "\r"):
    assert fix_of(f"a\n### Fix\n  ```python\n{_FIX}\n  ```\n".replace("\n", line_break)) == _FIX


def test_thinking_is_not_looked_at():
  thinking = f"Maybe\n### Fix\n```python\n{_OTHER}\n```\nno, and ```python\nunfinished\n"
  for text in (
      f"<think>\n{thinking}</think>\nIt is off by one.\n```python\n{_FIX}\n```",
      f"{thinking}</think>\nIt is off by one.\n```python\n{_FIX}\n```",
      f"\n <think>{thinking}\n</think>\n\n### Rationale\nIt is off by one.\n### Fix\n```python\n{_FIX}\n```",
  ):
    parsed = completion.parse(text)
    assert (parsed.rationale, parsed.fix) == ("It is off by one.", _FIX)


def test_a_tag_in_a_program_is_no_thinking():
  code = "def f(x):\n    return x + '</think>'"
  assert fix_of(f"Why.\n### Fix\n```python\n{code}\n```") == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no code block"),
        ("no code here", "there is no code block"),
        ("`f = 1` is inline", "there is no code block"),
        (f"Why.\n```python\n{_FIX}\n```\n### Fix\nAs above.", "there is no code block after '### Fix'"),
        (f"Why.\n### Fix\n```python\n{_FIX}", "the code block is not closed"),
        (f"Why.\n### Fix\n```python\n{_FIX}\n\n# Fix\nreturn", "the code block is not closed"),
        ("Why.\n### Fix\n```python\n\n```", "the code block is empty"),
        (f"<think>\nlong\n```python\n{_FIX}\n```", "the thinking does not end: there is no </think>"),
        ("```json\n{}\n```", "there is no Python block, only 'json'"),
    ],
)
def test_refusal_says_why(text, reason):
  parsed = completion.parse(text)
  assert parsed.fix is None
  assert parsed.refusal == reason


def test_blocks_are_cut_out_of_a_rationale():
  assert completion.without_blocks("a\n\n```python\nx\n```\n\nb\n```\ny") == "a\nb"
  assert completion.without_blocks("```\nx\n```") == ""
  assert completion.without_blocks("a\n\nb") == "a\n\nb"


_PIECES = [
    "```", "````", "~~~", "\n", "\n", "### Fix", "```python\n", "x", "    ", " ", "\r", "\r\n", "<think>", "</think>",
    "def f():", "**Fix**", "\t", "\x00", "\u2028", "### Rationale\n", "é",
]
_TEXTS = st.text() | st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)


@given(_TEXTS)
def test_no_text_can_make_it_raise(text):
  parsed = completion.parse(text)
  assert (parsed.fix is None) == (parsed.refusal is not None)
  completion.without_blocks(text)


_FORMS = [
    prompt.Prompt(), prompt.Prompt(with_rationale=False), prompt.Prompt(chat=prompt.chat_lib.ChatTemplate()),
    prompt.Prompt(chat=prompt.chat_lib.gemma(), with_rationale=False),
]


@given(_TEXTS, st.sampled_from(_FORMS))
def test_no_completion_can_make_any_form_raise(text, form):
  parsed = form.parse(text)
  assert (parsed.fix is None) == (parsed.refusal is not None)


# Programs without lines that are structure: fences, headings, ends of thinking.
_LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n`~#*<"), max_size=12)
_PROGRAMS = st.lists(_LINES, max_size=8).map("\n".join)
_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r`~#*<"), max_size=30).map(str.strip)


@given(_WORDS, _PROGRAMS, st.sampled_from(_FORMS))
def test_what_is_rendered_parses_back(rationale, code, form):
  code = "def f(x):\n" + code.rstrip()  # begins and ends where a program does
  parsed = form.parse(form.target(rationale, code.rstrip()))
  assert parsed.refusal is None
  assert parsed.fix == code.rstrip()
  if form.with_rationale:
    assert parsed.rationale == rationale


@given(_TEXTS, st.lists(st.sampled_from(_PIECES), max_size=25).map("".join))
def test_a_fix_that_was_parsed_is_learned_as_it_is(before, code):
  parsed = completion.parse(f"{before}\n```python\n{code}\n```")
  hypothesis.assume(parsed.fix is not None and "</think>" not in parsed.fix)
  form = prompt.Prompt()
  assert form.parse(form.target("Why.", parsed.fix)).fix == parsed.fix


@pytest.mark.parametrize("line", [
    "```\n", "```python\n", "#" + " " * 50 + "\n", " ", "~", "`", "### Fix\n", "<think>", "</think>", "def ",
    "#  \n```py\n",
])
def test_time_grows_with_the_length_and_no_faster(line):
  def seconds(size):
    text = line * (size // len(line))
    began = time.process_time()
    completion.parse(text)
    completion.without_blocks(text)
    return time.process_time() - began

  # Eight times the text; quadratic time would make the ratio sixty-four.
  assert min(seconds(320_000) for _ in range(2)) < 24 * min(seconds(40_000) for _ in range(3)) + 0.05


RUN_ON = (
    "It subtracts.\n### Fix\n```python\ndef f(x):\n    return x + 1\n```\n\n### Task\nAnother.\n### Program\n"
    "```python\ndef"
)


def test_an_answer_counts_although_the_model_goes_on_with_another_task():
  form = prompt.Prompt()
  parsed = form.parse(RUN_ON)
  assert (parsed.rationale, parsed.fix) == ("It subtracts.", "def f(x):\n    return x + 1")
  assert RUN_ON[: form.end(RUN_ON)].endswith("```") and "Another" not in RUN_ON[: form.end(RUN_ON)]
  fix_only = prompt.Prompt(with_rationale=False)
  written = "def f(x):\n    return x + 1\n```\n\n### Task\n```python\ndef g"
  assert fix_only.parse(written).fix == "def f(x):\n    return x + 1"
  assert fix_only.end(written) == written.index("```") + 3


@pytest.mark.parametrize("text", [
    "", "It is wrong.", "### Fix\n```python\ndef f(x):\n    return 1\n```",
    "### Fix\n```python\ndef f(x):\n    return 1\n",
    "```python\ndef f(x):\n    return 1\n```\nmore", "### Fix\n```python\nf(2)\n```\nmore",
    "<think>\n### Fix\n```python\ndef f(x):\n    return 1\n```\nhm", "### Fix\n```text\ndef f(x):\n```\nmore",
])
def test_an_answer_that_has_not_ended_has_no_end(text):
  assert prompt.Prompt().end(text) is None


@hypothesis.given(
    parts=st.lists(
        st.sampled_from(["### Fix", "```python", "```", "def f(x):", "  return 1", "x", "### Task", "</think>"])
    ),
    more=st.text(),
)
def test_what_follows_does_not_move_the_end(parts, more):
  text = "\n".join(parts)
  end = prompt.Prompt().end(text)
  if end is not None and "</think>" not in text + more and "\r" not in more:
    assert prompt.Prompt().end(text + more) == end and prompt.Prompt().end(text[: end + 1]) == end


def test_a_chat_model_ends_its_turn_itself():
  assert prompt.Prompt(chat=prompt.chat_lib.ChatTemplate()).end(RUN_ON) is None
