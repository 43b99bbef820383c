"""On the real benchmarks: every reference solution passes, every HumanEvalFix bug fails."""

import pytest

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution.benchmarks import problems as problems_lib

# Their tests use more of the program: classes (367, 601, 927) and an import (596).
MBPP_INSIDE = {"367", "596", "601", "927"}


def test_reference_solutions_of_mbpp_pass(shared_data):
  problems = problems_lib.read_problems(shared_data / "mbpp.jsonl")
  problems = [problem for problem in problems if int(problem.task_id) % 4 == 3 or problem.task_id in MBPP_INSIDE]
  with executor_lib.Executor() as executor:
    verdicts = list(executor.verify(problem.program(problem.canonical) for problem in problems))
  assert [verdict for verdict in verdicts if not verdict.passed] == []
  assert {verdict.task_id for verdict in verdicts if verdict.trust == "inside"} == MBPP_INSIDE


@pytest.mark.slow
def test_all_reference_solutions_of_mbpp_pass(shared_data):
  problems = problems_lib.read_problems(shared_data / "mbpp.jsonl")
  with executor_lib.Executor(limits=limits_lib.Limits(cpu_seconds=20.0)) as executor:
    verdicts = list(executor.verify(problem.program(problem.canonical) for problem in problems))
  assert [verdict for verdict in verdicts if not verdict.passed] == []
  assert {verdict.task_id for verdict in verdicts if verdict.trust == "inside"} == MBPP_INSIDE


def test_human_eval_fix_tells_right_from_buggy(shared_data):
  problems = problems_lib.read_problems(shared_data / "humanevalpack_python.jsonl")
  with executor_lib.Executor(limits=limits_lib.Limits(cpu_seconds=1.0)) as executor:
    right = list(executor.verify(problem.program(problem.canonical) for problem in problems))
    buggy = list(executor.verify(problem.program(problem.buggy) for problem in problems))
  assert [verdict for verdict in right if not verdict.passed or verdict.trust != "judged"] == []
  assert [verdict for verdict in buggy if verdict.passed or verdict.trust != "judged"] == []
  # These three do not terminate; the others fail with a reason.
  endless = {verdict.task_id for verdict in buggy if verdict.status == "timeout"}
  assert endless == {"Python/10", "Python/156", "Python/160"}


@pytest.mark.slow
def test_human_eval_plus_reference_solutions_pass(shared_data):
  problems = problems_lib.read_problems(shared_data / "HumanEvalPlus-OriginFmt.jsonl.gz")[2::6]
  with executor_lib.Executor(limits=limits_lib.Limits(cpu_seconds=30.0, judge_cpu_seconds=60.0)) as executor:
    verdicts = list(executor.verify(problem.program(problem.canonical) for problem in problems))
  # Its published test program unpacks a float: `_poly(*candidate(*inp), inp)`.
  assert [verdict.task_id for verdict in verdicts if not verdict.passed] == ["HumanEval/32"]
