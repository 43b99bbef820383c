"""Comparisons: the groups of one evaluation, and two evaluations of the same tasks."""

import random

import pytest

from next_jax import files
from next_jax import main
from next_jax import schema
from next_jax.evaluation import comparison
from next_jax.evaluation import groups
from next_jax.evaluation import results


def make_task(number, kind="constant", outcome="returned"):
  trace = schema.Trace(call="f(1)", steps=(), outcome=outcome, detail="1")
  return schema.RepairTask(
      task_id=f"t/{number}", split="dev", instruction="", entry_point="f", buggy_code="def f(x): pass\n",
      reference_code="def f(x): return x\n", public_tests=("assert f(1) == 1",), hidden_tests=(), bug_kind=kind,
      bug_origin="mutant", trace=trace,
  )


def write(directory, tasks, rate, seed=0, num_samples=8):
  """An evaluation in which a share `rate` of the samples passes."""
  draw = random.Random(seed)
  directory.mkdir(parents=True)
  files.write_jsonl(directory / "tasks.jsonl", tasks)
  files.write_jsonl(directory / "verdicts.jsonl", [
      schema.Verdict(task_id=task.task_id, sample_index=i, status="passed" if draw.random() < rate else "failed")
      for task in tasks for i in range(num_samples)
  ])
  return directory


TASKS = [
    make_task(i, kind=("constant", "operator")[i % 2], outcome=("returned", "raised")[i % 3 == 0]) for i in range(60)
]


def test_a_better_model_is_found_better_with_a_small_p_value(tmp_path):
  base = results.read(write(tmp_path / "run/base/evaluate/dev", TASKS, 0.1, seed=1))
  tuned = results.read(write(tmp_path / "run/iteration_01/evaluate/dev", TASKS, 0.5, seed=2))
  found = comparison.difference(base, tuned, k=1)
  assert found.estimate.low > 0.3 and found.estimate.high < 0.5 and found.estimate.num_tasks == 60
  assert found.p_value == 1 / (comparison.NUM_RESAMPLES + 1)
  back = comparison.difference(tuned, base, k=1)
  assert back.estimate.value == -found.estimate.value and back.p_value == found.p_value


def test_p_values_of_equal_models_are_below_five_percent_in_about_five_percent_of_trials(tmp_path, monkeypatch):
  monkeypatch.setattr(comparison, "NUM_RESAMPLES", 300)
  trials = 200
  small = 0
  for trial in range(trials):
    pair = [
        results.read(write(tmp_path / f"{seed}", TASKS, 0.3, seed=seed, num_samples=4))
        for seed in (2 * trial, 2 * trial + 1)
    ]
    small += comparison.difference(*pair, k=1, seed=trial).p_value < 0.05
  assert 2 <= small <= 20  # 10 expected, standard deviation 3


def test_an_evaluation_does_not_differ_from_itself(tmp_path):
  one = results.read(write(tmp_path / "base/evaluate/dev", TASKS, 0.4))
  found = comparison.difference(one, one, k=1)
  assert (found.estimate.value, found.estimate.low, found.estimate.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_groups_hold_all_tasks_once(tmp_path):
  one = results.read(write(tmp_path / "base/evaluate/dev", TASKS, 0.4))
  for group in groups.GROUPS:
    found = comparison.by_group(one, 1, group)
    assert sum(estimate.num_tasks for estimate in found.values()) == 60
    mean = sum(estimate.value * estimate.num_tasks for estimate in found.values()) / 60
    assert mean == pytest.approx(comparison.overall(one, 1).value)
  assert set(comparison.by_group(one, 1, "symptom")) == {"wrong value", "exception"}
  assert set(comparison.by_group(one, 1, "kind")) == {"constant", "operator"}


def test_what_was_not_judged_is_left_out(tmp_path):
  directory = write(tmp_path / "base/evaluate/dev", TASKS[:1], 1.0, num_samples=2)
  verdicts = files.read_jsonl(directory / "verdicts.jsonl", schema.Verdict)
  lost = schema.Verdict(task_id="t/0", sample_index=2, status="infrastructure")
  files.write_jsonl(directory / "verdicts.jsonl", [*verdicts, lost])
  assert results.read(directory).passed == {"t/0": [True, True]}


def test_the_command_prints_both_the_difference_and_the_groups(tmp_path, capsys):
  paths = [str(write(tmp_path / f"run/{name}/evaluate/dev", TASKS, rate)) for name, rate in (("base", 0.1), ("a", 0.6))]
  assert main.main(["compare", *paths]) == 0
  out = capsys.readouterr().out
  assert "base/evaluate/dev" in out and "second - first" in out and "60 tasks x 8 samples" in out
  assert "pass@1 by symptom" in out and "wrong value" in out


def test_the_command_breaks_down_several_pass_at_k(tmp_path, capsys):
  path = write(tmp_path / "run/base/evaluate/dev", TASKS, 0.3)
  assert main.main(["compare", str(path), "--k", "1", "5"]) == 0
  out = capsys.readouterr().out
  one = results.read(path)
  for k in (1, 5):
    assert f"pass@{k} {comparison.overall(one, k)}; 60 tasks x 8 samples" in out
    for group in groups.GROUPS:
      section = out[out.index(f"pass@{k} by {group}") :]
      for name, estimate in comparison.by_group(one, k, group).items():
        assert f"  {name:16}{estimate!s:22}" in section


@pytest.mark.parametrize("arguments, message", [
    (["{there}", "{gone}"], "tasks.jsonl: no such file; expected the directory of a finished evaluation"),
    (["{there}", "{there}", "{there}"], "expected one or two evaluations, found 3"),
    (["{there}", "--k=9"], "no task has 9 judged samples; give a smaller k"),
    (["{there}", "--k=0"], "--k: found 0, expected 1 or more"),
    (["{there}", "{other}"], "have no task with 1 judged samples in common"),
])
def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path, capsys, arguments, message):
  paths = {
      "there": write(tmp_path / "a/evaluate/dev", TASKS, 0.5), "gone": tmp_path / "b",
      "other": write(tmp_path / "c/evaluate/dev", [make_task(99)], 0.5),
  }
  assert main.main(["compare", *(argument.format(**paths) for argument in arguments)]) == 1
  error = capsys.readouterr().err
  assert message in error and error.count("\n") == 1
