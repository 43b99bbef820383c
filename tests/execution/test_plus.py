"""HumanEval+ and MBPP+: tests are made by running reference solutions, and agree with evalplus."""

import gzip
import json

import pytest

from next_jax import errors
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution.benchmarks import plus
from next_jax.execution.benchmarks import problems as problems_lib

LIMITS = limits_lib.Limits(reply_bytes=1 << 16)

HUMAN_EVAL = {
  "task_id": "HumanEval/9",
  "prompt": 'import math\n\ndef halves(values):\n  """Halves."""\n',
  "entry_point": "halves",
  "canonical_solution": "  assert values is not None\n  return [value / 2 for value in values]\n",
  "test": "def check(candidate):\n  assert candidate([2]) == [1]\n",
  "contract": '  assert isinstance(values, list), "invalid inputs"\n',
  "base_input": [[[2, 4]], [[]]],
  "plus_input": [[[1]], [[0.1, 0.3]]],
  "atol": 0,
}
MBPP = {
  "task_id": "Mbpp/2",
  "prompt": '"""\nShared elements.\n"""\n',
  "entry_point": "similar_elements",
  "canonical_solution": "def similar_elements(one, other):\n  return tuple(set(one) & set(other))\n",
  "contract": "",
  "base_input": [[[3, 4, 5], [5, 4]]],
  "plus_input": {},
  "atol": 0,
  "assertion": "",
}


@pytest.fixture(scope="module")
def executor():
  with executor_lib.Executor(num_workers=1, limits=LIMITS) as executor:
    yield executor


def read(tmp_path, *rows):
  path = tmp_path / "plus.jsonl.gz"
  path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
  return problems_lib.read_problems(path)


def statuses(executor, problem, code):
  (verdict,) = executor.verify([problem.program(code)])
  assert verdict.trust == "judged"
  return [result.status for result in verdict.tests], verdict.detail


def test_the_tests_are_the_benchmarks_own_inputs_and_then_evalpluss(tmp_path, executor):
  human_eval, mbpp = plus.with_tests(read(tmp_path, HUMAN_EVAL, MBPP), executor)
  assert [len(human_eval.tests), len(mbpp.tests)] == [2, 1]
  assert statuses(executor, human_eval, human_eval.canonical) == (["passed", "passed"], "")
  wrong = "def halves(values):\n  return [value // 2 for value in values]\n"
  assert statuses(executor, human_eval, wrong) == (["passed", "failed"], "halves([1]) returned [0], expected [0.5]")
  multiplied = "def halves(values):\n  return [value * 0.49999999999 for value in values]\n"
  assert statuses(executor, human_eval, multiplied)[0] == ["passed", "passed"]
  assert statuses(executor, mbpp, "def similar_elements(a, b):\n  return [x for x in b if x in a] * 2\n")[0] == [
    "passed"
  ]


def test_a_reference_may_return_objects_of_derived_classes(tmp_path, executor):
  solution = (
      "  import collections, enum\n  class Size(enum.IntEnum):\n    SMALL = 1\n    LARGE = 2\n  class Row(list): pass\n"
      "  pair = collections.namedtuple('Pair', 'size row')\n"
      "  return Row([pair(Size(1 + (value > 3)), Row([value] * 1000)) for value in values])\n"
  )
  row = {**HUMAN_EVAL, "canonical_solution": solution, "base_input": [[[2, 4]], [[]]], "plus_input": [[[5]]]}
  (problem,) = plus.with_tests(read(tmp_path, row), executor)
  assert statuses(executor, problem, problem.canonical) == (["passed", "passed"], "")
  plain = "def halves(values):\n  return [(1 + (value > 3), [value] * 1000) for value in values]\n"
  assert statuses(executor, problem, plain) == (["passed", "passed"], "")
  equal = "class L(list):\n  def __eq__(self, other): return True\ndef halves(values): return L(values)\n"
  assert statuses(executor, problem, equal)[0] == ["failed"]
  assert statuses(executor, problem, plain.replace("value > 3", "value > 4"))[0] == ["failed"]
  assert statuses(executor, problem, plain.replace("1000", "999"))[0] == ["failed"]


def test_arguments_have_the_types_that_json_does_not_say(tmp_path):
  (problem,) = read(tmp_path, MBPP)
  assert problem.inputs.base == [[{"tuple": [3, 4, 5]}, {"tuple": [5, 4]}]]
  assert (problem.inputs.plus, problem.inputs.rule) == ([], "equal set")


def test_expected_outputs_are_computed_once(tmp_path, executor):
  problems = read(tmp_path, {**HUMAN_EVAL, "plus_input": [[[1e308, float("inf"), float("nan")]]]})
  first = plus.with_tests(problems, executor, tmp_path / "cache")
  with executor_lib.Executor(num_workers=1) as closed:
    pass
  assert plus.with_tests(problems, closed, tmp_path / "cache") == first
  changed = {**HUMAN_EVAL, "canonical_solution": "  return [value / 4 for value in values]\n"}
  (problem,) = plus.with_tests(read(tmp_path, changed), executor, tmp_path / "cache")
  assert problem.tests != first[0].tests


def test_an_input_with_an_output_over_the_limits_is_left_out(tmp_path, executor):
  row = {
    **HUMAN_EVAL,
    "canonical_solution": "  return 'x' * 10 ** values[0]\n",
    "base_input": [[[1]], [[7]], [[2]], [[12]]],
  }
  (problem,) = plus.with_tests(read(tmp_path, {**row, "plus_input": []}), executor)
  assert statuses(executor, problem, problem.canonical) == (["passed"], "")
  assert problem.left_out == {"base": (1, 3), "plus": ()}


def test_a_reference_solution_that_fails_is_refused(tmp_path, executor):
  problems = read(
    tmp_path, HUMAN_EVAL, {**HUMAN_EVAL, "task_id": "HumanEval/1", "plus_input": [[[1]], [[1], 2], [None]]}
  )
  with pytest.raises(
    errors.ExecutionError, match="'HumanEval/1': the reference solution fails on input 1 of plus_input: Type"
  ):
    plus.with_tests(problems, executor)


@pytest.mark.parametrize(
  "change, message",
  [
    ({"atol": "small"}, "plus.jsonl.gz:1: key 'atol': expected a number from 0 to 1, found 'small'"),
    ({"base_input": 3}, "key 'base_input': expected a list of argument lists"),
    ({"plus_input": [3]}, "key 'plus_input': expected a list of argument lists"),
    ({"base_input": [], "plus_input": []}, "expected one or more inputs, found none"),
    ({"task_id": "Mbpp/106"}, "key 'base_input': found arguments that 'Mbpp/106' does not take"),
    ({"entry_point": None}, "key 'entry_point': expected str, found NoneType"),
  ],
)
def test_what_is_wrong_with_a_row_is_named(tmp_path, change, message):
  with pytest.raises(errors.ExecutionError, match=message):
    read(tmp_path, {**HUMAN_EVAL, **change})


@pytest.mark.parametrize("name, count", [("HumanEvalPlus.jsonl.gz", 164), ("MbppPlus.jsonl.gz", 378)])
def test_the_real_files_are_read_completely(shared_data, name, count):
  assert len(problems_lib.read_problems(shared_data / name)) == count
