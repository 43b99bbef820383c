"""Summaries: means, wins and agreement are what the answers say; files that are not answers are refused."""

import json
import sys

import pytest
import studies  # beside this file

from next_jax import main
from next_jax.rationales.raters import agreement
from next_jax.rationales.raters import answers
from next_jax.rationales.raters import key as key_lib
from next_jax.rationales.raters import make
from next_jax.rationales.raters import summary

GOOD, FAIR, BAD = ("yes", "yes", 5), ("partly", "no", 3), ("no", "no", 1)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
  directories = studies.write_run(tmp_path_factory.mktemp("run"))
  out = tmp_path_factory.mktemp("study")
  make.make(directories, out, num_tasks=7, seed=0, num_raters=2, built="2026-01-02T03:04:05+00:00")
  return out


@pytest.fixture(scope="module")
def key(study):
  return key_lib.read(study / "key.json")


@pytest.fixture
def library():
  """Agreement of several raters needs it; a single rater does not."""
  return pytest.importorskip("krippendorff", reason="no package krippendorff; pip install 'next-jax[raters]'")


def read(tmp_path, key, *contents):
  paths = [tmp_path / f"{number}.json" for number in range(len(contents))]
  for path, content in zip(paths, contents):
    path.write_text(json.dumps(content))
  return answers.read_all(paths, key)


def by_model(base, tuned, control):
  given = dict(zip((f"{model}/evaluate/dev" for model in studies.MODELS), (base, tuned, control)))
  return lambda item: given[item.model]


def test_means_and_wins_of_a_single_rater(tmp_path, key):
  found = summary.summarize(key, read(tmp_path, key, studies.rater_file(key, "Ada", by_model(FAIR, GOOD, BAD))))
  explained, overall = found["questions"]["bug_explained"], found["questions"]["overall"]
  assert [one["mean"] for one in explained["models"].values()] == [0.5, 1.0, 0.0]
  same = {"mean": 3.0, "low": 3.0, "high": 3.0, "num_tasks": 7, "num_answers": 7}
  assert overall["models"]["base/evaluate/dev"] == same
  pairs = {(one["first"][:4], one["second"][:4]): one for one in overall["pairs"]}
  assert len(pairs) == 3
  against = pairs["base", "iter"]
  assert (against["wins"], against["ties"], against["losses"], against["difference"]) == (0, 0, 7, -2.0)
  fix = found["questions"]["fix_suggested"]["pairs"]
  assert [(one["wins"], one["ties"], one["losses"]) for one in fix] == [(0, 0, 7), (0, 7, 0), (7, 0, 0)]
  assert overall["agreement"] is None


def test_raters_of_a_task_are_averaged_before_the_tasks_are(tmp_path, key, library):
  first = key.items[0].task_id

  def only_first(item):
    return GOOD if item.task_id == first else None

  contents = [studies.rater_file(key, "a", only_first), studies.rater_file(key, "b", only_first)]
  contents.append(studies.rater_file(key, "c", lambda item: BAD))
  found = summary.summarize(key, read(tmp_path, key, *contents))["questions"]["overall"]
  one = found["models"]["base/evaluate/dev"]
  assert one["mean"] == pytest.approx(((5 + 5 + 1) / 3 + 6 * 1) / 7)
  assert (one["num_tasks"], one["num_answers"]) == (7, 9)
  assert found["agreement"]["num_items"] == 3


def test_intervals_hold_their_mean(tmp_path, key):
  whole = summary.summarize(key, read(tmp_path, key, studies.rater_file(key, "a", studies.at_random(1))))
  for question in whole["questions"].values():
    for one in (*question["models"].values(), *question["pairs"]):
      middle = one["mean"] if "mean" in one else one["difference"]
      assert one["low"] <= middle <= one["high"] and one["low"] < one["high"]


def test_what_nobody_answered_has_no_mean(tmp_path, key):
  content = studies.rater_file(key, "a", lambda item: FAIR if item.model.startswith("base") else None)
  found = summary.summarize(key, read(tmp_path, key, content))["questions"]["overall"]
  assert found["models"]["iteration_01/evaluate/dev"] == {
      "mean": None, "low": None, "high": None, "num_tasks": 0, "num_answers": 0
  }
  assert {one["num_tasks"] for one in found["pairs"]} == {0}


def test_agreement_is_full_for_equal_raters_and_about_none_for_random_ones(tmp_path, key, library):
  equal = [studies.rater_file(key, name, studies.at_random(5)) for name in "ab"]
  other = [studies.rater_file(key, name, studies.at_random(seed)) for seed, name in enumerate("abcdef")]
  for contents, low, high in ((equal, 1.0, 1.0), (other, -0.25, 0.25)):
    for question in summary.summarize(key, read(tmp_path, key, *contents))["questions"].values():
      found = question["agreement"]
      assert low <= found["alpha"] <= high and found["num_items"] == 21
      assert found["low"] <= found["alpha"] <= found["high"]


def test_alpha_is_that_of_the_literature(library):
  # Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers, twelve units.
  rows = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
  raters = [{f"u{i}": float(value) for i, value in enumerate(row) if value != "."} for row in rows]
  task_of = {f"u{i}": f"t{i}" for i in range(12)}
  found = agreement.alpha(raters, task_of, [1, 2, 3, 4, 5], seed=0)
  assert found.alpha == pytest.approx(0.815, abs=5e-4) and found.num_items == 11
  assert found.low < found.alpha < found.high


def test_agreement_on_one_and_the_same_answer_is_not_defined(tmp_path, key, library):
  contents = [studies.rater_file(key, name, lambda item: GOOD) for name in "ab"]
  found = summary.summarize(key, read(tmp_path, key, *contents))["questions"]["overall"]["agreement"]
  assert found == {"alpha": None, "low": None, "high": None, "num_items": 21}


def test_the_command_writes_what_it_prints(study, key, tmp_path, capsys):
  path = tmp_path / "ada.json"
  path.write_text(json.dumps(studies.rater_file(key, "Ada", by_model(FAIR, GOOD, BAD))))
  assert main.main(["rate", "summarize", str(study / "key.json"), str(path), f"--out={tmp_path}/s.json"]) == 0
  out = capsys.readouterr().out
  assert "1 rater: Ada (21 of 21)" in out and "Does the rationale explain the bug? (yes 1, partly 0.5, no 0)" in out
  assert "base/evaluate/dev against iteration_01/evaluate/dev" in out and "-2.00 [-2.00, -2.00]" in out
  assert "needs two raters or more" in out
  found = json.loads((tmp_path / "s.json").read_text())
  assert found["study"] == key.study and found["raters"] == [{"rater": "Ada", "page": 1, "answers": 21, "items": 21}]


def test_several_raters_without_the_package_are_told_what_to_install(study, key, tmp_path, capsys, monkeypatch):
  monkeypatch.setitem(sys.modules, "krippendorff", None)
  paths = [tmp_path / f"{name}.json" for name in "ab"]
  for path in paths:
    path.write_text(json.dumps(studies.rater_file(key, path.stem, studies.at_random(0))))
  assert main.main(["rate", "summarize", str(study / "key.json"), *map(str, paths), f"--out={tmp_path}/s.json"]) == 1
  assert "pip install 'next-jax[raters]'" in capsys.readouterr().err
  assert not (tmp_path / "s.json").exists()


def _changed(content, **changes):
  return {**content, **changes}


def _first_answer(content, **changes):
  return _changed(content, answers=[{**content["answers"][0], **changes}, *content["answers"][1:]])


@pytest.mark.parametrize("spoil, message", [
    (lambda c: _first_answer(c, item="0123456789"), "key 'item': '0123456789' is not in the key"),
    (lambda c: _changed(c, answers=c["answers"] + c["answers"][:1]), "is answered twice"),
    (lambda c: _first_answer(c, bug_explained="maybe"), "found 'maybe', expected yes, partly, no"),
    (lambda c: _first_answer(c, overall=6), "found 6, expected 1, 2, 3, 4, 5"),
    (lambda c: _first_answer(c, overall="5"), "key 'overall': expected int, found str"),
    (lambda c: _first_answer(c, overall=True), "key 'overall': expected int, found bool"),
    (lambda c: _first_answer(c, verdict="passed"), "key 'verdict' is unknown in a rater's answer"),
    (lambda c: _changed(c, study="000000000000"), "key 'study': found '000000000000', the key is of"),
    (lambda c: _changed(c, rater=" "), "key 'rater': found no name"),
    (lambda c: _changed(c, answers={}), "key 'answers': expected a list, found dict"),
    (lambda c: {k: v for k, v in c.items() if k != "rater"}, "key 'rater' is missing"),
    (lambda c: [c], "expected a JSON object for a rater's file, found list"),
    (lambda c: _changed(c, answers=[]), "no item is answered in these files"),
])
def test_a_file_that_is_no_rater_s_is_refused_with_file_and_key(study, key, tmp_path, capsys, spoil, message):
  path = tmp_path / "spoilt.json"
  path.write_text(json.dumps(spoil(studies.rater_file(key, "Ada", studies.at_random(0)))))
  assert main.main(["rate", "summarize", str(study / "key.json"), str(path), f"--out={tmp_path}/s.json"]) == 1
  error = capsys.readouterr().err
  assert message in error and error.count("\n") == 1
  assert "spoilt.json" in error or "no item is answered" in message
  assert not (tmp_path / "s.json").exists()


def test_two_files_of_one_rater_are_refused(study, key, tmp_path, capsys):
  paths = [tmp_path / name for name in ("monday.json", "friday.json")]
  for path in paths:
    path.write_text(json.dumps(studies.rater_file(key, "Ada", studies.at_random(0))))
  assert main.main(["rate", "summarize", str(study / "key.json"), *map(str, paths)]) == 1
  error = capsys.readouterr().err
  assert "friday.json: key 'rater': 'Ada' also wrote" in error and "monday.json" in error


@pytest.mark.parametrize("text, message", [
    ("{", "expected JSON"), ("{}", "key 'study' is missing in a rater key"), (None, "no such file"),
])
def test_a_key_that_is_none_is_refused(tmp_path, capsys, text, message):
  if text is not None:
    (tmp_path / "key.json").write_text(text)
  assert main.main(["rate", "summarize", str(tmp_path / "key.json"), "a.json"]) == 1
  error = capsys.readouterr().err
  assert "key.json" in error and message in error
