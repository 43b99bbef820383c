"""pass@k is the unbiased estimate of Chen et al.: exact, stable, and refused where it is not defined."""

import fractions
import itertools
import math

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax import errors
from next_jax import pass_at_k
from next_jax import schema


@hypothesis.given(st.data())
def test_it_is_one_minus_the_chance_that_all_draws_are_wrong(data):
  num_samples = data.draw(st.integers(1, 300))
  num_correct = data.draw(st.integers(0, num_samples))
  k = data.draw(st.integers(1, num_samples))
  exact = 1 - fractions.Fraction(math.comb(num_samples - num_correct, k), math.comb(num_samples, k))
  assert pass_at_k.pass_at_k(num_samples, num_correct, k) == pytest.approx(float(exact), abs=1e-12)


def test_it_equals_the_share_of_drawings_with_a_right_one():
  samples = [True, True, False, False, False, False, False]
  drawings = list(itertools.combinations(samples, 3))
  assert pass_at_k.pass_at_k(7, 2, 3) == pytest.approx(sum(map(any, drawings)) / len(drawings))


def test_pass_at_1_is_the_share_that_passed():
  assert pass_at_k.pass_at_k(200, 37, 1) == pytest.approx(37 / 200)


def test_many_samples_do_not_overflow():
  assert pass_at_k.pass_at_k(100_000, 1, 50_000) == pytest.approx(0.5)


@pytest.mark.parametrize("arguments", [(5, 6, 1), (5, -1, 1), (5, 1, 6), (5, 1, 0), (0, 0, 1)])
def test_numbers_for_which_it_is_not_defined_are_refused(arguments):
  with pytest.raises(errors.EvaluationError):
    pass_at_k.pass_at_k(*arguments)


def test_the_mean_is_over_tasks_not_over_samples():
  assert pass_at_k.mean_pass_at_k([(10, 10), (2, 0)], 1) == 0.5
  with pytest.raises(errors.EvaluationError, match="no tasks"):
    pass_at_k.mean_pass_at_k([], 1)


def test_an_infrastructure_failure_is_no_sample_and_a_task_with_too_few_samples_has_no_rate():
  verdicts = [
      schema.Verdict(task_id=task_id, sample_index=index, status=status)
      for task_id, statuses in {"a": ("passed", "infrastructure", "failed"), "b": ("infrastructure", "passed")}.items()
      for index, status in enumerate(statuses)
  ]
  results = pass_at_k.results_by_task(verdicts)
  assert results == {"a": [True, False], "b": [True]}
  assert pass_at_k.of_tasks(results, 1) == {"a": 0.5, "b": 1.0}
  assert pass_at_k.of_tasks(results, 2) == {"a": 1.0}
