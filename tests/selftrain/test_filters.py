"""Filters: what of the samples a model is tuned on."""

import dataclasses
import random

from hypothesis import given
from hypothesis import strategies as st

from next_jax import schema
from next_jax.selftrain import filters
from next_jax.tracing.recording import recorder

FIXES = (
    "def add(a, b):\n  return a + b",
    "def add(x, y):\n    # the sum\n    return x + y",  # the first in other names
    "def add(a, b):\n  return b + a",
    "def add(a, b:\n  return a + b",  # no program
)


TRACE = recorder.record("def add(a, b):\n  return a - b", "add(1, 1)")


def candidate(task=0, fix=FIXES[0], status="passed", iteration=1, index=0, rationale="It subtracts.", trace=None):
  repair_task = schema.RepairTask(
      task_id=f"t/{task}", split="train", instruction="Add.", entry_point="add",
      buggy_code="def add(a, b):\n  return a - b", reference_code=FIXES[0],
      public_tests=("assert add(1, 1) == 2",), hidden_tests=(), bug_kind="operator", bug_origin="mutant",
      trace=trace,
  )
  sample = schema.Sample(
      task_id=repair_task.task_id, sample_index=index, completion="", rationale=rationale, fix=fix, log_probability=0.0,
      token_count=1, seed=0,
  )
  verdict = schema.Verdict(task_id=repair_task.task_id, sample_index=index, status=status)
  return filters.Candidate(iteration=iteration, task=repair_task, sample=sample, verdict=verdict)


def test_only_what_passes_all_tests_is_kept():
  candidates = [candidate(status=status, index=i) for i, status in enumerate(schema.STATUSES)]
  assert [c.verdict.status for c in filters.PassesTests()(candidates)] == ["passed"]


def test_what_had_to_be_tested_in_its_own_process_can_be_refused():
  judged = candidate()
  inside = dataclasses.replace(judged, verdict=dataclasses.replace(judged.verdict, trust="inside"))
  assert filters.Judged()([inside, judged]) == [judged]
  assert filters.PassesTests()([inside, judged]) == [inside, judged]


def test_fixes_that_differ_in_names_and_layout_only_are_one():
  assert filters.UniqueFix()([candidate(fix=fix) for fix in FIXES]) == [candidate(fix=FIXES[i]) for i in (0, 2, 3)]


def test_the_same_fix_of_two_tasks_is_kept_twice():
  assert len(filters.UniqueFix()([candidate(task=0), candidate(task=1)])) == 2


def test_two_rationales_for_a_fix_are_two_completions():
  candidates = [candidate(rationale="a"), candidate(rationale="b"), candidate(rationale="a", index=1)]
  assert filters.UniqueCompletion()(candidates) == candidates[:2]
  assert filters.UniqueFix()(candidates) == candidates[:1]


def test_a_rationale_that_the_trace_contradicts_is_dropped():
  texts = ("It returns 0.", "It returns 1.", "It returns 0 but raises KeyError.", "Who knows.", None)
  candidates = [candidate(rationale=text, index=i, trace=TRACE) for i, text in enumerate(texts)]
  assert [c.sample.rationale for c in filters.ConsistentRationale()(candidates)] == [texts[0], texts[3], None]


def test_a_rationale_is_checked_against_the_trace_of_its_own_task():
  other = recorder.record("def add(a, b):\n  return a * b", "add(1, 1)")
  traces = (TRACE, other, None)
  candidates = [candidate(task=i, rationale="It returns 1.", trace=trace) for i, trace in enumerate(traces)]
  assert filters.ConsistentRationale()(candidates) == candidates[1:]


def test_a_sample_without_a_fix_is_not_parsed():
  assert filters.Parsed()([candidate(fix=None), candidate()]) == [candidate()]


CANDIDATES = st.lists(
    st.builds(
        candidate, task=st.integers(0, 3), fix=st.sampled_from(FIXES), status=st.sampled_from(["passed", "failed"]),
        index=st.integers(0, 9), rationale=st.sampled_from(["a", "b", "It returns 7."]),
        trace=st.sampled_from([None, TRACE]),
    ),
    max_size=30,
)
ALL = st.sampled_from(
    [
        filters.Parsed(), filters.PassesTests(), filters.UniqueFix(), filters.UniqueCompletion(),
        filters.ConsistentRationale(), filters.AtMost(per_task=2),
    ]
)


@given(CANDIDATES, ALL)
def test_a_filter_keeps_some_in_their_order_and_the_same_again(candidates, apply):
  kept = apply(candidates)
  rest = iter(candidates)
  assert all(any(c is k for c in rest) for k in kept)  # a subsequence
  assert apply(kept) == kept


@given(CANDIDATES, st.integers(1, 4))
def test_at_most_so_many_of_a_task_are_kept_and_no_fewer_than_there_are(candidates, per_task):
  kept = filters.AtMost(per_task=per_task)(candidates)
  for task_id in {c.task.task_id for c in candidates}:
    there = sum(c.task.task_id == task_id for c in candidates)
    assert sum(c.task.task_id == task_id for c in kept) == min(there, per_task)


@given(CANDIDATES, st.randoms(use_true_random=False))
def test_how_many_unique_fixes_there_are_does_not_depend_on_the_order(candidates, shuffler: random.Random):
  shuffled = list(candidates)
  shuffler.shuffle(shuffled)
  assert len(filters.UniqueFix()(shuffled)) == len(filters.UniqueFix()(candidates))


def test_the_newest_iteration_is_that_of_all_candidates_or_of_what_earlier_filters_left():
  old, new = candidate(iteration=1), candidate(iteration=2, status="failed")
  assert filters.NewestIteration()([new, old]) == [new]
  assert filters.NewestIteration()(filters.PassesTests()([new, old])) == [old]
  assert filters.NewestIteration()([]) == []
