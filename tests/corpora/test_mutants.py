"""Mutants as an origin of bugs."""

import itertools

import pytest

from next_jax import errors
from next_jax.corpora import canonical
from next_jax.corpora import mutants
from next_jax.execution.benchmarks import problems as problems_lib

_CODE = "def f(a, b):\n  total = a + b\n  if total > 3:\n    return total\n  return 0\n"
_PROBLEM = problems_lib.Problem(
    task_id="1", prompt="", entry_point="f", setup_code="", tests=("assert f(1, 1) == 0",), canonical=_CODE
)


def _bugs(seed=0, **fields):
  return list(mutants.Mutants(**fields).bugs([_PROBLEM], seed)["1"])


def test_those_with_one_change_come_first():
  bugs = _bugs(per_problem=200, changes=2)
  changes = [bug.kind.count("+") + 1 for bug in bugs]
  assert changes == sorted(changes) and {1, 2} == set(changes)
  assert [bug for bug in bugs if "+" not in bug.kind] == _bugs(per_problem=200)


def test_a_bug_of_two_changes_has_the_kinds_of_both():
  for bug in _bugs(per_problem=200, changes=2, kinds=("operator", "comparison")):
    assert set(bug.kind.split("+")) <= {"operator", "comparison"}


def test_a_few_of_two_changes_are_of_many_first_changes():
  bugs = [bug for bug in _bugs(per_problem=200, changes=2) if "+" in bug.kind]
  lines = {
      tuple(old == new for old, new in itertools.zip_longest(_CODE.split("\n"), bug.code.split("\n")))
      for bug in bugs[:15]
  }
  assert len(lines) >= 4


def test_the_seed_decides_and_so_does_nothing_else():
  assert _bugs() == _bugs()
  assert _bugs() != _bugs(seed=1)


def test_candidates_are_limited():
  assert len(_bugs(per_problem=2, max_candidates=2.5)) == 5


def test_every_candidate_compiles_and_defines_the_function():
  trees = [canonical.compiled(bug.code) for bug in _bugs(per_problem=50, changes=2)]
  assert trees and all(tree and canonical.defines(tree, "f") for tree in trees)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"per_problem": 0}, "Mutants.per_problem: found 0"),
        ({"share": 0}, "Mutants.share: found 0"),
        ({"changes": 3}, "Mutants.changes: found 3, expected 1 or 2"),
        ({"kinds": ("typo",)}, "Mutants.kinds: unknown mutation 'typo'"),
        ({"max_candidates": 0.5}, "Mutants.max_candidates: found 0.5"),
    ],
)
def test_impossible_settings_of_mutants_are_named(fields, message):
  with pytest.raises(errors.CorpusError, match=message):
    mutants.Mutants(**fields)
