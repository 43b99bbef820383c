"""ReadOff's constants: the trace shows the number that the program meets, and code and tests do not."""

import ast
import collections
import math
import re

import pytest

from next_jax import files
from next_jax import main
from next_jax.configuration import parsing
from next_jax.corpora.minirepair.readoff import constants
from next_jax.corpora.minirepair.readoff import readoff
from next_jax.models import vocabularies
from next_jax.prompts import prompt

FAMILIES = tuple(family.__name__ for family in constants.FAMILIES)
UNSEEN = ("assigned", "listed", "nested")


@pytest.fixture(scope="module")
def corpus():
  return readoff.ReadOff(families=FAMILIES, unseen_families=UNSEEN, faithful_share=0.3)


@pytest.fixture(scope="module")
def items(corpus):
  return {split: list(corpus.items(split)) for split in ("dev", "unseen")}


def everything(items):
  return [item for split in items.values() for item in split]


def passes(code, test):
  namespace = {}
  exec(code, namespace)
  try:
    exec(test, namespace)
  except AssertionError:
    return False
  return True


def numbers(text):
  return set(re.findall(r"\d+", text))


def test_the_reference_passes_all_tests_and_of_all_other_constants_none_passes_the_first(items):
  for item in everything(items)[::5]:
    task = item.case.task
    assert all(passes(task.reference_code, test) for test in task.tests), task.task_id
    passing = [c for c in item.question.candidates if passes(item.question.code(c), task.public_tests[0])]
    assert passing == [item.right], task.task_id


def test_bug_and_fix_differ_by_one_number(items):
  for item in everything(items):
    task = item.case.task
    changed = [
        (old, new)
        for old, new in zip(task.buggy_code.split("\n"), task.reference_code.split("\n"), strict=True) if old != new
    ]
    ((old, new),) = changed
    assert re.sub(r"\d+", "0", old) == re.sub(r"\d+", "0", new)


def met(item):
  """The number that a reader of the prompt finds: the value of the open line's name at the wanted item."""
  text = prompt.Prompt().render(item.case.task).rpartition("### Program")[2]
  name = re.search(r"(\w+) (?:[!=]= |in \[\d+, )" + item.wrong + r"\b", text) or re.search(r"get\((\w+), ", text)
  name = name or re.search(r"if (\w+) == (?!\d)", text)  # by the constant's name
  shown = [
      (int(step), state)
      for line in text.split("\n")
      for step, states in re.findall(r"\((\d+)\) (.*?)(?=; \(\d+\)|; \.\.\.|$)", line.partition("  # ")[2])
      for state in re.split(r"; (?=\w+=)", states)
  ]
  after = 0
  if item.case.family == "until":
    expected = ast.literal_eval(item.case.task.public_tests[0].rpartition(" == ")[2])
    after = min(step for step, state in shown if re.fullmatch(rf"\w+={expected}", state))
  mine = [state for step, state in sorted(shown) if step >= after and state.startswith(f"{name[1]}=")]
  values = [state.partition("=")[2] for state in mine]
  return values[0] if item.case.family == "until" else values[-1]


def test_who_reads_the_prompt_finds_the_right_constant(items):
  for item in everything(items):
    assert met(item) == item.right, prompt.Prompt().render(item.case.task)


def test_who_does_not_see_the_trace_has_one_guess_in_thirty_or_more(items):
  for item in everything(items):
    assert item.chance <= 1 / 30
  visible = [
      item.right in numbers(
          " ".join((item.case.task.instruction, item.case.task.buggy_code, *item.case.task.public_tests))
      )
      for item in everything(items)
  ]
  assert sum(visible) / len(visible) < 0.15  # a program has some small numbers of its own


def test_no_constant_is_right_much_more_often_than_others(items):
  counts = collections.Counter(item.right for item in everything(items))
  assert counts.most_common(1)[0][1] / counts.total() < 0.07


def test_numbers_are_single_tokens_and_prompts_fit(items):
  vocabulary = vocabularies.minirepair_vocabulary()
  assert len({len(vocabulary.encode(f"if key == {number}:")) for number in range(100)}) == 1
  assert max(len(vocabulary.encode(prompt.Prompt().render(item.case.task))) for item in everything(items)) < 400


def test_unseen_families_are_in_no_other_split(items):
  families = {split: {item.case.family for item in made} for split, made in items.items()}
  assert families == {"dev": set(FAMILIES) - set(UNSEEN), "unseen": set(UNSEEN)}


def test_demonstrations_are_right_as_often_as_asked_and_take_other_numbers_in_sight(corpus):
  made = list(corpus.demonstrations(300))
  right = sum(d.faithful for d in made) / len(made)
  assert abs(right - 0.3) < 4 * math.sqrt(0.21 / len(made))
  for d in made:
    assert d.faithful == (d.fix == d.task.reference_code)
    (number,) = {
        n for old, new in zip(d.task.buggy_code.split("\n"), d.fix.split("\n"), strict=True) if old != new
        for n in numbers(new) - numbers(old)
    } or {None}
    if number:  # else it changes into one that the line has already
      assert number in {text for step in d.task.trace.steps for _, text in step.changes}
  assert list(corpus.demonstrations(20, start=240)) == made[240:260]


def test_the_config_has_these_families(tmp_path, monkeypatch):
  monkeypatch.chdir(files.__file__.rpartition("next_jax")[0])
  with parsing.aside():
    parsing.parse(["gin_configs/runs/base_readoff.gin"], [f"WORKDIR={str(tmp_path)!r}"], main.run)
    found = parsing.construct(main.run).corpus
  assert (found.families, found.unseen_families, found.faithful_share) == (FAMILIES, UNSEEN, 0.25)
