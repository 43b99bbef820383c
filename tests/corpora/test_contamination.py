"""Repairs and problems that two splits share are found, and refused between train and dev."""

import pytest

from next_jax import errors
from next_jax import schema
from next_jax.corpora import contamination

_FIX = "def f(x):\n  return x + 1\n"


def _task(task_id, bug, fix=_FIX):
  return schema.RepairTask(
      task_id=task_id, split="", instruction=task_id, entry_point="f", buggy_code=bug, reference_code=fix,
      public_tests=("assert f(1) == 2",), hidden_tests=(), bug_kind="", bug_origin="mutant",
  )


_BUG = "def f(x):\n  return x\n"
_RENAMED = _task("d/0", "def g(y):  # the same\n    return y\n", "def g(y):\n    return y + 1\n")
_SAME_PROBLEM = _task("d/1", "def f(x):\n  return x - 1\n")
_OTHER = _task("d/2", _BUG, "def f(x):\n  return x * 2\n")


def test_renamed_and_reformatted_repairs_are_the_same():
  (found,) = contamination.overlaps({"train": [_task("t/0", _BUG)], "dev": [_RENAMED]})
  assert (found["repairs"], found["problems"]) == (1, 1)
  assert found["repairs_examples"] == [["t/0", "d/0"]]


def test_another_bug_of_the_same_problem_is_an_overlap_of_problems_only():
  (found,) = contamination.overlaps({"train": [_task("t/0", _BUG)], "dev": [_SAME_PROBLEM]})
  assert (found["repairs"], found["problems"]) == (0, 1)


def test_the_same_bug_of_another_problem_is_none():
  (found,) = contamination.overlaps({"train": [_task("t/0", _BUG)], "dev": [_OTHER]})
  assert (found["repairs"], found["problems"]) == (0, 0)


def test_any_two_splits_are_compared():
  found = contamination.overlaps({"a": [_task("t/0", _BUG)], "b": [_OTHER], "c": [_RENAMED]})
  assert {tuple(one["splits"]): one["problems"] for one in found} == {("a", "b"): 0, ("a", "c"): 1, ("b", "c"): 0}


@pytest.mark.parametrize(("task", "what"), [(_RENAMED, "1 repairs"), (_SAME_PROBLEM, "1 problems")])
def test_an_overlap_of_train_and_dev_is_an_error(task, what):
  found = contamination.overlaps({"train": [_task("t/0", _BUG)], "dev": [task]})
  with pytest.raises(errors.CorpusError, match=f"'train' and 'dev' share {what}, such as those of 't/0'"):
    contamination.check(found, "train", "dev")
  contamination.check(found, "train", "test")


def test_no_overlap_is_no_error():
  contamination.check(contamination.overlaps({"train": [_task("t/0", _BUG)], "dev": [_OTHER]}), "train", "dev")
