"""Tests of the page: one file, complete, and safe whatever a model has written."""

import argparse
import html.parser
import json
import re
import shutil

import pytest
import work_directories  # beside this file

from next_jax import files
from next_jax import schema
from next_jax.commands import report as report_lib
from next_jax.pages import markup
from next_jax.report import browser
from next_jax.report import page
from next_jax.report import workdir as workdir_lib


class _Reader(html.parser.HTMLParser):
  """Collects elements with their attributes, and the text inside of scripts."""

  def __init__(self, text):
    super().__init__(convert_charrefs=True)
    self.elements, self.scripts, self.text = [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.elements.append((tag, dict(attrs)))
    if tag == "script":
      self.scripts.append("")

  def handle_data(self, data):
    if self.elements and self.elements[-1][0] == "script" and self.lasttag == "script":
      self.scripts[-1] += data
    self.text.append(data)


@pytest.fixture(scope="module")
def text(finished_run, tmp_path_factory):
  return page.write(finished_run, out=tmp_path_factory.mktemp("report")).read_text()


def _data(text):
  return json.loads(re.search(r'<script type="application/json" id="page-data">(.*?)</script>', text, re.S)[1])


def test_nothing_is_loaded_from_anywhere(text):
  for tag, attributes in _Reader(text).elements:
    assert tag not in ("link", "iframe", "object", "embed"), tag
    assert not {"src", "srcset", "action"} & set(attributes), (tag, attributes)
    assert (attributes.get("href") or "#").startswith("#")
    assert (attributes.get("xlink:href") or "#").startswith("#")
  assert "@import" not in text and not re.search(r"url\((?!#)", text)
  assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|innerHTML|eval)\b", text)


def test_the_samples_are_in_the_page(text):
  data = _data(text)
  assert len(data["tasks"]) == 40
  assert len(data["evaluations"]) == 12


def test_every_estimate_stands_with_its_interval(text, finished_run):
  for evaluation in workdir_lib.read(finished_run).evaluations:
    for estimate in evaluation.pass_at.values():
      assert f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]" in text


def test_the_headline_names_gain_intervals_tasks_samples_and_seed(text, finished_run):
  best = workdir_lib.read(finished_run).best_evaluation.pass_at[1]
  lead = re.search(r'<p class="lead">(.*?)</p>', text, re.S)[1].replace("&nbsp;", " ")
  assert f"{100 * best.value:.1f} %" in lead and f"{100 * best.low:.1f}–{100 * best.high:.1f} %" in lead
  assert "are apart" in lead and "40 tasks, 8 samples each, seed 1" in lead


def test_controls_are_set_against_base_and_best(text):
  section = text[text.index("<h2>Controls") : text.index("<h2>By kind")]
  assert "control: unfiltered" in section
  assert "with no trace at test time" in section


def test_facts_and_configuration_are_escaped(text):
  assert "# &lt;tags&gt; &amp; such" in text
  assert "<dt>seed</dt><dd>0</dd>" in text
  assert "dev 0011223344556677" in text


def test_what_a_model_wrote_cannot_leave_its_place(tasks, tmp_path):
  hostile = work_directories.HOSTILE
  task = schema.RepairTask(
      task_id=hostile, split=f"dev{hostile}", instruction=hostile, entry_point="f", buggy_code=f"s = {hostile!r}",
      reference_code="s = 1", public_tests=(f"assert f({hostile!r})",), hidden_tests=(), bug_kind=hostile,
      bug_origin="model",
  )
  sample = schema.Sample(
      task_id=hostile, sample_index=0, completion=hostile, rationale=hostile, fix=hostile, log_probability=-1.0,
      token_count=3, seed=0,
  )
  verdict = schema.Verdict(task_id=hostile, sample_index=0, status="failed", detail=hostile)
  files.write_json(tmp_path / "run.json", {"seed": hostile})
  files.write_text(tmp_path / "config.gin", hostile)
  work_directories.write_evaluation(
      tmp_path, "base", "dev", split=task.split, with_trace=True, tasks=[task], samples=[sample], verdicts=[verdict]
  )
  text = page.write(tmp_path).read_text()
  reader = _Reader(text)
  assert [tag for tag, _ in reader.elements].count("script") == 2
  assert "img" not in [tag for tag, _ in reader.elements]
  assert "<!--" not in text
  data = _data(text)
  assert data["evaluations"][0]["tasks"][0]["samples"][0]["rationale"] == hostile
  assert data["tasks"][0]["task_id"] == hostile


def test_a_run_under_way_has_a_page_that_says_so(finished_run, tmp_path):
  workdir = shutil.copytree(finished_run, tmp_path / "run")
  settings = files.read_json(workdir / "run.json")
  del settings["finished"]
  files.write_json(workdir / "run.json", settings)
  (workdir / "best.json").unlink()
  for name in ("iteration_03", "control_unfiltered"):
    shutil.rmtree(workdir / name)
  shutil.rmtree(workdir / "iteration_02" / "evaluate")
  (workdir / "iteration_02" / "verify" / "stage.json").unlink()  # being written
  (workdir / "iteration_02" / "verify" / "verdicts.jsonl").write_text('{"task_id"')
  text = page.write(workdir).read_text()
  assert "still under way" in text
  assert "NExT 1" in text and "NExT 3" not in text


@pytest.mark.parametrize("stage", ["nothing", "base/sample"])
def test_a_run_that_has_only_begun_has_a_page(tmp_path, stage):
  files.write_json(tmp_path / "run.json", {"seed": 0})
  if stage != "nothing":
    work_directories.write_stage(tmp_path, stage, {}, 3.0)
  text = page.write(tmp_path).read_text()
  assert "No evaluation is finished yet" in text
  assert _data(text) == {"tasks": [], "evaluations": []}


def test_an_abridged_page_knows_how_many_samples_there_are(finished_run, tmp_path):
  path = page.write(finished_run, out=tmp_path, bounds=browser.Bounds(tasks=5, samples=1))
  one = _data(path.read_text())["evaluations"][0]
  assert one["num_samples"] == 320
  assert sum(len(group["samples"]) for group in one["tasks"]) == 5


def test_the_page_is_the_same_bytes_each_time(finished_run, tmp_path):
  assert page.write(finished_run, out=tmp_path / "a").read_bytes() == page.write(
      finished_run, out=tmp_path / "b"
  ).read_bytes()


def test_the_command_prints_the_table_and_writes_page_and_plots(finished_run, tmp_path, capsys):
  parser = argparse.ArgumentParser()
  report_lib.add_arguments(parser)
  assert report_lib.main(parser.parse_args([str(finished_run), "--out", str(tmp_path)])) == 0
  assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "pass_at_1.png", "pass_at_8.png"]
  output = capsys.readouterr().out
  assert "NExT 3" in output and str(tmp_path / "index.html") in output


def test_the_page_says_how_many_rationales_contradict_the_trace(finished_run, tmp_path):
  workdir = tmp_path / "run"
  shutil.copytree(finished_run, workdir)
  assert "<h2>Rationales</h2>" not in page.write(workdir).read_text()
  for model, value in (("base", 0.035), ("iteration_03", 0.043)):
    path = workdir / model / "evaluate/dev/metrics.json"
    estimate = {"value": value, "low": value - 0.01, "high": value + 0.01}
    files.write_json(path, {**files.read_json(path), "consistency": {"contradicted_rationales": estimate}})
  text = page.write(workdir).read_text()
  assert "contradict the trace: base <b>3.5&nbsp;%</b> (2.5–4.5&nbsp;%), NExT 3 <b>4.3&nbsp;%</b>" in text
  unchanged = workdir_lib.read(workdir).base_evaluation.unchanged
  assert f"return the program unchanged: base {markup.percent(unchanged)}, NExT 3" in text


def test_the_page_says_whether_rationales_name_the_right_line_and_what_chance_would(finished_run, tmp_path):
  workdir = tmp_path / "run"
  shutil.copytree(finished_run, workdir)
  for model, value in (("base", 0.25), ("iteration_03", 0.5)):
    path = workdir / model / "evaluate/dev/metrics.json"
    located = {
        "names_bug": {"value": value, "low": value - 0.1, "high": value + 0.1}, "names_own_change": None,
        "chance": {"value": 0.125, "low": 0.1, "high": 0.15},
    }
    files.write_json(path, {**files.read_json(path), "localisation": located})
  text = page.write(workdir).read_text()
  assert "are the ones to change: base <b>25.0&nbsp;%</b> (15.0–35.0&nbsp;%), NExT 3 <b>50.0&nbsp;%</b>" in text
  assert "a line named at random would be with <b>12.5&nbsp;%</b>" in text and "own fix changes" not in text


def test_each_control_of_a_chain_is_set_against_the_same_iteration(finished_run, tmp_path):
  workdir = tmp_path / "run"
  shutil.copytree(finished_run, workdir)
  (workdir / "control_unfiltered").rename(workdir / "control_unfiltered_02")
  run = workdir_lib.read(workdir)
  (second,) = (e for e in run.evaluations if (e.model, e.name) == ("iteration_02", "dev"))
  text = page.write(workdir).read_text()
  sentence = text[text.index("<p>control: unfiltered 2:") :].partition("</p>")[0]
  assert sentence.endswith(f"{markup.percent(second.pass_at[1])} of NExT 2.")


def test_what_a_proxy_fixes_by_words_alone_stands_apart(finished_run, tmp_path):
  workdir = tmp_path / "run"
  shutil.copytree(finished_run, workdir)
  assert "<h2>Proxy-based evaluation" not in page.write(workdir).read_text()
  shutil.copytree(workdir / "iteration_03/evaluate/dev", workdir / "iteration_03/evaluate/dev_proxy")
  path = workdir / "iteration_03/evaluate/dev_proxy/metrics.json"
  rates = {"value": 0.3, "low": 0.2, "high": 0.4}, {"value": 0.8, "low": 0.7, "high": 0.9}
  mended = {
      name: {"tasks": tasks, "pass_at": {"1": rate}}
      for name, tasks, rate in zip(("new code", "removing or moving lines"), (37, 3), rates)
  }
  files.write_json(path, {
      **files.read_json(path), "input": "proxy, its rationale", "groups": {"mended by": mended},
  })
  text = page.write(workdir).read_text()
  section = text[text.index("<h2>Proxy-based evaluation") : text.index("<h2>By kind")]
  assert "proxy" not in text[text.index("<h2>Controls") : text.index("<h2>Proxy")].lower()
  assert "0.300 [0.200, 0.400]" in section and ">37</td>" in section and "0.800 [0.700, 0.900]" in section
  assert "<td>its rationale</td>" in section


def test_the_page_breaks_pass_at_1_down_by_symptom(finished_run, tmp_path):
  text = page.write(finished_run, out=tmp_path).read_text()
  section = text[text.index("<h2>By group") :]
  run = workdir_lib.read(finished_run)
  for group in ("endless", "exception", "wrong value"):
    if group in run.best_evaluation.groups["symptom"]:
      assert f"symptom: {group}" in section and str(run.best_evaluation.groups["symptom"][group]) in section
  assert len(run.best_evaluation.groups["symptom"]) > 1 and "origin: " not in section  # all are mutants
