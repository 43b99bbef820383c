"""Studies: what is drawn, in which order, and that a page tells a rater nothing it should not."""

import collections
import dataclasses
import json

import hypothesis
from hypothesis import strategies as st
import pytest
import studies  # beside this file

from next_jax import files
from next_jax import main
from next_jax import schema
from next_jax.rationales.raters import draw
from next_jax.rationales.raters import key as key_lib
from next_jax.rationales.raters import make

BUILT = "2026-01-02T03:04:05+00:00"


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
  return studies.write_run(tmp_path_factory.mktemp("secret_workdir"))


@pytest.fixture(scope="module")
def study(directories, tmp_path_factory):
  out = tmp_path_factory.mktemp("study")
  make.make(directories, out, num_tasks=6, seed=3, num_raters=3, built=BUILT)
  return out


def test_a_page_names_no_model_task_kind_file_or_verdict(study, directories):
  for path in study.glob("rater_*.html"):
    embedded = json.dumps(studies.page_data(path))
    hidden = ["initial_value", "corpus/dev", "-count_above-", "timeout", "evaluate", "123456", "no fenced"]
    for word in (*studies.MODELS, *hidden):
      assert word not in embedded, word
    for word in (*studies.MODELS, "secret_workdir", str(directories[0].parent)):
      assert word not in path.read_text(), word
    assert set(studies.page_data(path)) == {"study", "built", "page", "questions", "tasks", "items"}
    assert {key for item in studies.page_data(path)["items"] for key in item} == {"item", "task", "rationale", "diff"}


def test_ids_sorted_show_neither_models_nor_tasks(study):
  key = key_lib.read(study / "key.json")
  by_id = sorted(key.items, key=lambda item: item.item)
  assert len({item.item for item in by_id}) == 18
  for step, count in ((1, 9), (3, 6)):  # neither the lower half, nor every third, is of one model
    for start in range(step):
      models = [item.model for item in by_id[start::step]][:count]
      assert max(models.count(model) for model in key.models) < count - 1
  neighbours = zip(by_id, by_id[1:])
  assert sum(one.task_id == other.task_id for one, other in neighbours) < 9  # of 17; 12 if the tasks were in a row


def test_every_model_is_rated_once_on_every_drawn_task(study):
  key = key_lib.read(study / "key.json")
  assert key.models == tuple(f"{model}/evaluate/dev" for model in studies.MODELS)
  counts = collections.Counter((item.model, item.task_id) for item in key.items)
  assert len(counts) == 18 and set(counts.values()) == {1}
  for path in study.glob("rater_*.html"):
    assert sorted(one["item"] for one in studies.page_data(path)["items"]) == sorted(item.item for item in key.items)


def test_every_model_stands_in_every_place_equally_often(study):
  model_of = {item.item: item.model for item in key_lib.read(study / "key.json").items}
  for path in study.glob("rater_*.html"):
    items = studies.page_data(path)["items"]
    places = collections.Counter((number % 3, model_of[one["item"]]) for number, one in enumerate(items))
    assert len(places) == 9 and set(places.values()) == {2}


@hypothesis.given(
    num_models=st.integers(1, 5), num_tasks=st.integers(1, 12), seed=st.integers(0, 99), rater=st.integers(1, 9)
)
def test_an_order_holds_everything_once_and_favours_no_model(num_models, num_tasks, seed, rater):
  task = studies.make_task(0)
  drawn = [
      draw.Drawn(
          item=key_lib.Item(item=f"{t}-{m}", model=f"model_{m}", task_id=f"task_{t}", sample_index=0), task=task,
          sample=studies.make_sample(task, 0, "why", "fix"),
      )
      for t in range(num_tasks) for m in range(num_models)
  ]
  ordered = draw.order(drawn, seed=seed, rater=rater)
  assert sorted(one.item.item for one in ordered) == sorted(one.item.item for one in drawn)
  for place in range(num_models):
    models = collections.Counter(one.item.model for one in ordered[place::num_models])
    counts = [models[f"model_{m}"] for m in range(num_models)]
    assert max(counts) - min(counts) <= 1


def test_the_rationales_of_a_task_follow_each_other(study):
  for path in study.glob("rater_*.html"):
    tasks = [one["task"] for one in studies.page_data(path)["items"]]
    assert tasks == sorted(tasks) and set(collections.Counter(tasks).values()) == {3}


def test_raters_see_the_same_in_different_orders(study):
  orders = [tuple(one["item"] for one in studies.page_data(path)["items"]) for path in study.glob("rater_*.html")]
  assert len(set(orders)) == 3


def test_an_item_shows_the_sample_that_the_key_says(study, directories):
  key = {item.item: item for item in key_lib.read(study / "key.json").items}
  samples = {}
  for directory in directories:
    for sample in files.read_jsonl(directory / "samples.jsonl", schema.Sample):
      samples[f"{directory.parent.parent.name}/evaluate/dev", sample.task_id, sample.sample_index] = sample
  page = studies.page_data(study / "rater_2.html")
  kinds = set()
  for one in page["items"]:
    item = key[one["item"]]
    sample = samples[item.model, item.task_id, item.sample_index]
    assert one["rationale"] == (sample.completion if sample.refusal else sample.rationale)
    assert (one["diff"] is None) == (sample.refusal is not None)
    assert page["tasks"][one["task"]]["instruction"] == f"Count, number {int(item.task_id[11:14])}."
    kinds.add(sample.sample_index)
  assert kinds == {0, 1, 2, 3}  # right, unchanged, wrong, unparsed


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_study(study, directories, tmp_path):
  make.make(directories, tmp_path / "same", num_tasks=6, seed=3, num_raters=3, built=BUILT)
  for path in study.iterdir():
    assert (tmp_path / "same" / path.name).read_bytes() == path.read_bytes()
  other = make.make(directories, tmp_path / "other", num_tasks=6, seed=4, num_raters=3, built=BUILT)
  first = key_lib.read(study / "key.json")
  assert other.study != first.study
  drawn = {(item.model, item.task_id, item.sample_index) for item in first.items}
  assert {(item.model, item.task_id, item.sample_index) for item in other.items} != drawn


def test_what_a_model_wrote_cannot_leave_its_place(study):
  text = (study / "rater_1.html").read_text()
  assert any(one["rationale"] == studies.HOSTILE for one in studies.page_data(study / "rater_1.html")["items"])
  assert text.count("<script") == 2 and "<!--" not in text and "<img" not in text


def test_models_of_two_runs_are_told_apart_by_their_directories(tmp_path):
  directories = [studies.write_run(tmp_path / run, models=["base"])[0] for run in ("seed_0", "seed_1")]
  assert [one.model for one in draw.read(directories)] == ["seed_0/base/evaluate/dev", "seed_1/base/evaluate/dev"]


def test_the_command_says_where_the_pages_and_the_key_are(directories, tmp_path, capsys):
  assert main.main(["rate", "make", f"--out={tmp_path}", "--num_tasks=2", "--raters=2", *map(str, directories)]) == 0
  out = capsys.readouterr().out
  assert f"page: {tmp_path}/rater_2.html" in out and "2 tasks x 3 models = 6 rationales" in out
  assert sorted(path.name for path in tmp_path.iterdir()) == ["key.json", "rater_1.html", "rater_2.html"]


@pytest.mark.parametrize("arguments, message", [
    (["{a}", "{gone}"], "gone/tasks.jsonl: no such file; expected the directory of a finished evaluation"),
    (["{a}", "{a}"], "base/evaluate/dev: given twice"),
    (["{a}", "{fewer}"], "task 'corpus/dev/002-count_above-initial_value' is not as in"),
    (["{a}", "{changed}"], "task 'corpus/dev/001-count_above-initial_value' is not as in"),
    (["{a}", "{silent}"], "task 'corpus/dev/000-count_above-initial_value' has no sample"),
    (["{a}", "--num_tasks=8"], "--num_tasks: found 8, expected 1 to 7"),
    (["{a}", "--num_tasks=0"], "--num_tasks: found 0, expected 1 to 7"),
    (["{a}", "--raters=0"], "--raters: found 0, expected 1 or more"),
])
def test_what_makes_no_study_is_refused_in_one_line(directories, tmp_path, capsys, arguments, message):
  fewer = studies.write_run(tmp_path / "fewer", num_tasks=2, models=["x"])[0]
  changed, silent = studies.write_run(tmp_path / "others", models=["changed", "silent"])
  tasks = files.read_jsonl(changed / "tasks.jsonl", schema.RepairTask)
  tasks[1] = dataclasses.replace(tasks[1], buggy_code="def count_above(values, limit): pass\n", trace=None)
  files.write_jsonl(changed / "tasks.jsonl", tasks)
  samples = files.read_jsonl(silent / "samples.jsonl", schema.Sample)
  files.write_jsonl(silent / "samples.jsonl", samples[4:])
  places = {"a": directories[0], "gone": tmp_path / "gone", "fewer": fewer, "changed": changed, "silent": silent}
  all_tasks = [] if any("num_tasks" in one for one in arguments) else ["--num_tasks=7"]
  out = tmp_path / "out"
  given = [argument.format(**places) for argument in arguments]
  assert main.main(["rate", "make", f"--out={out}", *all_tasks, *given]) == 1
  error = capsys.readouterr().err
  assert message in error and error.count("\n") == 1
  assert not out.exists()


def test_a_key_is_never_written_over(study, directories, capsys):
  before = (study / "key.json").read_bytes()
  assert main.main(["rate", "make", f"--out={study}", str(directories[0])]) == 1
  assert "key.json: is there already" in capsys.readouterr().err
  assert (study / "key.json").read_bytes() == before
