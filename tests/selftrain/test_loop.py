"""The loop over engines whose answers are known: what it measures, keeps, chooses and refuses."""

import collections
import dataclasses
import json

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.engines import engine as engine_lib
from next_jax.engines import scripted
from next_jax.evaluation import repair
from next_jax.execution.confinement import confinement
from next_jax.prompts import training_example
from next_jax.selftrain import controls
from next_jax.selftrain import filters
from next_jax.selftrain import task_set
from next_jax.selftrain.verbs import evaluate


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, small_loop):
  """Where an apprentice went through two iterations."""
  path = tmp_path_factory.mktemp("apprentice") / "run"
  small_loop(path).run()
  return path


def pass_at_1(workdir, model, name="dev"):
  return files.read_json(workdir / model / "evaluate" / name / "metrics.json")["pass_at"]["1"]["value"]


def hard_ids(workdir):
  return {task.task_id for task in files.read_jsonl(workdir / "base/hard/tasks.jsonl", schema.RepairTask)}


def snapshot(directory):
  return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.rglob("*") if path.is_file()}


def test_the_oracle_is_measured_at_one(tmp_path, small_loop):
  small_loop(tmp_path / "run", scripted.Oracle(), hard_threshold=1.0, iterations=1, controls=()).run()
  assert pass_at_1(tmp_path / "run", "base") == 1.0
  assert pass_at_1(tmp_path / "run", "iteration_01") == 1.0
  assert json.loads((tmp_path / "run/best.json").read_text())["model"] == "base"  # the earlier of equals


def test_the_parrot_is_measured_at_zero_and_the_loop_ends_with_nothing_to_tune_on(tmp_path, small_loop):
  small_loop(tmp_path / "run", scripted.Parrot()).run()
  assert pass_at_1(tmp_path / "run", "base") == 0.0
  assert not (tmp_path / "run/iteration_01/finetune").exists()
  assert json.loads((tmp_path / "run/best.json").read_text())["model"] == "base"


def test_an_oracle_leaves_no_task_hard_and_that_is_said(tmp_path, small_loop):
  with pytest.raises(errors.SelfTrainingError, match="hard_threshold=0.1; raise"):
    small_loop(tmp_path / "run", scripted.Oracle()).run()


def test_hard_tasks_are_those_that_the_base_solves_rarely(workdir):
  passed, total = collections.Counter(), collections.Counter()
  for verdict in files.read_jsonl(workdir / "base/verify/verdicts.jsonl", schema.Verdict):
    passed[verdict.task_id] += verdict.passed
    total[verdict.task_id] += 1
  assert set(total.values()) == {6}
  assert hard_ids(workdir) == {task_id for task_id in total if passed[task_id] / total[task_id] <= 0.1}
  assert 0 < len(hard_ids(workdir)) < 24


def test_samples_stand_in_the_order_of_the_tasks(workdir):
  tasks = files.read_jsonl(workdir / "base/hard/tasks.jsonl", schema.RepairTask)
  samples = files.read_jsonl(workdir / "iteration_01/sample/samples.jsonl", schema.Sample)
  assert [(s.task_id, s.sample_index) for s in samples] == [(t.task_id, i) for t in tasks for i in range(6)]
  assert all(s.fix and s.rationale for s in samples)


def test_verdicts_pair_with_samples_and_hold_no_seconds(workdir):
  samples = files.read_jsonl(workdir / "iteration_01/sample/samples.jsonl", schema.Sample)
  verdicts = files.read_jsonl(workdir / "iteration_01/verify/verdicts.jsonl", schema.Verdict)
  assert [(v.task_id, v.sample_index) for v in verdicts] == [(s.task_id, s.sample_index) for s in samples]
  assert {v.cpu_seconds for v in verdicts} == {None}


def test_what_is_kept_passes_and_is_unique_and_bounded_over_all_iterations(workdir):
  references = {
      t.task_id: canonical.canonical(t.reference_code)
      for t in files.read_jsonl(workdir / "base/hard/tasks.jsonl", schema.RepairTask)
  }
  kept = files.read_jsonl(workdir / "iteration_02/filter/kept.jsonl", training_example.Example)
  first = files.read_jsonl(workdir / "iteration_01/filter/kept.jsonl", training_example.Example)
  assert {e.task_id for e in first} <= {e.task_id for e in kept} <= set(references)  # a union, of hard tasks
  assert len(kept) == len({e.task_id for e in kept})  # the oracle half of an apprentice knows one fix
  assert all("### Rationale" in e.inputs and "# (" in e.inputs and "### Fix" in e.targets for e in kept)


def test_the_model_gets_better_and_the_best_is_chosen_on_the_first_evaluation(workdir):
  rates = {model: pass_at_1(workdir, model) for model in ("base", "iteration_01", "iteration_02")}
  assert rates["base"] < rates["iteration_01"] <= rates["iteration_02"]
  best = json.loads((workdir / "best.json").read_text())
  assert rates[best["model"]] == max(rates.values())
  assert (workdir / best["checkpoint"]).is_dir() and best["evaluation"] == "dev"


def test_evaluations_are_made_when_they_should(workdir):
  made = {(path.parent.parent.parent.name, path.parent.name) for path in workdir.glob("*/evaluate/*/metrics.json")}
  best = json.loads((workdir / "best.json").read_text())["model"]
  late = {"iteration_02", best} - {"base"}
  expected = {(m, "dev") for m in ("base", "iteration_01", "iteration_02", "control_unfiltered_01")}
  expected |= {(m, "unseen") for m in ("base", *late)} | {(m, "dev_notrace") for m in late}
  assert made == expected


def test_metrics_say_what_was_measured_and_with_what(workdir):
  metrics = files.read_json(workdir / "iteration_02/evaluate/dev_notrace/metrics.json")
  assert (metrics["corpus"], metrics["split"], metrics["input"]) == ("minirepair", "dev", "no trace")
  assert (metrics["num_tasks"], metrics["num_samples"]) == (5, 2) and isinstance(metrics["seed"], int)
  assert list(metrics["pass_at"]) == ["1", "2"] and set(metrics["pass_at"]["1"]) == {"value", "low", "high"}
  samples = files.read_jsonl(workdir / "iteration_02/evaluate/dev_notrace/samples.jsonl", schema.Sample)
  assert sum(metrics["statuses"].values()) == len(samples) == 10
  assert repair.REFUSED not in metrics["statuses"]
  assert metrics["consistency"]["num_samples"] == 10 and metrics["consistency"]["without_rationale"] == 0
  assert metrics["localisation"]["num_samples"] == 10 and metrics["localisation"]["names_bug"]["value"] == 0.0
  tasks = {t.task_id: t for t in files.read_jsonl(workdir / "corpus/minirepair/dev.jsonl", schema.RepairTask)}
  echoes = [s.fix == tasks[s.task_id].buggy_code.strip("\n") for s in samples]
  assert metrics["unchanged"]["value"] == pytest.approx(sum(echoes) / 10)  # an apprentice errs by echoing
  assert sum(group["tasks"] for group in metrics["groups"]["kind"].values()) == 5


def test_a_finished_run_is_not_touched_when_it_is_started_again(workdir, small_loop):
  before = snapshot(workdir)
  small_loop(workdir).run()
  after = {path: value for path, value in snapshot(workdir).items() if path.name != "best.json"}
  assert after == {path: value for path, value in before.items() if path.name != "best.json"}


def test_run_facts_say_what_confined_the_programs_once_they_have_run(workdir, small_loop):
  run = small_loop(workdir)
  assert run.run_facts()["confinement"] is None
  run.run()
  facts = run.run_facts()["confinement"]
  assert sorted([*facts["layers"], *(layer for layer, _ in facts["missing"])]) == sorted(confinement.LAYERS)


def test_more_iterations_go_on_from_a_finished_run(workdir, small_loop):
  before = snapshot(workdir / "iteration_01")
  small_loop(workdir, iterations=3, controls=()).run()
  assert (workdir / "iteration_03/evaluate/dev/metrics.json").exists()
  assert snapshot(workdir / "iteration_01") == before


def test_other_settings_are_refused_with_key_and_values(workdir, small_loop):
  before = snapshot(workdir)
  with pytest.raises(errors.StageError, match=r"base/sample/stage.json: .*num_samples: found 6, expected 7"):
    small_loop(workdir, num_samples=7).run()
  with pytest.raises(errors.StageError, match=r"filter/stage.json: .*filters\[2\].per_task: found 3, expected 1"):
    small_loop(workdir, filters=(filters.PassesTests(), filters.UniqueFix(), filters.AtMost(per_task=1))).run()
  with pytest.raises(errors.StageError, match=r"other inputs: checkpoint: found '\w+', expected '\w+'"):
    small_loop(workdir, skill=0.3).run()
  assert snapshot(workdir) == before


def test_tuning_on_from_the_last_model_is_another_model(tmp_path, small_loop):
  skills = {}
  for start_from in ("base", "last"):
    path = tmp_path / start_from
    small_loop(path, start_from=start_from, controls=()).run()
    (checkpoint,) = (path / "iteration_02/finetune").glob("checkpoint_*")
    skills[start_from] = files.read_json(checkpoint / "skill.json")
  assert skills["last"] > skills["base"]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"start_from": "lst"}, "found 'lst', expected one of base, last"),
        ({"iterations": 0}, "expected 1 or more"),
        ({"evaluations": ()}, "expected at least one"),
        ({"controls": (controls.OtherFilters(), controls.OtherFilters())}, "same name: unfiltered, unfiltered"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(tmp_path, small_loop, fields, message):
  with pytest.raises(errors.SelfTrainingError, match=message):
    small_loop(tmp_path / "run", **fields)


def test_what_is_missing_is_found_before_anything_is_written(tmp_path, small_loop):
  good = small_loop(tmp_path / "run")
  bad = {
      "no such checkpoint": {"base_checkpoint": tmp_path / "checkpoint_9"},
      "known: minirepair_trace": {"task": "minirepair_trce"},
      "has no split 'trian'": {"train_split": "trian"},
      "needs corpus 'minirepair'": {"corpora": ()},
  }
  for message, fields in bad.items():
    with pytest.raises((engine_lib.CheckpointError, ValueError), match=message):
      dataclasses.replace(good, **fields).prepare()
  good.prepare()
  assert not (tmp_path / "run").exists()


def test_a_split_that_the_corpus_was_built_without_is_found_before_anything_is_sampled(tmp_path, small_loop):
  other = evaluate.Evaluation(name="other", task="minirepair_other_trace", split="other", num_samples=1)
  message = "split 'other' of task 'minirepair_other_trace' is not there.*train, dev, unseen"
  with pytest.raises(ValueError, match=message):
    small_loop(tmp_path / "run", evaluations=(other,)).run()
  assert not (tmp_path / "run/base").exists()


def test_the_tasks_of_an_evaluation_depend_on_the_seed_and_not_on_the_order(workdir):
  tasks = files.read_jsonl(workdir / "corpus/minirepair/dev.jsonl", schema.RepairTask)
  chosen = task_set.subset(tasks, 4, seed=1)
  assert len(chosen) == 4 and chosen == [task for task in tasks if task in chosen]
  assert set(t.task_id for t in task_set.subset(tasks[::-1], 4, seed=1)) == {t.task_id for t in chosen}
  assert chosen != task_set.subset(tasks, 4, seed=2)


def test_with_and_without_trace_the_same_tasks_are_asked(tmp_path, small_loop):
  pair = tuple(
      evaluate.Evaluation(name=name, task=f"minirepair_{name}", num_tasks=4, num_samples=1)
      for name in ("trace", "notrace")
  )
  small_loop(tmp_path / "run", scripted.Parrot(), evaluations=pair, controls=()).run()
  asked = [files.read_jsonl(tmp_path / f"run/base/evaluate/{e.name}/tasks.jsonl", schema.RepairTask) for e in pair]
  assert len(asked[0]) == 4 and asked[0] == asked[1]
