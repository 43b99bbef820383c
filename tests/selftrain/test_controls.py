"""Controls: what they are tuned on, from which models, and that they are otherwise made like the loop's own."""

import collections
import dataclasses
import random

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora.minirepair import rationales
from next_jax.prompts import completion
from next_jax.prompts import training_example
from next_jax.rationales import consistency
from next_jax.selftrain import controls
from next_jax.selftrain import filters
from next_jax.stages import stage


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, small_loop):
  """Where an apprentice went through two iterations, with all controls."""
  path = tmp_path_factory.mktemp("controls") / "run"
  small_loop(
      path,
      controls=(
          controls.OtherFilters(iterations=None),
          controls.OtherFilters(
              name="everything", filters=(filters.UniqueCompletion(), filters.AtMost(per_task=2)), same_size=False
          ),
          controls.GoldFixes(),
          controls.GoldFixes(name="gold_explained", rationale=rationales.of_reference, same_size=False),
      ),
  ).run()
  return path


def read_examples(workdir, name):
  return files.read_jsonl(workdir / name, training_example.Example)


def hard_tasks(workdir):
  return {t.task_id: t for t in files.read_jsonl(workdir / "base/hard/tasks.jsonl", schema.RepairTask)}


def manifest(workdir, name):
  return stage.read_manifest(workdir / name)


def test_each_iteration_without_the_filter_has_as_many_examples_as_the_one_with_it(workdir):
  for number in ("01", "02"):
    kept = len(read_examples(workdir, f"iteration_{number}/filter/kept.jsonl"))
    control = read_examples(workdir, f"control_unfiltered_{number}/filter/kept.jsonl")
    assert len(control) == kept > 0
    assert {e.task_id for e in control} <= set(hard_tasks(workdir))
    assert (workdir / f"control_unfiltered_{number}/evaluate/dev/metrics.json").exists()
  assert not (workdir / "control_unfiltered_01/evaluate/unseen").exists()


def test_most_of_what_no_test_has_filtered_is_wrong(workdir):
  tasks = hard_tasks(workdir)
  kept = read_examples(workdir, "control_unfiltered_01/filter/kept.jsonl")
  fixes = [(completion.parse(one.targets).fix, tasks[one.task_id]) for one in kept]
  right = sum(fix == task.reference_code.strip("\n") for fix, task in fixes)
  assert right < sum(fix == task.buggy_code.strip("\n") for fix, task in fixes) == len(fixes) - right


def test_a_chain_begins_with_the_samples_of_the_base_and_goes_on_with_its_own(workdir):
  first, second = (manifest(workdir, f"control_unfiltered_{number}/filter") for number in ("01", "02"))
  assert first.inputs["iteration_01"] == manifest(workdir, "iteration_01/verify").fingerprint
  assert not (workdir / "control_unfiltered_01/sample").exists()
  sampled = manifest(workdir, "control_unfiltered_02/sample")
  assert sampled.inputs["checkpoint"] == manifest(workdir, "control_unfiltered_01/finetune").fingerprint
  assert second.inputs["iteration_01"] == first.inputs["iteration_01"]
  assert second.inputs["iteration_02"] == manifest(workdir, "control_unfiltered_02/verify").fingerprint
  assert second.inputs["iteration_02"] != manifest(workdir, "iteration_02/verify").fingerprint


def test_tuning_starts_from_the_base_with_the_settings_of_the_loop(workdir):
  own = manifest(workdir, "iteration_02/finetune")
  for name in ("control_unfiltered_01", "control_unfiltered_02", "control_gold"):
    found = manifest(workdir, f"{name}/finetune")
    assert found.inputs["checkpoint"] == own.inputs["checkpoint"]
    assert {k: v for k, v in found.settings.items() if k != "seed"} == {
        k: v for k, v in own.settings.items() if k != "seed"
    }


def test_one_iteration_is_what_a_control_makes_unless_told_otherwise_and_of_any_size(workdir):
  assert not (workdir / "control_everything_02").exists()
  counts = collections.Counter(e.task_id for e in read_examples(workdir, "control_everything_01/filter/kept.jsonl"))
  assert set(counts) == set(hard_tasks(workdir)) and max(counts.values()) <= 2
  assert sum(counts.values()) > len(read_examples(workdir, "iteration_01/filter/kept.jsonl"))


def test_gold_fixes_are_the_references_of_all_hard_tasks_behind_an_empty_rationale(workdir):
  tasks = hard_tasks(workdir)
  gold = read_examples(workdir, "control_gold/examples/examples.jsonl")
  assert [e.task_id for e in gold[: len(tasks)]] == list(tasks)
  assert len(gold) == max(len(tasks), len(read_examples(workdir, "iteration_02/filter/kept.jsonl")))
  prompts = {e.task_id: e.inputs for e in read_examples(workdir, "iteration_02/filter/kept.jsonl")}
  for one in gold:
    parsed = completion.parse(one.targets)
    assert (parsed.rationale, parsed.fix) == ("", tasks[one.task_id].reference_code.strip("\n"))
    assert one.inputs == prompts.get(one.task_id, one.inputs)  # asked as the loop asks
  assert (workdir / "control_gold/evaluate/dev/metrics.json").exists()


def test_gold_fixes_may_be_explained_rightly(workdir):
  tasks = hard_tasks(workdir)
  gold = read_examples(workdir, "control_gold_explained/examples/examples.jsonl")
  assert [e.task_id for e in gold] == list(tasks)
  for one in gold:
    parsed = completion.parse(one.targets)
    assert parsed.rationale and parsed.fix == tasks[one.task_id].reference_code.strip("\n")
    assert not consistency.Checker(tasks[one.task_id]).contradicts(parsed.rationale)


def test_gold_fixes_are_gone_through_again_until_they_are_as_many_as_the_last_iteration_had(workdir, small_loop):
  hard = list(hard_tasks(workdir))
  count = 2 * len(hard) + 1

  class AfterMore(controls.GoldFixes):
    """The same, had the last iteration kept more than there are tasks."""

    def run(self, loop, run, made):
      super().run(loop, run, dataclasses.replace(made, num_kept=(1, count)))

  few, many = (
      kind(name=name, rationale=rationales.of_reference)
      for kind, name in ((controls.GoldFixes, "few"), (AfterMore, "many"))
  )
  small_loop(workdir, controls=(few, many)).run()
  found = read_examples(workdir, "control_many/examples/examples.jsonl")
  assert [e.task_id for e in found] == (hard * 3)[:count]
  assert len(read_examples(workdir, "control_few/examples/examples.jsonl")) == len(hard)


def test_the_rationale_of_a_reference_names_the_change(workdir):
  task = next(iter(hard_tasks(workdir).values()))
  drawn = {rationales.of_reference(random.Random(seed), task) for seed in range(20)}
  assert len(drawn) > 1 and all("ine" in one for one in drawn)


@pytest.mark.parametrize("iterations", [0, -1])
def test_a_control_of_no_iterations_is_refused(iterations):
  with pytest.raises(errors.SelfTrainingError, match=f"'unfiltered': iterations={iterations}, expected 1 or more"):
    controls.OtherFilters(iterations=iterations)
