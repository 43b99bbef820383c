"""ReadOff: the trace names the fix, code and tests do not, and no guesser knows better than chance."""

import ast
import collections
import dataclasses
import functools
import math
import os
import random
import re
import subprocess
import sys

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair import minirepair
from next_jax.corpora.minirepair.readoff import reading
from next_jax.corpora.minirepair.readoff import readoff
from next_jax.models import vocabularies
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks


@pytest.fixture(scope="module")
def items():
  corpus = readoff.ReadOff(num_train=1500)
  return {split: list(corpus.items(split)) for split in ("train", "dev", "unseen")}


@pytest.fixture(scope="module")
def demonstrations():
  return list(readoff.ReadOff().demonstrations(600))


def everything(items):
  return [item for split in items.values() for item in split]


def expected(task):
  return ast.literal_eval(task.public_tests[0].rpartition(" == ")[2])


def passes(code, test):
  namespace = {}
  exec(code, namespace)
  try:
    exec(test, namespace)
  except AssertionError:
    return False
  return True


def pair(bug, fix):
  return canonical.pair_key(canonical.canonical(bug), canonical.canonical(fix))


# ---- bugs are proven


def test_the_reference_passes_all_tests_and_the_bug_fails_the_first(items):
  for split in items.values():
    for item in split[:120]:
      task = item.case.task
      assert all(passes(task.reference_code, test) for test in task.tests), task.task_id
      assert not passes(task.buggy_code, task.public_tests[0]), task.task_id
      assert len(task.public_tests) == 3 and len(task.hidden_tests) >= 3
      assert len(set(task.tests)) == len(task.tests)


def test_bug_and_fix_differ_in_one_line_by_the_wrong_and_the_right_candidate(items):
  for item in everything(items):
    task, question = item.case.task, item.question
    assert task.buggy_code == question.code(item.wrong) and task.reference_code == question.code(item.right)
    lines = zip(task.buggy_code.split("\n"), task.reference_code.split("\n"), strict=True)
    assert sum(old != new for old, new in lines) == 1


def test_no_other_candidate_passes_the_tests(items):
  for split in items.values():
    for item in split[:120]:
      others = [c for c in item.question.candidates if c != item.right]
      passing = [c for c in others if all(passes(item.question.code(c), test) for test in item.case.task.tests)]
      assert not passing, item.case.task.task_id


# ---- the trace tells


def read_off(text, candidates, wanted):
  """The candidates whose last state in the text of a prompt is `wanted`, as a reader would find them."""
  program = text.rpartition("### Program")[2]
  last = {}
  for line in program.split("\n"):
    for step, states in re.findall(r"\((\d+)\) (.*?)(?=; \(\d+\)|; \.\.\.|$)", line.rpartition("  # ")[2]):
      if states.startswith("return"):
        continue
      for state in re.split(r"; (?=\w+=)", states):
        name, _, value = state.partition("=")
        if int(step) >= last.get(name, (-1,))[0]:
          last[name] = int(step), ast.literal_eval(value)
  values = {name: value for name, (_, value) in last.items()}
  found = []
  for candidate in candidates:
    name, _, index = candidate.rstrip("]").partition("[")
    if not index:
      holds = values.get(name) == wanted
    else:
      held = values[name]
      items = held if isinstance(held, dict) else dict(enumerate(held))
      holds = items.get(ast.literal_eval(index)) == wanted
    found += [candidate] if holds else []
  return found


def test_who_reads_the_prompt_finds_exactly_the_right_candidate(items):
  for item in everything(items):
    task = item.case.task
    wanted = item.question.wanted(expected(task))
    assert read_off(prompt.Prompt().render(task), item.question.candidates, wanted) == [item.right], task.task_id


def test_no_other_name_in_scope_has_the_wanted_value_at_the_end(items):
  for item in everything(items):
    wanted = item.question.wanted(expected(item.case.task))
    holding, others = reading.holders(item.question.candidates, item.case.task.trace, wanted)
    assert (holding, others) == ([item.right], [])


def trace_of(*lines):
  """A trace of steps (line, {name: text})."""
  steps = tuple(schema.Step(line=line, event="line", changes=tuple(changes.items())) for line, changes in lines)
  return schema.Trace(call="f()", steps=steps, outcome="returned", detail="1")


def test_a_last_state_that_the_prompt_does_not_show_cannot_be_read_off():
  loop = [(3, {"a": "1"}), (3, {"a": "2"}), (3, {"b": "5"}), (3, {"a": "4"})]
  assert reading.last_states(trace_of((2, {"c": "7"}), *loop)) == {"a": 4, "c": 7}  # b changed in the third of four
  assert reading.last_states(trace_of((2, {"a": "[1, 2, ...3, 4]", "b": "<function f>"}))) == {}


def test_values_in_lists_and_dicts_are_found_by_their_index():
  trace = trace_of((2, {"xs": "[4, 7]", "d": "{'red': 7, 'sea': 2}", "n": "7"}))
  assert reading.holders(["xs[0]", "xs[1]", "xs[2]"], trace, 7) == (["xs[1]"], ["n"])
  assert reading.holders(["d['red']", "d['sea']", "d['sky']"], trace, 2) == (["d['sea']"], [])
  assert reading.holders(["n", "m"], trace, 7) == (["n"], [])


# ---- code and tests do not tell


def test_at_least_four_candidates_are_left_to_who_knows_the_wrong_one(items):
  for item in everything(items):
    assert len(set(item.question.candidates)) >= 5
    assert item.chance <= 1 / 4


def test_right_and_wrong_candidates_are_drawn_with_equal_chances_from_the_random_numbers_alone():
  question = readoff.FAMILIES["chain"](draw.Draw(random.Random(0)))
  rng = random.Random(1)
  counts = collections.Counter(question.pose(rng) for _ in range(6000))
  num = len(question.candidates)
  assert set(counts) == {(a, b) for a in question.candidates for b in question.candidates if a != b}
  each = 6000 / (num * (num - 1))
  assert sum((count - each) ** 2 / each for count in counts.values()) < 60  # chi-square, 19 or 29 degrees of freedom


def test_the_instruction_names_no_candidate(items):
  for item in everything(items):
    words = set(re.findall(r"\w+", item.case.task.instruction))
    for candidate in item.question.candidates:
      name, _, index = candidate.rstrip("]").partition("[")
      assert not words & ({index.strip("'")} if index else {name}), item.case.task.task_id


def guess_features(item, candidate):
  """All that a guesser can see of a candidate without running anything."""
  task, candidates = item.case.task, item.question.candidates
  place, wrong = candidates.index(candidate), candidates.index(item.wrong)
  name, _, index = candidate.rstrip("]").partition("[")
  shown = expected(task)
  return {
      "family and place": (item.case.family, place),
      "family, place and that of the wrong one": (item.case.family, place, wrong),
      "from the end": len(candidates) - place,
      "beside the wrong one": place - wrong,
      "name": name,
      "index": index,
      "times used": task.buggy_code.count(name),
      "first letter in the instruction": name[0] in task.instruction,
      "place and expected value": (place, str(shown)[-1]),
      "place and the number of digits": (place, len(str(shown))),
      "place and the smallest argument": (place, task.public_tests[0].count("1")),
      "place and the length of the program": (place, len(task.buggy_code) // 20),
  }


def learned(train, features):
  """How often candidates with each value of these features were right, of all that could have been."""
  right, seen = collections.Counter(), collections.Counter()
  for item in train:
    for candidate in item.question.candidates:
      if candidate != item.wrong:
        values = guess_features(item, candidate)
        for feature in features:
          seen[feature, values[feature]] += 1
          right[feature, values[feature]] += candidate == item.right
  # Smoothed by 5 pseudo-counts at a chance of 0.24, so that one observation does not decide.
  return lambda feature, value: (right[feature, value] + 1.2) / (seen[feature, value] + 5)


def accuracy(train, held_out, features):
  rate = learned(train, features)

  def guess(item):
    rest = [candidate for candidate in item.question.candidates if candidate != item.wrong]
    values = {candidate: guess_features(item, candidate) for candidate in rest}
    return max(rest, key=lambda c: math.fsum(math.log(rate(f, values[c][f]) / 0.24) for f in features))

  return sum(guess(item) == item.right for item in held_out) / len(held_out)


def test_no_guesser_that_runs_nothing_is_better_than_chance(items):
  """Each sees which place is wrong, and has learned from 1,500 tasks; the last has all features at once."""
  dev = items["dev"]
  chance = sum(item.chance for item in dev) / len(dev)
  bound = chance + 3.3 * math.sqrt(chance * (1 - chance) / len(dev))  # one in 2,000 exceeds it by luck
  features = list(guess_features(dev[0], dev[0].right))
  found = {feature: accuracy(items["train"], dev, [feature]) for feature in features}
  found["all"] = accuracy(items["train"], dev, features)
  assert 0.2 < chance <= 0.25
  assert max(found.values()) < bound, found


def test_the_guesser_would_find_a_corpus_that_leaks(items):
  """Where the right candidate is twice as likely to be the last as any other, the same guesser is well above chance."""
  rng = random.Random(0)

  def leaking(item):
    rest = [candidate for candidate in item.question.candidates if candidate != item.wrong]
    return dataclasses.replace(item, right=rng.choice([*rest, rest[-1], rest[-1]]))

  train, dev = ([leaking(item) for item in items[split]] for split in ("train", "dev"))
  assert accuracy(train, dev, ["family, place and that of the wrong one"]) > 0.4


# ---- splits, and what a seed stands for


def test_no_pair_is_in_two_splits_or_twice_in_one(items):
  keys = {split: [item.case.pair_key for item in made] for split, made in items.items()}
  assert {split: len(set(made)) for split, made in keys.items()} == {"train": 1500, "dev": 500, "unseen": 300}
  assert len({key for made in keys.values() for key in made}) == 2300
  for item in items["dev"]:
    assert item.case.pair_key == pair(item.case.task.buggy_code, item.case.task.reference_code)


def test_families_are_in_training_and_dev_or_in_unseen(items):
  families = {split: {item.case.family for item in made} for split, made in items.items()}
  assert families["train"] == families["dev"] == set(readoff.ReadOff().families) - {"web", "unpacked", "by_number"}
  assert families["unseen"] == {"web", "unpacked", "by_number"}


def test_each_family_and_each_kind_of_bug_has_its_share(items):
  families = collections.Counter(item.case.family for item in items["train"])
  assert len(readoff.ReadOff().families) == 12
  assert min(families.values()) > 0.5 * 1500 / len(families)
  kinds = {item.case.task.bug_kind for item in everything(items)}
  assert kinds == {"wrong_return", "wrong_variable", "wrong_key", "wrong_index"}


def test_programs_are_none_of_minirepair(items):
  known = {canonical.canonical(d.task.reference_code) for d in minirepair.MiniRepair().demonstrations(1000)}
  assert not known & {item.case.canonical_fix for item in everything(items)}


def test_a_smaller_split_is_a_prefix_and_another_seed_gives_other_tasks(items):
  def tasks(corpus, split):
    return [item.case.task for item in corpus.items(split)]

  assert tasks(readoff.ReadOff(num_dev=20), "dev") == [item.case.task for item in items["dev"][:20]]
  other = tasks(readoff.ReadOff(seed=1, num_dev=20), "dev")
  assert not {t.buggy_code for t in other} & {item.case.task.buggy_code for item in items["dev"]}


def test_the_hash_seed_of_python_does_not_matter(items):
  program = (
      "from next_jax.corpora.minirepair.readoff import readoff\nfrom next_jax import files\n"
      "for item in readoff.ReadOff(num_dev=15).items('dev'):\n  print(files.dumps(item.case.task.to_json()))\n"
  )
  run = functools.partial(subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True)
  (output,) = {run(env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
  assert output.splitlines() == [files.dumps(item.case.task.to_json()) for item in items["dev"][:15]]


def test_build_writes_what_it_counts_and_the_chance_level(tmp_path):
  corpus = readoff.ReadOff(num_train=12, num_dev=8, num_unseen=5)
  assert corpus.build(tmp_path / "a") == corpus.build(tmp_path / "b") == {"train": 12, "dev": 8, "unseen": 5}
  for name in ("train.jsonl", "dev.jsonl", "unseen.jsonl", "statistics.json"):
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
  tasks = files.read_jsonl(tmp_path / "a" / "dev.jsonl", schema.RepairTask)
  assert [task.split for task in tasks] == ["dev"] * 8
  statistics = files.read_json(tmp_path / "a" / "statistics.json")["splits"]["dev"]
  assert statistics["tasks"] == sum(statistics["families"].values()) == 8
  assert 0.2 <= statistics["chance"] <= 0.25


def test_the_tasks_are_registered_and_show_the_trace_or_not(items):
  import tasks.readoff  # noqa: F401  (registers)

  task = items["dev"][0].case.task
  prompts = [seqio_tasks.registration(f"readoff_{name}").prompt for name in ("trace", "notrace")]
  with_trace, without = (form.render(task) for form in prompts)
  assert "  # (0) " in with_trace and "# (" not in without
  assert seqio_tasks.registration("readoff_v100_trace").prompt == seqio_tasks.registration("readoff_trace").prompt


def test_prompts_with_traces_are_within_the_length_that_the_findings_sample_with(items):
  vocabulary = vocabularies.minirepair_vocabulary()
  assert max(len(vocabulary.encode(prompt.Prompt().render(item.case.task))) for item in everything(items)) < 400


def test_settings_that_cannot_work_are_refused():
  with pytest.raises(errors.CorpusError, match="no family chian; known: chain, side_by_side"):
    readoff.ReadOff(unseen_families=("chian",))
  with pytest.raises(errors.CorpusError, match="ReadOff.families: no family gaet; known: chain, .*, nested"):
    readoff.ReadOff(families=("gate", "gaet"))
  with pytest.raises(errors.CorpusError, match="known: train, dev, unseen"):
    list(readoff.ReadOff().items("test"))
  with pytest.raises(errors.CorpusError, match="no task number 0 for 'train'"):
    list(readoff.ReadOff(unseen_families=readoff.ReadOff().families).items("train"))


# ---- demonstrations


def test_half_of_the_demonstrations_are_right_and_the_others_take_a_candidate_that_is_neither_right_nor_wrong(
    demonstrations,
):
  right = sum(d.faithful for d in demonstrations) / len(demonstrations)
  assert abs(right - 0.5) < 4 * math.sqrt(0.25 / len(demonstrations))
  for d in demonstrations:
    assert d.faithful == (d.fix == d.task.reference_code)
    assert d.fix != d.task.buggy_code
    changed = [a != b for a, b in zip(d.fix.split("\n"), d.task.buggy_code.split("\n"), strict=True)]
    assert sum(changed) == 1


def test_demonstrations_hold_no_pair_and_no_family_of_dev_or_unseen(items, demonstrations):
  held_out = {item.case.pair_key for split in ("dev", "unseen") for item in items[split]}
  shown = {pair(d.task.buggy_code, fix) for d in demonstrations for fix in (d.fix, d.task.reference_code)}
  assert not held_out & shown
  assert not any(f"-{family}-" in d.task.task_id for d in demonstrations for family in ("web", "unpacked", "by_number"))


def test_demonstrations_do_not_depend_on_how_many_are_wanted_nor_on_who_makes_them(demonstrations):
  corpus = readoff.ReadOff()
  assert list(corpus.demonstrations(20, start=240)) == demonstrations[240:260]
  assert list(corpus.demonstrations(260, num_workers=2)) == demonstrations[:260]
