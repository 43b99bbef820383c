"""MiniRepair: bugs are proven, splits are disjoint, everything is a function of the settings."""

import ast
import builtins
import collections
import dataclasses
import itertools
import json
import os
import random
import subprocess
import sys

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora import mutations
from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair import families
from next_jax.corpora.minirepair import minirepair
from next_jax.corpora.minirepair import running
from next_jax.corpora.minirepair import splits as splits_lib


@pytest.fixture(scope="module")
def cases():
  corpus = minirepair.MiniRepair(num_train=1500, num_other=300)
  return {split: list(corpus.items(split)) for split in ("train", "dev", "unseen", "other")}


@pytest.fixture(scope="module")
def demonstrations():
  return list(minirepair.MiniRepair().demonstrations(5000))


def shape(code):
  """Canonical form in which all numbers are one number and all texts are one text."""
  tree = ast.parse(code)
  for node in ast.walk(tree):
    if isinstance(node, ast.Constant) and type(node.value) in (int, str):
      node.value = type(node.value)(7)
  return canonical.canonical_tree(tree)


def pair(bug, fix):
  return canonical.pair_key(canonical.canonical(bug), canonical.canonical(fix))


def passes(code, test):
  namespace = {}
  exec(code, namespace)
  try:
    exec(test, namespace)
  except AssertionError:
    return False
  return True


def test_there_are_sixty_families_or_more():
  assert len(families.FAMILIES) >= 60


def test_no_pair_is_in_two_splits_or_twice_in_one(cases):
  keys = {split: [case.pair_key for case in made] for split, made in cases.items()}
  numbers = {"train": 1500, "dev": 400, "unseen": 300, "other": 300}
  assert {split: len(set(made)) for split, made in keys.items()} == numbers
  for one, two in itertools.combinations(keys, 2):
    assert not set(keys[one]) & set(keys[two]), (one, two)


def test_no_pair_of_dev_unseen_or_other_is_in_a_demonstration(cases, demonstrations):
  held_out = {case.pair_key for split in ("dev", "unseen", "other") for case in cases[split]}
  shown = {pair(d.task.buggy_code, fix) for d in demonstrations for fix in (d.fix, d.task.reference_code)}
  assert not held_out & shown


def test_pair_keys_are_those_of_the_programs(cases):
  for case in (*cases["dev"], *cases["other"]):
    assert case.pair_key == pair(case.task.buggy_code, case.task.reference_code)


def test_combinations_of_pretraining_loop_and_unseen_are_disjoint(cases, demonstrations):
  def combinations(tasks):
    return {tuple(task.task_id.split("/")[2].split("-")[1:]) for task in tasks}

  pretraining = combinations(d.task for d in demonstrations)
  loop = combinations(case.task for split in ("train", "dev") for case in cases[split])
  unseen = combinations(case.task for case in cases["unseen"])
  assert not pretraining & loop
  assert not pretraining & unseen
  assert not loop & unseen


def test_every_family_is_in_pretraining(demonstrations):
  shown = {d.task.task_id.split("/")[2].split("-")[1] for d in demonstrations}
  assert shown == set(families.FAMILIES)


def test_the_reference_passes_all_tests_and_the_bug_fails_the_first(cases):
  for split in cases:
    for case in cases[split][:150]:
      task = case.task
      assert all(passes(task.reference_code, test) for test in task.tests), task.task_id
      assert len(set(task.tests)) == len(task.tests)
      assert len(task.public_tests) == 3
      arguments = eval(f"(lambda *a: a){task.trace.call.removeprefix(task.entry_point)}")
      outcome = running.run(running.load(task.buggy_code, task.entry_point), arguments)
      expected = eval(task.public_tests[0].rpartition(" == ")[2])
      assert outcome.how != "returned" or outcome.value != expected, task.task_id


def test_the_trace_is_of_the_first_public_test(cases):
  for case in (*cases["dev"], *cases["other"]):
    task = case.task
    assert task.public_tests[0].startswith(f"assert {task.trace.call} == ")
    assert (case.shows == "endless") == (task.trace.outcome == "truncated")
    assert (case.shows == "exception") == (task.trace.outcome == "raised")


def test_about_sixty_percent_of_the_descriptions_are_vague(cases):
  vague = [case.vague for made in cases.values() for case in made]
  assert 0.55 < sum(vague) / len(vague) < 0.65


def test_about_half_of_the_demonstrations_are_faithful_and_only_those_are_right(demonstrations):
  faithful = [d for d in demonstrations if d.faithful]
  assert 0.47 < len(faithful) / len(demonstrations) < 0.53
  assert all(d.fix == d.task.reference_code for d in faithful)
  edited = [d for d in demonstrations if not d.faithful and d.task.trace.outcome != "truncated"][:200]
  assert all(canonical.canonical(d.fix) != canonical.canonical(d.task.reference_code) for d in edited)


def test_rationales_state_only_what_the_trace_holds(demonstrations):
  for demonstration in demonstrations[:1000]:
    trace = demonstration.task.trace
    states = {f"({n}) has {a}={v}." for n, step in enumerate(trace.steps) for a, v in step.changes}
    for marker in ("Step (", "At step ("):
      if marker in demonstration.rationale:
        fact = "(" + demonstration.rationale.split(marker)[1]
        assert any(fact.startswith(s) or fact.startswith(s.replace(" has ", " ")) for s in states), fact
    assert "tep (" not in demonstration.rationale_without_trace
    if "returns" in demonstration.rationale and "a wrong value" not in demonstration.rationale:
      assert trace.outcome == "returned"
      assert f"returns {trace.detail} " in demonstration.rationale


def test_rationales_name_the_line_that_the_fix_changes(demonstrations):
  for demonstration in demonstrations[:1000]:
    old, new = demonstration.task.buggy_code.split("\n"), demonstration.fix.split("\n")
    line = next(index for index, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1])
    for text in (demonstration.rationale, demonstration.rationale_without_trace):
      if len(old) == len(new):
        assert f"ine {line + 1} " in text or f"ines {line + 1} and " in text, text
      else:
        assert f"after line {line}." in text or f"Line {line + 1} " in text, text


def test_the_first_demonstrations_do_not_depend_on_how_many_are_wanted(demonstrations):
  corpus = minirepair.MiniRepair()
  assert list(corpus.demonstrations(20)) == demonstrations[:20]
  assert list(corpus.demonstrations(20, start=300)) == demonstrations[300:320]


def test_processes_give_the_same_demonstrations_in_the_same_order(demonstrations):
  assert list(minirepair.MiniRepair().demonstrations(600, num_workers=2)) == demonstrations[:600]


def test_another_seed_gives_other_demonstrations(demonstrations):
  other = list(minirepair.MiniRepair(seed=1).demonstrations(20))
  assert not {d.task.buggy_code for d in other} & {d.task.buggy_code for d in demonstrations[:20]}


def test_the_hash_seed_of_python_does_not_matter(demonstrations):
  program = (
      "from next_jax.corpora.minirepair import minirepair\n"
      "from next_jax import files\n"
      "for d in minirepair.MiniRepair().demonstrations(30):\n"
      "  print(files.dumps([d.task.to_json(), d.rationale, d.fix]))\n"
  )
  outputs = {
      subprocess.run(
          [sys.executable, "-c", program],
          env={**os.environ, "PYTHONHASHSEED": seed},
          capture_output=True,
          text=True,
          check=True,
      ).stdout
      for seed in ("1", "2")
  }
  (output,) = outputs
  first = json.loads(output.splitlines()[0])
  assert first[1:] == [demonstrations[0].rationale, demonstrations[0].fix]


def test_importing_the_generator_does_not_import_jax_or_tensorflow():
  program = (
      "import sys\nfrom next_jax.corpora.minirepair import minirepair\nminirepair.MiniRepair().demonstration(0)\n"
      "print([name for name in ('jax', 'tensorflow', 'seqio', 'gin') if name in sys.modules])\n"
  )
  result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
  assert result.stdout.strip() == "[]"


def test_build_writes_what_it_counts_and_the_same_bytes_again(tmp_path):
  corpus = minirepair.MiniRepair(num_train=30, num_dev=20, num_unseen=10)
  assert corpus.build(tmp_path / "a") == corpus.build(tmp_path / "b") == {"train": 30, "dev": 20, "unseen": 10}
  for name in ("train.jsonl", "dev.jsonl", "unseen.jsonl", "statistics.json"):
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
  tasks = files.read_jsonl(tmp_path / "a" / "dev.jsonl", schema.RepairTask)
  assert len(tasks) == 20
  assert all(task.split == "dev" and task.bug_origin == "mutant" for task in tasks)
  assert len({task.task_id for task in tasks}) == 20
  statistics = files.read_json(tmp_path / "a" / "statistics.json")
  assert statistics["splits"]["dev"]["tasks"] == 20
  assert sum(statistics["splits"]["dev"]["bug_kinds"].values()) == 20


def test_a_smaller_split_is_a_prefix_of_a_larger_one():
  small, large = (minirepair.MiniRepair(num_dev=num) for num in (10, 20))
  assert list(large.items("dev"))[:10] == list(small.items("dev"))


def test_split_other_has_all_of_its_own_families_and_all_kinds_that_find_a_place_in_them(cases):
  assert {case.family for case in cases["other"]} == set(families.OTHERS)
  assert {case.task.bug_kind for case in cases["other"]} == set(mutations.KINDS)
  for number, case in enumerate(cases["other"]):
    assert case.task.task_id == f"minirepair/other/{number:05d}-{case.family}-{case.task.bug_kind}"
    assert case.task.split == "other"


def test_no_family_of_split_other_is_in_pretraining_the_loop_or_unseen(cases, demonstrations):
  assert not set(families.OTHERS) & set(families.FAMILIES)
  elsewhere = {case.family for split in ("train", "dev", "unseen") for case in cases[split]}
  elsewhere |= {d.task.task_id.split("/")[2].split("-")[1] for d in demonstrations}
  assert not set(families.OTHERS) & elsewhere
  splits = splits_lib.Splits(revisited_share=1.0)
  for part in (splits_lib.PRETRAINING, splits_lib.LOOP, splits_lib.TRAIN, splits_lib.UNSEEN):
    assert not set(families.OTHERS) & {family for family, _ in splits.combinations(part)}


def test_no_program_of_split_other_is_one_of_another_split_even_with_other_constants(cases, demonstrations):
  others = {shape(case.task.reference_code) for case in cases["other"]}
  for name, family in families.OTHERS.items():
    others |= {shape(family(draw.Draw(random.Random(f"{name}/{number}"))).code) for number in range(40)}
  known = {shape(case.task.reference_code) for split in ("train", "dev", "unseen") for case in cases[split]}
  for name, family in families.FAMILIES.items():
    known |= {shape(family(draw.Draw(random.Random(f"{name}/{number}"))).code) for number in range(30)}
  known |= {shape(demonstration.fix) for demonstration in demonstrations[:1000]}
  assert len(others) > 5 * len(families.OTHERS) and len(known) > 5 * len(families.FAMILIES)
  assert not others & known


def test_pairs_of_split_other_are_none_that_training_or_dev_may_have(cases):
  assert {splits_lib.Splits().owner(case.pair_key) for case in cases["other"]} == {"unseen"}


@pytest.mark.parametrize("name", families.OTHERS)
def test_a_family_of_split_other_makes_many_pairs_and_its_programs_run(name):
  pairs, descriptions = set(), set()
  for number in range(40):
    rng = random.Random(f"{name}/{number}")
    problem = families.OTHERS[name](draw.Draw(rng))
    canonical_fix = canonical.canonical(problem.code)
    pairs.add(canonical.pair_key(next(mutations.mutants(problem.code, rng)).canonical, canonical_fix))
    descriptions.add((problem.precise, problem.vague))
    function = running.load(problem.code, problem.entry_point)
    assert all(running.run(function, problem.inputs(rng)).how == "returned" for _ in range(5)), problem.code
    assert 3 <= problem.code.count("\n") <= 10
    written = {node.id for node in ast.walk(ast.parse(problem.code)) if isinstance(node, ast.Name)}
    pools = {name for pool in (*draw.NAMES.values(), *draw.FUNCTIONS.values()) for name in pool}
    assert written <= pools | {"rows"} | set(dir(builtins))
  assert len(pairs) > 25 and len(descriptions) > 5


@pytest.mark.parametrize("name", families.OTHERS)
def test_vague_descriptions_of_split_other_hold_no_number(name):
  for number in range(40):
    vague = families.OTHERS[name](draw.Draw(random.Random(f"{name}/{number}"))).vague
    assert not any(letter.isdigit() for letter in vague), vague


def test_split_other_is_built_only_where_it_has_tasks_and_changes_no_other_split(tmp_path):
  numbers = {"num_train": 12, "num_dev": 8, "num_unseen": 5}
  assert "other" not in minirepair.MiniRepair(**numbers).build(tmp_path / "without")
  counts = minirepair.MiniRepair(**numbers, num_other=9).build(tmp_path / "with")
  assert counts == {"train": 12, "dev": 8, "unseen": 5, "other": 9}
  without, with_other = (
      {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("without", "with")
  )
  assert set(with_other) - set(without) == {"other.jsonl"}
  assert all(with_other[name] == without[name] for name in without if name != "statistics.json")
  statistics = {name: files.read_json(tmp_path / name / "statistics.json") for name in ("without", "with")}
  assert statistics["with"]["splits"].pop("other")["tasks"] == 9
  assert statistics["with"] == statistics["without"]


def test_a_smaller_split_other_is_a_prefix_of_a_larger_one(cases):
  assert list(minirepair.MiniRepair(num_other=20).items("other")) == cases["other"][:20]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_training_may_have_kinds_of_pretraining_but_dev_and_unseen_never(share):
  splits = splits_lib.Splits(revisited_share=share)
  pretraining, loop, train, unseen = (
      splits.combinations(part)
      for part in (splits_lib.PRETRAINING, splits_lib.LOOP, splits_lib.TRAIN, splits_lib.UNSEEN)
  )
  assert not set(pretraining) & set(loop) and not set(unseen) & {*pretraining, *train}
  assert set(train) == set(loop) | (set(train) & set(pretraining))
  assert len(set(train) & set(pretraining)) == pytest.approx(share * len(pretraining), abs=1)
  assert (pretraining, loop, unseen) == tuple(
      splits_lib.Splits().combinations(part) for part in (splits_lib.PRETRAINING, splits_lib.LOOP, splits_lib.UNSEEN)
  )


def test_more_tasks_than_there_are_is_an_error_that_says_so():
  splits = splits_lib.Splits(pretraining_share=0.5, loop_share=0.5)
  corpus = dataclasses.replace(minirepair.MiniRepair(), splits=splits, max_attempts=20)
  with pytest.raises(errors.CorpusError, match="no combinations"):
    list(corpus.items("unseen"))
  with pytest.raises(errors.CorpusError, match="known: train, dev, unseen, other"):
    list(corpus.items("test"))


def test_all_bug_kinds_occur(cases, demonstrations):
  kinds = {d.task.bug_kind for d in demonstrations} | {c.task.bug_kind for made in cases.values() for c in made}
  assert kinds == set(mutations.KINDS)


def test_endless_and_growing_programs_are_cut_off():
  endless = running.load("def f(n):\n    while n > 0:\n        n += 0\n    return n\n", "f")
  growing = running.load("def f(n):\n    while n > 0:\n        n = n * n\n    return n\n", "f")
  assert running.run(endless, (3,)).how == "endless"
  assert running.run(growing, (3,)).how == "oversized"
  assert sys.gettrace() is None


def test_names_are_made_up_in_demonstrations_only_and_their_programs_still_work():
  with_pools = minirepair.MiniRepair(open_names_share=0.0, faithful_share=1.0)
  made_up = minirepair.MiniRepair(open_names_share=1.0, faithful_share=1.0)
  known = {name for pool in (*draw.NAMES.values(), *draw.FUNCTIONS.values()) for name in pool}
  names = set()
  for demonstration in made_up.demonstrations(40):
    task = demonstration.task
    assert passes(demonstration.fix, task.public_tests[0])
    names.add(task.entry_point)
  assert len(names - known) > 20
  assert {demonstration.task.entry_point for demonstration in with_pools.demonstrations(40)} <= known
  assert next(made_up.items("dev")) == next(with_pools.items("dev"))


def test_made_up_names_cannot_be_those_that_a_family_writes_itself():
  for family, problem in families.FAMILIES.items():
    drawn = collections.Counter()
    for number in range(30):
      code = problem(draw.Draw(random.Random(f"{family}/{number}"), open_names=True)).code
      drawn.update({node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)})
    written = {name for name, count in drawn.items() if count > 3 and len(name) > 1 and not hasattr(builtins, name)}
    assert written <= draw.FIXED, family
