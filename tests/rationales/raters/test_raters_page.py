"""The page in a real browser: answered by keyboard, left and come back to, exported for `summarize`."""

import json
import os
import re
import shutil

import pytest
import studies  # beside this file

from next_jax import main
from next_jax.rationales.raters import answers
from next_jax.rationales.raters import key as key_lib
from next_jax.rationales.raters import make

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DESKTOP, _PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def chromium():
  """A headless Chromium: the system's, or the one that `playwright install chromium` fetched."""
  driver = pytest.importorskip("playwright.sync_api", reason="no driver of browsers; pip install 'next-jax[test]'")
  with driver.sync_playwright() as playwright:
    path = next(filter(None, map(shutil.which, _NAMES)), None) or playwright.chromium.executable_path
    if not os.path.exists(path):
      pytest.skip("no Chromium; apt-get install chromium, or playwright install chromium")
    browser = playwright.chromium.launch(executable_path=path)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
  directories = studies.write_run(tmp_path_factory.mktemp("run"))
  out = tmp_path_factory.mktemp("study")
  make.make(directories, out, num_tasks=2, seed=0, num_raters=2, built="2026-01-02T03:04:05+00:00")
  return out


@pytest.fixture
def visit(chromium, study):
  """Opens page 1 as a new visitor; whatever the page complains of fails the test."""
  contexts, complaints, requests = [], [], []

  def open_page(script="", **options):
    contexts.append(chromium.new_context(**{"viewport": _DESKTOP, **options}))
    contexts[-1].add_init_script(script)
    page = contexts[-1].new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((study / "rater_1.html").as_uri())
    return page

  yield open_page
  for context in contexts:
    context.close()
  assert not complaints
  assert [url for url in requests if not url.startswith(("file:", "blob:"))] == []


def type_keys(page, keys):
  for key in keys:
    page.keyboard.press(key)


def chosen(page):
  return page.eval_on_selector_all("input:checked", "nodes => nodes.map((node) => [node.name, node.value])")


def place(page):
  return page.locator(".progress span").inner_text()


def export(page, tmp_path):
  with page.expect_download() as download:
    page.get_by_role("button", name="Export answers").click()
  path = tmp_path / download.value.suggested_filename
  download.value.save_as(path)
  return path


def test_a_study_is_answered_by_keyboard_left_resumed_exported_and_summarized(visit, study, tmp_path, capsys):
  page = visit()
  assert place(page) == "1 of 6 · 0 answered"
  assert page.get_by_text("Judge the rationale").is_visible()
  given = [("y", "p", "4"), ("n", "n", "1"), ("p", "y", "3")]
  for keys in given:
    type_keys(page, [*keys, "Enter"])
  assert place(page) == "4 of 6 · 3 answered"
  page.get_by_label("Your name").fill("Ada L.")
  page.reload()
  assert place(page) == "4 of 6 · 3 answered"
  assert page.get_by_label("Your name").input_value() == "Ada L."
  assert not page.get_by_text("Judge the rationale").is_visible()  # who comes back knows
  page.locator("h2").first.click()  # away from the name
  type_keys(page, ["k"])
  assert chosen(page) == [["bug_explained", "partly"], ["fix_suggested", "yes"], ["overall", "3"]]
  type_keys(page, ["j", "y", "y", "5", "j", "y", "y"])  # the fifth lacks an answer, the sixth has none
  path = export(page, tmp_path)

  key = key_lib.read(study / "key.json")
  (found,) = answers.read_all([path], key)
  assert re.fullmatch(rf"ratings_{key.study}_Ada-L-\.json", path.name)
  assert (found.rater, found.page, found.built, found.study) == ("Ada L.", 1, key.built, key.study)
  items = [one["item"] for one in studies.page_data(study / "rater_1.html")["items"]]
  words = {"y": "yes", "p": "partly", "n": "no"}
  expected = [(words[a], words[b], int(c)) for a, b, c in [*given, ("y", "y", "5")]]
  assert [one.item for one in found.answers] == items[:4]
  assert [(one.bug_explained, one.fix_suggested, one.overall) for one in found.answers] == expected
  assert "holds 4 of 6" in page.get_by_role("status").first.inner_text()

  assert main.main(["rate", "summarize", str(study / "key.json"), str(path), f"--out={tmp_path}/summary.json"]) == 0
  assert "Ada L. (4 of 6)" in capsys.readouterr().out
  models = json.loads((tmp_path / "summary.json").read_text())["questions"]["overall"]["models"]
  by_item = {one.item: one.model for one in key.items}
  for model, one in models.items():
    scores = [score for item, (_, _, score) in zip(items, expected) if by_item[item] == model]
    assert one["num_answers"] == len(scores)


def test_backspace_takes_back_one_answer_at_a_time(visit):
  page = visit()
  type_keys(page, ["y", "n", "2", "Backspace", "Backspace", "p"])
  assert chosen(page) == [["bug_explained", "yes"], ["fix_suggested", "partly"]]
  type_keys(page, ["5", "3"])  # a digit always answers the last question
  assert chosen(page)[-1] == ["overall", "3"]


def test_typing_a_name_answers_nothing(visit):
  page = visit()
  page.get_by_label("Your name").press_sequentially("ny p1")
  assert chosen(page) == [] and page.get_by_label("Your name").input_value() == "ny p1"


def test_an_export_without_a_name_asks_for_it(visit):
  page = visit()
  page.get_by_role("button", name="Export answers").click()
  assert "Give your name first" in page.get_by_role("status").first.inner_text()
  assert page.evaluate("document.activeElement.id") == "rater"


def test_every_answer_can_be_given_by_pointer_and_found_by_name(visit):
  page = visit()
  page.get_by_role("group", name="explain the bug").get_by_role("radio", name="partly").check(force=True)
  page.get_by_role("group", name="right fix").get_by_text("no", exact=True).click()
  page.get_by_role("group", name="overall").get_by_role("radio", name="4").check(force=True)
  assert chosen(page) == [["bug_explained", "partly"], ["fix_suggested", "no"], ["overall", "4"]]
  page.get_by_role("button", name="Next unrated").click()
  assert place(page) == "2 of 6 · 1 answered"


def test_the_end_is_told_and_nothing_is_left_unrated(visit, tmp_path):
  page = visit()
  for _ in range(6):
    type_keys(page, ["y", "y", "5", "Enter"])
  assert place(page) == "6 of 6 · 6 answered"
  assert "All rationales are rated" in page.locator(".questions .status").inner_text()
  assert page.get_by_role("button", name="Next unrated").is_disabled()


def test_nothing_shows_which_model_wrote_what(visit):
  page = visit()
  for _ in range(6):
    shown = page.locator("body").inner_text()
    assert not [word for word in (*studies.MODELS, "initial_value", "timeout", "corpus/dev") if word in shown]
    type_keys(page, ["j"])


def test_what_a_model_wrote_is_shown_as_text(visit):
  page = visit()
  shown = []
  for _ in range(6):
    shown.append(page.locator(".prose").inner_text())
    type_keys(page, ["j"])
  assert studies.HOSTILE in shown and page.locator("img").count() == 0


def test_a_browser_that_keeps_nothing_says_so_and_still_exports(visit, tmp_path):
  page = visit("Storage.prototype.setItem = () => { throw new Error('the quota is exceeded'); };")
  type_keys(page, ["y", "y", "5"])
  assert "does not keep your answers (the quota is exceeded)" in page.get_by_role("alert").inner_text()
  page.get_by_label("Your name").fill("Bo")
  assert len(json.loads(export(page, tmp_path).read_text())["answers"]) == 1


@pytest.mark.parametrize("viewport", [_DESKTOP, _PHONE])
def test_nothing_hangs_over_the_side_and_buttons_are_large_enough_for_a_finger(visit, viewport):
  page = visit(viewport=viewport)
  assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
  for box in [one.bounding_box() for one in page.locator("button, .choice").all()]:
    assert box["height"] >= 44 and box["x"] >= 0 and box["x"] + box["width"] <= viewport["width"]
