"""Consistency of rationale and trace: what is read out of a rationale, and what the trace says of it."""

import ast
import collections
import dataclasses
import json
import pathlib
import random
import subprocess
import sys
import time

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.rationales import consistency
from next_jax.rationales import labelled
from next_jax.tracing.recording import calls
from next_jax.tracing.recording import recorder

LABELLED = pathlib.Path(__file__).parent / "labelled"

TOTAL = """\
def total_of(xs, low):
    total = 0
    for x in xs:
        if x > low:
            total += x
    return total"""


def task(code=TOTAL, *tests):
  tests = tests or ("assert total_of([5, 1, 7], 4) == 12",)
  name = calls.traced_call(tests[0], "f" if "def f(" in code else "total_of")
  return schema.RepairTask(
      task_id="t", split="dev", instruction="", entry_point=name.partition("(")[0], buggy_code=code,
      reference_code=code, public_tests=tests, hidden_tests=(), bug_kind="operator", bug_origin="mutant",
      trace=recorder.record(code, name),
  )


def statuses(rationale, *arguments):
  return [(f.statement.kind, f.status) for f in consistency.check(task(*arguments), rationale)]


def status(rationale, *arguments):
  """Of all statements in a rationale."""
  (found,) = {found for _, found in statuses(rationale, *arguments)}
  return found


def test_each_statement_is_found_where_it_stands():
  rationale = "At step (4) total=5. The call returns 12 but should return 13."
  found = consistency.check(task(), rationale)
  assert [(f.statement.claim, f.status) for f in found] == [
      ("holds", "supported"), ("returns", "supported"), ("expected", "contradicted"),
  ]
  for finding in found:
    assert rationale[finding.statement.start :].startswith(finding.statement.text)
  assert "expects 12" in found[-1].why


@pytest.mark.parametrize("where, is_right", [
    ("At step (4) ", True), ("At step (1) ", False), ("After line 5 ", True), ("Before step (3) ", False),
    ("After the first iteration ", True), ("", True),
])
def test_a_value_is_looked_up_at_its_place(where, is_right):
  assert status(f"{where}total is 5.") == ("supported" if is_right else "contradicted")


def test_what_is_wished_for_is_no_statement_about_the_run():
  assert statuses("total should start at 1. We need to add x so that total is 99. Change line 2 to total=3.") == []


def test_code_is_no_statement_about_the_run():
  assert statuses('Line 2 has "total = 0" but needs "total = 7".\n```python\ntotal = 99\n```\nUse `total = 3`.') == []


def test_what_is_supposed_can_be_right_but_not_wrong():
  assert status("If xs were [9], total is 9.") != "contradicted"
  assert status("When we call total_of([9], 1), total is 9.") == "unverifiable"
  assert status("For other inputs it returns 3.") == "unverifiable"


def test_a_number_may_be_rounded_and_four_is_four_point_zero_but_one_is_not_true():
  third = "def f(n):\n    return n / 3"
  assert status("It returns 0.33.", third, "assert f(1) == 1") == "supported"
  assert status("It returns 0.34.", third, "assert f(1) == 1") == "contradicted"
  assert status("It returns 1.", third, "assert f(3) == 1") == "supported"
  assert status("It returns True.", third, "assert f(3) == 1") == "contradicted"


LONG = "def f(n):\n    xs = list(range(n))\n    return xs"


@pytest.mark.parametrize("text, expected", [
    ("It returns [0, 1, 2, ..., 99].", "supported"), ("It returns 7.", "contradicted"),
    ("It returns {0: 1}.", "contradicted"), (f"It returns {[*range(100)]}.", "unverifiable"),
    ("It returns [0, 1, 5].", "contradicted"),
])
def test_what_an_abridged_value_leaves_out_is_not_known(text, expected):
  assert status(text, LONG, "assert f(100) == []") == expected


ENDLESS = "def f(n):\n    k = 0\n    while n:\n        k += 1\n        m = k\n    return k"


@pytest.mark.parametrize("text, expected", [
    ("It never ends.", "supported"), ("It returns 3.", "unverifiable"), ("It raises KeyError.", "unverifiable"),
    ("Line 6 is never executed.", "unverifiable"), ("k is 123456.", "unverifiable"), ("n is 2.", "contradicted"),
    ("After line 4 k is 123456.", "unverifiable"), ("After line 4 n is 2.", "contradicted"),
    ("At step (2) k=1.", "supported"), ("At step (2) k=2.", "contradicted"), ("At step (99999) k=2.", "unverifiable"),
    ("The loop runs 5 times.", "contradicted"), ("The loop runs 99999 times.", "unverifiable"),
])
def test_what_lies_behind_the_end_of_a_truncated_trace_is_not_known(text, expected):
  assert status(text, ENDLESS, "assert f(1) == 3") == expected


def test_a_trace_that_ends_for_the_size_of_a_value_does_not_tell_whether_the_call_does():
  growing = "def f(s):\n    while len(s) < 9 ** 9:\n        s += s\n    return s"
  assert status("It never ends.", growing, "assert f('a') == ''") == "unverifiable"


def test_a_variable_of_several_calls_is_known_only_where_it_changes():
  recursive = "def f(n):\n    if n == 0:\n        return 0\n    m = f(n - 1)\n    return m + n"
  test = "assert f(2) == 4"
  assert status("At step (0) n=2.", recursive, test) == "supported"
  assert status("At step (2) n=2.", recursive, test) == "contradicted"
  assert status("At step (8) n=1.", recursive, test) == "unverifiable"
  assert status("n is 9.", recursive, test) == "contradicted"


RAISES = "def f(xs):\n    i = 0\n    try:\n        y = xs[3]\n    except IndexError:\n        y = xs['a']\n    return y"


@pytest.mark.parametrize("text, expected", [
    ("It raises TypeError.", "supported"), ("An IndexError is raised on line 4.", "supported"),
    ("A LookupError is raised on line 4.", "supported"), ("It raises KeyError.", "contradicted"),
    ("A TypeError is raised on line 4.", "contradicted"), ("No exception is raised.", "contradicted"),
    ("It crashes.", "supported"), ("It may raise a KeyError.", None),
])
def test_exceptions_are_those_of_the_trace_and_their_classes(text, expected):
  assert statuses(text, RAISES, "assert f([]) == 1") == ([("exception", expected)] if expected else [])


@pytest.mark.parametrize("text, expected", [
    ("y is undefined.", "supported"), ("n is undefined.", "contradicted"), ("y is never assigned.", "supported"),
    ("y is referenced before assignment on line 4.", "supported"), ("len is not defined.", "contradicted"),
])
def test_a_name_is_undefined_only_if_the_trace_has_no_value_of_it(text, expected):
  code = "def f(n):\n    if n:\n        y = len('')\n    return y"
  assert status(text, code, "assert f(0) == 1") == expected


@pytest.mark.parametrize("text, expected", [
    ("Line 5 runs twice.", "supported"), ("Line 5 runs three times.", "contradicted"),
    ("Line 9 is executed.", "contradicted"),
    ("The loop runs 3 times.", "supported"), ("The while loop runs 3 times.", "unverifiable"),
    ("Line 6 is never reached.", "contradicted"), ("The condition on line 4 is never true.", "contradicted"),
    ("The condition on line 4 is always true.", "contradicted"), ("Line 5 is executed for x=1.", "contradicted"),
    ("Line 5 is executed for x=7.", "supported"), ("The if branch is never taken.", "contradicted"),
])
def test_lines_and_loops_ran_as_often_as_the_trace_has_them(text, expected):
  assert [found for kind, found in statuses(text) if kind == "execution"] == [expected]


def test_a_line_that_an_exception_left_in_a_called_function_is_not_said_to_have_been_skipped():
  code = "def g(n):\n    return 1 / n\n\ndef f(n):\n    x = g(n)\n    return x"
  assert status("Line 5 is never executed.", code, "assert f(0) == 1") == "unverifiable"


def test_the_expected_value_is_that_of_the_test_that_is_meant():
  tests = ("assert total_of([5, 1, 7], 4) == 13", "assert total_of([], 4) == 8")
  assert status("It should return 13.", TOTAL, *tests) == "supported"
  assert status("It should return 8.", TOTAL, *tests) == "unverifiable"  # of the second test, perhaps
  assert status("The second test expects 8.", TOTAL, *tests) == "supported"
  assert status("total_of([], 4) should be 9.", TOTAL, *tests) == "contradicted"
  assert [s for _, s in statuses("Expected 8, got 12.", TOTAL, *tests)] == ["supported", "contradicted"]


def test_without_a_trace_nothing_is_verified():
  untraced = dataclasses.replace(task(), trace=None)
  assert {f.status for f in consistency.check(untraced, "At step (1) total=0. It raises KeyError.")} == {"unverifiable"}


def test_checking_imports_no_heavy_library():
  code = (
      "import sys\nfrom next_jax.rationales import consistency\n"
      "print(*{'jax', 'tensorflow', 'numpy', 'seqio'} & set(sys.modules))"
  )
  result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert result.stdout.split() == []


TASKS = [
    task(), task(LONG, "assert f(100) == []"), task(ENDLESS, "assert f(1) == 3"), task(RAISES, "assert f([]) == 1"),
    task("def f(n):\n    return f(n)", "assert f(1) == 1"), dataclasses.replace(task(), trace=None),
]
CHECKERS = [consistency.Checker(each) for each in TASKS]
STATEMENTS = [label.text for path in sorted(LABELLED.glob("*.txt")) for label in labelled.read(path)]
PIECES = sorted({word for text in STATEMENTS for word in text.split(" ")}) + [
    "total", "xs", "k", "y", "step", "line", "(4)", "=", "==", "'", '"', "`", "```", "[", "]", "(", ")", "{", "...",
    "\ue000", "\n", "٣", "²", "1e999", "-", "0x", "9" * 700, "9" * 5000, "nan", "\\", "\x00", "“", "line 999999999999",
    "step (0)", "iteration 0",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.sampled_from([" ", "", ", "]), st.sampled_from(CHECKERS))
def test_no_mixture_of_words_raises_and_the_same_is_found_again(pieces, between, checker):
  rationale = between.join(pieces)
  found = checker.check(rationale)
  assert found == checker.check(rationale)
  for finding in found:
    assert finding.status in consistency.STATUSES and finding.why
    assert rationale[finding.statement.start :].startswith(finding.statement.text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.sampled_from(CHECKERS))
def test_no_text_raises(text, checker):
  checker.check(text)


@pytest.mark.parametrize("piece", [
    "(", "'", "`", "x ", "if x is 3 and ", "[1, ", "line 4 is never ", "a.b(", "-1", "{'a': ", "x is not ", "the loop ",
])
def test_texts_that_are_made_to_be_slow_are_not(piece):
  text = piece * 20_000
  start = time.process_time()
  CHECKERS[0].check(text)
  assert time.process_time() - start < 5


@given(st.integers(-50, 50), st.lists(st.integers(-9, 9), max_size=5), st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_what_is_read_off_a_trace_is_supported_and_anything_else_contradicted(low, xs, wrong):
  one = task(TOTAL, f"assert total_of({xs}, {low}) == 1")
  checker = consistency.Checker(one)
  expected = "contradicted" if wrong else "supported"
  for number, step in enumerate(one.trace.steps):
    for name, value in step.changes:
      claimed = value if not wrong else "'no'"
      (finding,) = checker.check(f"At step ({number}) {name}={claimed}.")
      assert finding.status == expected
  (finding,) = checker.check(f"The call returns {sum(x for x in xs if x > low) + wrong}.")
  assert finding.status == expected


def test_nothing_that_the_traces_of_real_programs_say_is_contradicted(shared_data):
  found = collections.Counter()
  for line in (shared_data / "mbpp.jsonl").read_text().splitlines()[:200]:
    row = json.loads(line)
    code, tests = row["code"].replace("\r", ""), tuple(row["test_list"])
    names = [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    name = next((name for name in names if f"{name}(" in tests[0]), None)
    if name is None or row["test_setup_code"]:
      continue
    trace = recorder.record(code, calls.traced_call(tests[0], name))
    checker = consistency.Checker(dataclasses.replace(
        task(), entry_point=name, buggy_code=code, public_tests=tests, trace=trace,
    ))
    said = [f"Line {step.line} is executed." for step in trace.steps[:30]]
    said += [f"At step ({n}) {name}={text}." for n, s in enumerate(trace.steps[:30]) for name, text in s.changes]
    said += [f"The call returns {trace.detail}."] if trace.outcome == "returned" else []
    for text in said:
      judged = [finding.status for finding in checker.check(text)]
      assert consistency.CONTRADICTED not in judged, (row["task_id"], text)
      found.update(judged or ["nothing"])
  assert found["supported"] > 2000 and found["supported"] / found.total() > 0.95


def sample(task_id, rationale, index=0):
  return schema.Sample(
      task_id=task_id, sample_index=index, completion="", rationale=rationale, fix="", log_probability=0.0,
      token_count=1, seed=0,
  )


def test_the_metric_counts_rationales_and_statements():
  one, other = (dataclasses.replace(task(), task_id=name) for name in ("a", "b"))
  samples = [
      sample("a", "At step (4) total=5."), sample("a", "At step (4) total=6. It returns 12.", 1), sample("b", "Hm."),
      sample("b", None, 1),
  ]
  found = consistency.consistency([one, other], samples)
  assert found["num_tasks"] == 2 and found["num_samples"] == 3 and found["without_rationale"] == 1
  assert found["contradicted_rationales"]["value"] == 0.25  # half of task a's, none of task b's
  assert found["supported_statements"]["value"] == pytest.approx(2 / 3, abs=1e-6)  # of task a, which alone has any
  assert found["statements"]["value"] == 0.75
  assert found["by_kind"]["value"] == {"supported": 1, "contradicted": 1, "unverifiable": 0}


def test_the_metric_does_not_depend_on_the_order_of_the_samples():
  samples = [sample("t", text, index) for index, text in enumerate(STATEMENTS[:40])]
  shuffled = list(samples)
  random.Random(0).shuffle(shuffled)
  assert consistency.consistency([task()], samples) == consistency.consistency([task()], shuffled)


def test_nothing_to_measure_gives_no_numbers():
  found = consistency.consistency([task()], [])
  assert found["num_tasks"] == 0 and found["contradicted_rationales"] is None
