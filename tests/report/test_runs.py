"""The report over several runs: its numbers against a computation by hand, what it compares, and what it leaves out."""

import argparse
import dataclasses
import json
import re
import statistics

from etils import epath
import pytest
import work_directories  # beside this file

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.commands import report as report_lib
from next_jax.report import contrasts
from next_jax.report import measures
from next_jax.report import runs as runs_lib

LOOP = {"base": 0.1, "iteration_01": 0.4, "iteration_02": 0.6}
CONTRASTS = [
    ["dev", "next/base/dev", "next/last/dev"],
    ["filter", "next/control_unfiltered_last/dev", "next/last/dev", "pass_at_8"],
    ["lines named", "next/base/dev", "next/last/dev", "names_bug"],
    ["not there", "next/base/dev", "next/last/elsewhere"],
    ["gains", "worse/last/dev - worse/base/dev", "next/last/dev - next/base/dev"],
]


@pytest.fixture(scope="module", name="sweep")
def _sweep(tasks, tmp_path_factory):
  """Three seeds of the loop with controls, and two of an arm that is worse."""
  directory = epath.Path(tmp_path_factory.mktemp("sweeps")) / "findings"
  controls = {"control_unfiltered_01": 0.1, "control_unfiltered_02": 0.08}
  arms = {"next": {**LOOP, **controls}, "worse": {**LOOP, "iteration_02": 0.3}}
  work_directories.write_sweep(
      directory, tasks[:20], arms, seeds=(0, 1, 2), findings=[("1. It rises", "Last above base.", CONTRASTS)]
  )
  (directory / "worse/seed_2").rmtree()
  return directory


@pytest.fixture(scope="module", name="written")
def _written(sweep):
  """The page, the plain numbers and what the terminal says."""
  parser = argparse.ArgumentParser()
  report_lib.add_arguments(parser)
  assert report_lib.main(parser.parse_args([str(sweep)])) == 0
  return (sweep / "report/index.html").read_text(), json.loads((sweep / "report/summary.json").read_text())


def rate(directory):
  """pass@1 of an evaluation, by hand: the share of samples that pass, as all tasks have as many."""
  verdicts = files.read_jsonl(directory / "verdicts.jsonl", schema.Verdict)
  return sum(verdict.passed for verdict in verdicts) / len(verdicts)


def test_a_contrast_has_the_numbers_of_the_verdicts(sweep, written):
  found = written[1]["findings"]["1. It rises"]["contrasts"][0]
  per_seed = {
      model: [rate(sweep / f"next/seed_{seed}/{model}/evaluate/dev") for seed in range(3)]
      for model in ("base", "iteration_02")
  }
  contrast = found["contrast"]
  assert contrast["first"]["per_seed"] == pytest.approx(per_seed["base"])
  assert contrast["second"]["per_seed"] == pytest.approx(per_seed["iteration_02"])
  differences = [after - before for before, after in zip(per_seed["base"], per_seed["iteration_02"], strict=True)]
  assert contrast["difference"]["per_seed"] == pytest.approx(differences)
  estimate = contrast["difference"]["estimate"]
  assert estimate["value"] == pytest.approx(statistics.mean(differences))
  assert estimate["low"] < min(differences) and max(differences) < estimate["high"] and estimate["low"] > 0
  assert (found["seeds"], estimate["num_tasks"], found["num_samples"]) == ([0, 1, 2], 20, 8)
  assert contrast["p_value"] < 0.01


def test_gains_are_compared_of_the_seeds_that_all_four_have(sweep, written):
  found = written[1]["findings"]["1. It rises"]["contrasts"][4]
  gains = {
      arm: [
          rate(sweep / f"{arm}/seed_{seed}/iteration_02/evaluate/dev")
          - rate(sweep / f"{arm}/seed_{seed}/base/evaluate/dev")
          for seed in found["seeds"]
      ]
      for arm in ("worse", "next")
  }
  assert found["seeds"] == [0, 1]
  assert found["contrast"]["first"]["per_seed"] == pytest.approx(gains["worse"])
  differences = [after - before for before, after in zip(gains["worse"], gains["next"], strict=True)]
  assert found["contrast"]["difference"]["per_seed"] == pytest.approx(differences)


def test_pass_at_8_and_the_last_of_a_chain_of_controls_are_found(sweep, written):
  contrast = written[1]["findings"]["1. It rises"]["contrasts"][1]["contrast"]
  solved = []
  for seed in range(3):
    verdicts = files.read_jsonl(
        sweep / f"next/seed_{seed}/control_unfiltered_02/evaluate/dev/verdicts.jsonl", schema.Verdict
    )
    solved.append(len({verdict.task_id for verdict in verdicts if verdict.passed}) / 20)
  assert contrast["first"]["per_seed"] == pytest.approx(solved)


def test_arms_are_compared_on_the_seeds_that_both_have(written):
  (found,) = written[1]["against_first"]["dev (minirepair, dev)"]
  assert found["name"] == "worse" and found["seeds"] == [0, 1]
  assert found["contrast"]["difference"]["estimate"]["high"] < 0


def test_what_is_missing_is_said_and_not_made_up(written):
  page, summary = written
  assert summary["missing"] == ["worse, seed 2"] and "Not finished yet: worse, seed 2" in page
  assert summary["findings"]["1. It rises"]["contrasts"][3]["contrast"] is None
  assert "not finished" in page


def test_the_page_needs_no_network_and_leads_to_the_runs(sweep, written):
  page = written[0]
  assert "default-src 'none'" in page and "http" not in re.sub(r"http-equiv", "", page)
  assert page.count("<svg") == 1 and "1. It rises" in page and "Hypothesis: Last above base." in page
  assert "By kind of bug" in page and "Minutes" in page
  assert (sweep / "report/pass_at_1_minirepair_dev.png").exists()


def test_the_terminal_gets_the_answers_as_markdown(sweep, capsys):
  parser = argparse.ArgumentParser()
  report_lib.add_arguments(parser)
  report_lib.main(parser.parse_args([str(sweep)]))
  lines = capsys.readouterr().out.splitlines()
  (row,) = [line for line in lines if line.startswith("| dev ")]
  head = lines[lines.index(row) - 2]
  cells, names = ([cell.strip() for cell in line.strip("|").split("|")] for line in (row, head))
  assert len(set(map(len, (row, head)))) == 1
  assert dict(zip(names, cells, strict=True))["second has"] == "more"
  assert dict(zip(names, cells, strict=True))["seeds"] == "3"


def test_evaluations_that_arms_share_are_not_compared_with_themselves(sweep, tmp_path, tasks):
  work_directories.write_sweep(tmp_path, tasks[:8], {"one": LOOP, "two": LOOP}, seeds=(0,))
  for path in tmp_path.glob("one/seed_0/*/evaluate/dev/stage.json"):
    (tmp_path / "two" / path.relative_to(tmp_path / "one")).write_bytes(path.read_bytes())
  runs = runs_lib.read([tmp_path])
  assert contrasts.against_first(runs, measures.Measures()) == {}
  found = contrasts.results(runs, measures.Measures())
  assert {one.model for one in found if one.same_as == "one"} == set(LOOP) and len(found) == 6
  (sheet,) = contrasts.result_tables(runs, found)
  assert {row[0] for row in sheet.rows} == {"one"}


def test_evaluations_of_one_name_on_two_corpora_are_not_mixed(tmp_path, tasks):
  work_directories.write_sweep(tmp_path, tasks[:8], {"one": LOOP, "two": LOOP, "three": LOOP}, seeds=(0,))
  for arm in ("two", "three"):
    for path in tmp_path.glob(f"{arm}/seed_0/*/evaluate/dev/metrics.json"):
      path.write_text(path.read_text().replace('"minirepair"', '"readoff"'))
  found = contrasts.against_first(runs_lib.read([tmp_path]), measures.Measures())
  assert [(asked.corpus, one.first, one.name) for asked, answers_ in found.items() for one in answers_] == [
      ("readoff", "two/last/dev", "three")
  ]


def test_the_last_model_of_a_run_under_way_is_not_known(tmp_path, tasks):
  work_directories.write_sweep(tmp_path, tasks[:8], {"one": LOOP}, seeds=(0, 1))
  facts = tmp_path / "one/seed_1/run.json"
  facts.write_text(facts.read_text().replace("true", "false"))
  runs = runs_lib.read([tmp_path])
  assert set(runs.arms[0].evaluations("last", "dev")) == {0}
  assert set(runs.arms[0].evaluations("iteration_01", "dev")) == {0, 1}
  assert runs.missing == ("one, seed 1 (under way)",)


def test_work_directories_are_grouped_by_arm_and_seed(tmp_path, tasks):
  for name in ("a/seed_0", "a/seed_3", "quick"):
    work_directories.write_run(tmp_path / name, tasks[:4], LOOP, seed=3)
  runs = runs_lib.read([tmp_path / name for name in ("a/seed_3", "quick", "a/seed_0")])
  assert [(arm.name, list(arm.runs)) for arm in runs.arms] == [("a", [0, 3]), ("quick", [3])]
  with pytest.raises(errors.ReportError, match="a second run of arm 'quick' with seed 3"):
    runs_lib.read([tmp_path / "quick", tmp_path / "quick"])


def test_several_work_directories_need_a_place_for_their_page(tmp_path):
  parser = argparse.ArgumentParser()
  report_lib.add_arguments(parser)
  with pytest.raises(errors.ReportError, match="expected --out=DIR"):
    report_lib.main(parser.parse_args([str(tmp_path), str(tmp_path)]))


def test_pass_at_1_of_tasks_whose_fix_needs_new_code(tmp_path, tasks):
  removing = dataclasses.replace(tasks[1], reference_code=tasks[1].buggy_code.replace("  words = text.split()\n", ""))
  work_directories.write_run(tmp_path, [tasks[0], removing], {"base": 0.5}, seed=0)
  found = measures.Measures().per_task(epath.Path(tmp_path) / "base/evaluate/dev", "pass_at_1_new_code")
  assert set(found) == {tasks[0].task_id}


def test_a_metric_that_there_is_not_is_refused(sweep):
  with pytest.raises(errors.ReportError, match="metric 'bleu': expected pass_at_<k>, contradicted_rationales or"):
    measures.Measures().per_task(sweep / "next/seed_0/base/evaluate/dev", "bleu")
