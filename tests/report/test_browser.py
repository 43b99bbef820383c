"""Tests of the data of the page's browser of samples."""

import dataclasses

import pytest

from next_jax import schema
from next_jax.report import browser
from next_jax.report import workdir as workdir_lib


@pytest.fixture(scope="module")
def data(finished_run):
  run = workdir_lib.read(finished_run)
  return browser.data(run.evaluations, browser.Bounds(), default=run.best_evaluation)


def test_a_task_stands_once_however_many_models_met_it(data, tasks):
  assert len(data["evaluations"]) == 12
  assert [task["task_id"] for task in data["tasks"]] == [task.task_id for task in tasks]


def test_it_opens_with_the_best_model(data):
  assert [one["id"] for one in data["evaluations"] if one["is_default"]] == ["iteration_03/dev"]


def test_counts_are_over_all_samples_though_fewer_are_shown(data, tasks):
  one = data["evaluations"][0]
  assert one["num_samples"] == 40 * 8
  assert all(total == 8 for _, total in one["counts"].values())
  assert all([sample["sample_index"] for sample in group["samples"]] == [0, 1, 2, 3] for group in one["tasks"])


def test_bounds_hold(finished_run):
  evaluations = workdir_lib.read(finished_run).evaluations
  data = browser.data(evaluations, browser.Bounds(tasks=3, samples=2, characters=30))
  assert all(len(one["tasks"]) == 3 for one in data["evaluations"])
  assert all(len(group["samples"]) == 2 for one in data["evaluations"] for group in one["tasks"])
  diffs = [s["diff"] for one in data["evaluations"] for g in one["tasks"] for s in g["samples"] if "diff" in s]
  assert any("more characters)" in diff for diff in diffs)
  assert all(len(diff) < 80 for diff in diffs)


def test_a_refused_sample_shows_its_completion_and_why(data):
  samples = [s for one in data["evaluations"] for group in one["tasks"] for s in group["samples"]]
  refused = [sample for sample in samples if sample["status"] == "refused"]
  assert refused
  assert all(sample["refusal"].startswith("no fenced block") and "diff" not in sample for sample in refused)


def test_code_and_states_of_a_line_are_apart(data, tasks):
  program = data["tasks"][0]["program"]
  assert "\n".join(code for code, _ in program) + "\n" == tasks[0].buggy_code
  assert program[0] == ["def count_above(values, limit):", program[0][1]]
  assert program[0][1].strip().startswith("# (0) values=[1, 5, 9]; limit=4")


def test_a_task_without_trace_is_shown_plain(tasks):
  plain = dataclasses.replace(tasks[0], trace=None)
  assert browser._program(plain, browser.Bounds())[0] == ["def count_above(values, limit):", ""]


def test_tests_carry_whether_they_are_public(data):
  assert [test["is_public"] for test in data["tasks"][0]["tests"]] == [True, False]
  samples = [sample for group in data["evaluations"][0]["tasks"] for sample in group["samples"]]
  assert {status for sample in samples for status in sample["tests"]} <= set(schema.STATUSES)
