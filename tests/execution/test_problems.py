"""Problem files of all benchmarks become problems of one shape; errors name the line."""

import gzip
import json
import re

import pytest

from next_jax import errors
from next_jax.execution.benchmarks import problems as problems_lib

MBPP = {
    "task_id": 11,
    "text": "Write a function to double a number.",
    "code": "import math\r\ndef helper(x):\r\n  return x\r\ndef double(x):\r\n  return 2 * helper(x)",
    "test_list": ["assert set([double(1)]) == {2}", "assert double(2) == 4"],
    "test_setup_code": "",
    "challenge_test_list": ["assert double(0) == 0"],
}
NO_TESTS = {"test_list": [], "challenge_test_list": []}
HUMAN_EVAL = {
    "task_id": "HumanEval/3",
    "prompt": "import math\n\ndef half(x):\n  return x / 2\n\ndef double(x):\n  '''Doubles.'''\n",
    "entry_point": "double",
    "canonical_solution": "  return 2 * x\n",
    "test": "def check(candidate):\n  assert candidate(half(2)) == 2\n",
}
PACK = {
    **HUMAN_EVAL, "task_id": "Python/3", "buggy_solution": "  return 3 * x\n",
    "instruction": "Write a function `double`.",
    "test": HUMAN_EVAL["test"] + "\ncheck(double)",
}


def write(path, *rows):
  text = "".join(json.dumps(row) + "\n" for row in rows)
  path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
  return path


def test_mbpp(tmp_path):
  (problem,) = problems_lib.read_problems(write(tmp_path / "mbpp.jsonl", MBPP))
  assert (problem.task_id, problem.prompt, problem.entry_point) == ("11", "", "double")
  assert problem.tests == ("assert set([double(1)]) == {2}", "assert double(2) == 4", "assert double(0) == 0")
  assert "\r" not in problem.canonical
  assert problem.instruction == MBPP["text"] and problem.buggy is None


def test_sanitized_mbpp_is_one_list_and_says_prompt(tmp_path):
  row = {key: MBPP[key] for key in ("task_id", "code", "test_list")}
  path = tmp_path / "sanitized-mbpp.json"
  path.write_text(json.dumps([{**row, "prompt": "Double.", "test_imports": ["import math"]}]))
  (problem,) = problems_lib.read_problems(path)
  assert (problem.setup_code, problem.instruction, problem.prompt) == ("import math", "Double.", "")


def test_setup_code_that_needs_the_solution_runs_with_the_first_test(tmp_path):
  row = {**MBPP, "code": "class Node: pass\ndef double(x): return x", "test_setup_code": "root = Node()"}
  row["test_list"] = ["assert double(root) == root"]
  (problem,) = problems_lib.read_problems(write(tmp_path / "mbpp.jsonl", row))
  assert problem.setup_code == ""
  assert problem.tests[0] == "root = Node()\nassert double(root) == root"


@pytest.mark.parametrize("name", ["file.jsonl", "file.jsonl.gz"])
def test_human_eval_plain_and_compressed(tmp_path, name):
  (problem,) = problems_lib.read_problems(write(tmp_path / name, HUMAN_EVAL))
  assert problem.task_id == "HumanEval/3"
  assert problem.tests[0].endswith("check(double)\n")
  assert "def half" in problem.setup_code and "def double" not in problem.setup_code
  assert problem.canonical.startswith("import math") and problem.canonical.endswith("  return 2 * x\n")


def test_human_eval_fix_has_a_buggy_program_one_check_and_the_instruction_to_repair(tmp_path):
  (problem,) = problems_lib.read_problems(write(tmp_path / "pack.jsonl", PACK))
  assert problem.buggy.endswith("  return 3 * x\n")
  assert problem.tests[0].count("check(double)") == 1
  assert problem.instruction == "Fix bugs in double."


@pytest.mark.parametrize(
    "code, tests, name",
    [
        ("def f(x): pass", ["assert f(1)"], "f"),
        ("def sum(x): pass", ["assert sum(1)"], "sum"),
        ("def f(x): pass\ndef g(x): pass", ["assert set(g(f(1)))"], "g"),
        ("class P: pass\ndef f(x): pass", ["assert f([P()]) == P()"], "f"),
        ("class P: pass", ["assert P()"], "P"),
        ("import math\ndef f(x): pass", ["assert math.isclose(f(1), 2)"], "f"),
        ("def f(x): pass", ["x = 1", "assert (f(x)) == 1"], "f"),
        ("f = lambda x: x", ["assert f(1)"], "f"),
    ],
)
def test_the_entry_point_is_what_the_tests_call(code, tests, name):
  assert problems_lib.entry_point(code, tests) == name


@pytest.mark.parametrize(
    "rows, message",
    [
        ([{**MBPP, **NO_TESTS}], r"bad.jsonl:1: key 'test_list': expected a list of one or more strings"),
        ([MBPP, {**MBPP, "task_id": 12, "code": None}], r"bad.jsonl:2: key 'code': expected str, found NoneType"),
        ([MBPP, MBPP], r"bad.jsonl:2: task_id '11' is also at .*bad.jsonl:1"),
        ([{"a": 1}], r"bad.jsonl:1: found the keys 'a'; expected those of MBPP"),
        ([{k: v for k, v in PACK.items() if k != "prompt"}], r"bad.jsonl:1: key 'prompt' is missing"),
        ([{**MBPP, **NO_TESTS, "test_list": ["assert other(1)"]}], r"no test calls what the program defines"),
        ([{**MBPP, "test_list": ["assert ("]}], r"bad.jsonl:1: expected Python code, .* '\(' was never closed"),
        ([{"task_id": "Mbpp/2", "base_input": [], "plus_input": []}], r"bad.jsonl:1: key 'prompt' is missing"),
        ([], r"no problems in the file"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_line(tmp_path, rows, message):
  with pytest.raises(errors.ExecutionError, match=message):
    problems_lib.read_problems(write(tmp_path / "bad.jsonl", *rows))


@pytest.mark.parametrize(
    "name, count", [("mbpp.jsonl", 974), ("humanevalpack_python.jsonl", 164), ("HumanEvalPlus-OriginFmt.jsonl.gz", 164)]
)
def test_the_real_files_are_read_completely(shared_data, name, count):
  problems = problems_lib.read_problems(shared_data / name)
  assert len(problems) == count
  assert all(re.search(rf"def {problem.entry_point}\b", problem.canonical) for problem in problems)
