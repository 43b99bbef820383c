"""On the real HumanEval+ and MBPP+: reference solutions pass, and mutants get the verdicts that evalplus gives."""

import itertools
import random

import pytest

from next_jax.corpora import mutations
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution.benchmarks import plus
from next_jax.execution.benchmarks import problems as problems_lib

LIMITS = limits_lib.Limits(cpu_seconds=60.0, judge_cpu_seconds=60.0)
FILES = {"humaneval": "HumanEvalPlus.jsonl.gz", "mbpp": "MbppPlus.jsonl.gz"}


@pytest.fixture(scope="module")
def executor():
  with executor_lib.Executor(limits=LIMITS) as executor:
    yield executor


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_reference_solutions_pass(shared_data, executor, name):
  # A third of them; all of them pass too, but take minutes.
  problems = plus.with_tests(problems_lib.read_problems(shared_data / FILES[name])[::3], executor)
  verdicts = list(executor.verify(problem.program(problem.canonical) for problem in problems))
  assert [verdict for verdict in verdicts if not verdict.passed or verdict.trust != "judged"] == []
  assert {problem.task_id for problem in problems if any(problem.left_out.values())} <= {"Mbpp/255"}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_verdicts_on_references_and_mutants_are_those_of_evalplus(shared_data, executor, monkeypatch, name):
  evalplus = pytest.importorskip("evalplus.eval", reason="needs evalplus: pip install evalplus")
  from evalplus import evaluate
  from evalplus.data import humaneval
  from evalplus.data import mbpp

  monkeypatch.setenv("EVALPLUS_TIMEOUT_PER_TASK", "600")
  # It compares what the environment says with a number.
  monkeypatch.setattr(evalplus.os, "getenv", lambda key, default=None: 600 if "TIMEOUT" in key else default)
  monkeypatch.setattr(humaneval, "HUMANEVAL_OVERRIDE_PATH", str(shared_data / FILES["humaneval"]))
  monkeypatch.setattr(mbpp, "MBPP_OVERRIDE_PATH", str(shared_data / FILES["mbpp"]))
  rows = humaneval.get_human_eval_plus() if name == "humaneval" else mbpp.get_mbpp_plus()
  problems = problems_lib.read_problems(shared_data / FILES[name])[::8]
  problems = [one for one in plus.with_tests(problems, executor) if one.reference_cpu_seconds < 1.0]
  samples = []
  for problem in problems:
    found = mutations.mutants(problem.canonical, random.Random(problem.task_id))
    mutants = [mutant.code for mutant, _ in itertools.islice(found, 2)]
    samples += [(problem, code) for code in (problem.canonical, *mutants)]
  verdicts = list(executor.verify(problem.program(code, cpu_seconds=5.0) for problem, code in samples))
  differences = []
  for (problem, code), verdict in zip(samples, verdicts, strict=True):
    row = rows[problem.task_id]
    statuses = []
    for part in ("base", "plus"):
      expected = evaluate.trusted_exec(
          problem.canonical, row[f"{part}_input"], row["entry_point"],
          output_not_none=row["entry_point"] in evaluate.MBPP_OUTPUT_NOT_NONE_TASKS,
      )
      times = [1.0] * len(expected)
      statuses.append(
          evalplus.untrusted_check(
              name, code, row[f"{part}_input"], row["entry_point"], expected, row["atol"], times, fast_check=True
          )[0]
      )
    theirs = all(status == evalplus.PASS for status in statuses)
    if theirs != verdict.passed and problem.task_id != "HumanEval/32":  # evalplus fails every program there
      differences.append((problem.task_id, verdict.status, verdict.detail, statuses, code))
  assert differences == []
  assert {verdict.passed for verdict in verdicts} == {True, False}
