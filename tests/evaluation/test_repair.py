"""The fix rate: pass@k over tasks, its interval, and what became of the samples."""

import dataclasses

import pytest

from next_jax import schema
from next_jax.evaluation import repair


def task(number, kind="operator"):
  return schema.RepairTask(
      task_id=f"t/{number}", split="dev", instruction="Add.", entry_point="add",
      buggy_code="def add(a, b):\n  return a - b", reference_code="def add(a, b):\n  return a + b",
      public_tests=("assert add(1, 1) == 2",), hidden_tests=(), bug_kind=kind, bug_origin="mutant",
  )


def results(*statuses_of_tasks):
  """Tasks, samples and verdicts, from a string for each task: P passed, F failed, R refused, I infrastructure."""
  words = {"P": "passed", "F": "failed", "R": "syntax", "I": "infrastructure"}
  tasks, samples, verdicts = [], [], []
  for number, statuses in enumerate(statuses_of_tasks):
    tasks.append(task(number, "operator" if number % 2 else "constant"))
    for index, status in enumerate(statuses):
      samples.append(schema.Sample(
          task_id=f"t/{number}", sample_index=index, completion="", log_probability=0.0, token_count=1, seed=0,
          refusal="there is no code block" if status == "R" else None,
      ))
      verdicts.append(schema.Verdict(task_id=f"t/{number}", sample_index=index, status=words[status]))
  return tasks, samples, verdicts


def test_pass_at_k_is_the_mean_over_tasks():
  metrics = repair.fix_rate(*results("PPFF", "FFFF", "PFFF"), ks=(1, 2, 4), seed=0)
  assert metrics["num_tasks"] == 3 and metrics["num_samples"] == 4
  assert metrics["pass_at"]["1"]["value"] == pytest.approx((0.5 + 0 + 0.25) / 3, abs=1e-6)
  assert metrics["pass_at"]["2"]["value"] == pytest.approx((5 / 6 + 0 + 0.5) / 3, abs=1e-6)
  assert metrics["pass_at"]["4"]["value"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_failure_of_ours_is_no_failure_of_the_program():
  judged = repair.fix_rate(*results("PF", "FF"), ks=(1,), seed=0)
  with_ours = repair.fix_rate(*results("PFII", "FFI"), ks=(1,), seed=0)
  assert with_ours["pass_at"]["1"]["value"] == judged["pass_at"]["1"]["value"]
  assert with_ours["statuses"]["infrastructure"] == 3


def test_a_completion_without_a_fix_is_a_failed_sample_of_its_own_kind():
  metrics = repair.fix_rate(*results("PR", "RR"), ks=(1,), seed=0)
  assert metrics["pass_at"]["1"]["value"] == 0.25
  assert metrics["statuses"] == {"passed": 1, "refused": 3}


def test_kinds_of_bugs_are_counted_apart():
  metrics = repair.fix_rate(*results("PP", "FF", "PF"), ks=(1,), seed=0)
  assert metrics["by_bug_kind"] == {
      "constant": {"tasks": 2, "samples": 4, "passed": 3}, "operator": {"tasks": 1, "samples": 2, "passed": 0}
  }


def test_each_group_of_tasks_has_a_pass_at_each_k_of_its_own():
  metrics = repair.fix_rate(*results("PPFF", "FFFF", "PFFF"), ks=(1, 2), seed=0)
  kinds = metrics["groups"]["kind"]
  assert list(kinds) == ["constant", "operator"] and kinds["constant"]["tasks"] == 2
  assert kinds["constant"]["pass_at"]["1"]["value"] == pytest.approx((0.5 + 0.25) / 2)
  assert kinds["constant"]["pass_at"]["2"]["value"] == pytest.approx((5 / 6 + 0.5) / 2, abs=1e-6)
  assert kinds["operator"]["pass_at"] == {k: {"value": 0.0, "low": 0.0, "high": 0.0} for k in ("1", "2")}
  assert metrics["groups"]["origin"]["mutant"] == {"tasks": 3, "pass_at": metrics["pass_at"]}
  assert list(metrics["groups"]["symptom"]) == ["not traced"]


def test_samples_that_return_the_buggy_program_are_unchanged():
  tasks, samples, verdicts = results("FF", "FFR")
  fixes = [tasks[0].buggy_code + "  # (1) a=1\n", tasks[0].reference_code, tasks[1].buggy_code, "pass", None]
  samples = [dataclasses.replace(sample, fix=fix) for sample, fix in zip(samples, fixes, strict=True)]
  found = repair.fix_rate(tasks, samples, verdicts, ks=(1,), seed=0)["unchanged"]
  assert found["value"] == pytest.approx((1 / 2 + 1 / 3) / 2, abs=1e-6) and found["low"] < found["high"]


def test_a_k_beyond_the_samples_is_left_out():
  assert list(repair.fix_rate(*results("PF"), ks=(1, 2, 25), seed=0)["pass_at"]) == ["1", "2"]


def test_the_interval_is_over_tasks_and_holds_the_value():
  few = repair.fix_rate(*results("PF", "FF", "PP", "PF"), ks=(1,), seed=0)["pass_at"]["1"]
  many = repair.fix_rate(*results(*["PF", "FF", "PP", "PF"] * 25), ks=(1,), seed=0)["pass_at"]["1"]
  assert few["low"] < few["value"] < few["high"]
  assert many["value"] == few["value"] and many["high"] - many["low"] < (few["high"] - few["low"]) / 3


def test_samples_and_verdicts_that_do_not_pair_up_are_refused():
  tasks, samples, verdicts = results("PF")
  with pytest.raises(ValueError):
    repair.fix_rate(tasks, samples, verdicts[:-1], ks=(1,), seed=0)
