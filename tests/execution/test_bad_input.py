"""Any problem or sample file gives problems or samples, or an error that names file and line."""

import gzip
import json
import re

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax import errors
from next_jax.execution.benchmarks import problems as problems_lib
from next_jax.execution.benchmarks import samples as samples_lib

ROWS = [
    {"task_id": 11, "text": "Double.", "code": "def f(x):\n  return 2 * x", "test_list": ["assert f(1) == 2"],
     "test_setup_code": "", "challenge_test_list": [], "test_imports": []},
    {"task_id": "HumanEval/3", "prompt": "import math\n\ndef f(x):\n", "entry_point": "f", "instruction": "Fix.",
     "canonical_solution": "  return 2 * x\n", "test": "def check(candidate):\n  assert candidate(1) == 2\n",
     "bug_type": "operator", "buggy_solution": "  return 3 * x\n"},
    {"task_id": "Mbpp/106", "prompt": '"""Add."""\n', "entry_point": "f", "contract": "", "atol": 0,
     "canonical_solution": "def f(x, y):\n  return (*y, *x)\n", "base_input": [[[1], [2]]], "plus_input": {}},
]
SAMPLE = {"task_id": 11, "completion": "def f(x):\n  return 2 * x"}

JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.just("\ud800"),
  lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
  max_leaves=6,
)
CODE = st.sampled_from(
  ["", "\0", "def f(", "def f(): pass", "f = " + "-" * 500 + "1", "é", "\ud800", "class f: pass", "1"]
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
  return tmp_path_factory.mktemp("bad_input")


def read_samples(path, problems):
  return samples_lib.read_samples(str(path), problems)


@st.composite
def changed(draw, rows):
  """A row with some of its values replaced by what does not belong there, or missing."""
  row = dict(draw(st.sampled_from(rows)))
  for key in draw(st.sets(st.sampled_from(sorted(row)), max_size=3)):
    value = draw(st.just(...) | JSON | CODE | CODE.map(lambda code: [code]))
    if value is ...:
      del row[key]
    else:
      row[key] = value
  return row


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(changed(ROWS), max_size=3))
def test_rows_of_wrong_types_are_refused_with_file_and_line(directory, rows):
  path = directory / "rows.jsonl"
  path.write_text("".join(json.dumps(row) + "\n" for row in rows))
  try:
    problems = problems_lib.read_problems(path)
  except errors.UserError as error:
    assert re.search(r"rows\.jsonl(:[123])?: ", str(error))
  else:
    assert len(problems) == len(rows)


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(changed([SAMPLE]), max_size=3))
def test_samples_of_wrong_types_are_refused_with_file_and_line(directory, rows):
  (directory / "problems.jsonl").write_text(json.dumps(ROWS[0]))
  problems = problems_lib.read_problems(directory / "problems.jsonl")
  path = directory / "samples.jsonl"
  path.write_text("".join(json.dumps(row) + "\n" for row in rows))
  try:
    samples = read_samples(path, problems)
  except errors.UserError as error:
    assert re.search(r"samples\.jsonl(:[123])?: ", str(error))
  else:
    assert len(samples) == len(rows)


@hypothesis.settings(deadline=None)
@hypothesis.given(
  st.binary(max_size=200), st.integers(0, 400), st.sampled_from(["bytes.jsonl", "bytes.jsonl.gz", "bytes.json"])
)
def test_files_that_are_cut_or_overwritten_are_refused_by_name(directory, junk, cut, name):
  data = (json.dumps(ROWS[0]) + "\n").encode()
  if name.endswith(".gz"):
    data = gzip.compress(data)
  path = directory / name
  path.write_bytes(data[:cut] + junk)
  try:
    problems_lib.read_problems(path)
  except errors.UserError as error:
    assert name in str(error)


@pytest.mark.parametrize(
  "data, message",
  [
    (b"\xef\xbb\xbf" + json.dumps(SAMPLE).encode(), "samples.jsonl:1: expected one JSON object"),
    (json.dumps(SAMPLE).encode("utf-16"), "samples.jsonl: expected UTF-8 text"),
    (b"[" * 100_000, "samples.jsonl:1: expected one JSON object"),
    (b'{"task_id": 1' + b"1" * 10_000 + b"}", "samples.jsonl:1: expected one JSON object"),
    (b"\n\n" + json.dumps({**SAMPLE, "task_id": "9" * 5000}).encode(), "samples.jsonl:3: task_id '9999"),
    (json.dumps({**SAMPLE, "task_id": True}).encode(), "samples.jsonl:1: key 'task_id': expected text or a number"),
    (b"\0" * 100, "samples.jsonl:1: expected one JSON object"),
  ],
)
def test_odd_files_are_refused_with_their_line(directory, data, message):
  (directory / "problems.jsonl").write_text(json.dumps(ROWS[0]))
  problems = problems_lib.read_problems(directory / "problems.jsonl")
  (directory / "samples.jsonl").write_bytes(data)
  with pytest.raises(errors.UserError, match=re.escape(message)) as caught:
    read_samples(directory / "samples.jsonl", problems)
  assert len(str(caught.value)) < 20_000


def test_a_line_of_ten_megabytes_is_a_sample(directory):
  (directory / "problems.jsonl").write_text(json.dumps(ROWS[0]))
  problems = problems_lib.read_problems(directory / "problems.jsonl")
  code = "def f(x):\n  return 2 * x\n" + "#" * 10_000_000
  (directory / "samples.jsonl").write_text(json.dumps({"task_id": 11, "solution": code}))
  ((problem, found, index),) = read_samples(directory / "samples.jsonl", problems)
  assert (problem.task_id, len(found), index) == ("11", len(code), 0)
