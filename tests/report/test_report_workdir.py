"""Tests of what is read from a work directory."""

import shutil

import pytest

from next_jax import errors
from next_jax import files
from next_jax.report import workdir as workdir_lib


def test_models_come_in_the_order_of_the_loop(finished_run):
  models = list(dict.fromkeys(e.model for e in workdir_lib.read(finished_run).evaluations))
  assert models == ["base", "iteration_01", "iteration_02", "iteration_03", "control_unfiltered"]


def test_iterations_are_ordered_as_numbers(tmp_path):
  for name in ("iteration_10", "iteration_02", "control_b", "base", "control_a"):
    files.write_json(tmp_path / name / "sample" / "stage.json", {})
  assert list(dict.fromkeys(stage.model for stage in workdir_lib.read(tmp_path).stages)) == [
      "base", "iteration_02", "iteration_10", "control_a", "control_b",
  ]


def test_labels_are_for_people():
  assert workdir_lib.label("iteration_01") == "NExT 1"
  assert workdir_lib.label("iteration_12") == "NExT 12"
  assert workdir_lib.label("control_no_filter") == "control: no filter"
  assert workdir_lib.label("control_unfiltered_02") == "control: unfiltered 2"
  assert workdir_lib.label("base") == "base"


def test_best_is_the_chosen_model_on_dev_with_the_input_of_the_loop(finished_run):
  best = workdir_lib.read(finished_run).best_evaluation
  assert (best.model, best.split, best.input) == ("iteration_03", "dev", "trace")


def test_until_one_is_chosen_best_is_the_last_iteration_and_no_control(finished_run, tmp_path):
  workdir = shutil.copytree(finished_run, tmp_path / "run")
  (workdir / "best.json").unlink()
  shutil.rmtree(workdir / "iteration_03")
  assert workdir_lib.read(workdir).best_evaluation.model == "iteration_02"


def test_rounds_are_counted_from_their_records(finished_run):
  rounds = {one.model: one for one in workdir_lib.read(finished_run).rounds}
  assert sum(rounds["iteration_02"].statuses.values()) == 40 * 8
  assert rounds["iteration_02"].num_kept == 150
  assert rounds["base"].num_kept is None
  assert rounds["iteration_01"].tuning["steps"] == 90


def test_the_time_of_a_continued_stage_is_marked(finished_run):
  stages = {stage.name: stage for stage in workdir_lib.read(finished_run).stages}
  assert stages["iteration_02/sample"].resumed
  assert not stages["iteration_01/sample"].resumed
  assert stages["iteration_01/finetune"].seconds == 95.0


def test_a_directory_of_something_else_is_refused(tmp_path):
  (tmp_path / "notes.txt").write_text("mine")
  with pytest.raises(errors.ReportError, match="neither run.json nor base/"):
    workdir_lib.read(tmp_path)


def test_a_directory_that_does_not_exist_is_named(tmp_path):
  with pytest.raises(errors.ReportError, match="nowhere: no such directory"):
    workdir_lib.read(tmp_path / "nowhere")


def test_metrics_without_a_key_are_named(finished_run, tmp_path):
  workdir = shutil.copytree(finished_run, tmp_path / "run")
  path = workdir / "iteration_01" / "evaluate" / "dev" / "metrics.json"
  metrics = files.read_json(path)
  del metrics["num_tasks"]
  files.write_json(path, metrics)
  with pytest.raises(errors.ReportError, match=r"iteration_01/evaluate/dev/metrics\.json.*num_tasks"):
    workdir_lib.read(workdir)
