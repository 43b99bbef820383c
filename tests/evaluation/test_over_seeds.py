"""Means over seeds and tasks: what an interval counts, and what a contrast pairs."""

import math
import random

import pytest

from next_jax import errors
from next_jax.evaluation import intervals
from next_jax.evaluation import over_seeds


def values(count, seed):
  rng = random.Random(seed)
  return {f"t/{number}": float(rng.random() < 0.4) for number in range(count)}


def test_a_mean_gives_every_seed_the_same_weight():
  found = over_seeds.mean([{"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 1.0}])
  assert found.per_seed == (0.5, 1.0) and found.estimate.value == 0.75 and found.estimate.num_tasks == 2


def test_with_one_seed_it_is_the_bootstrap_over_tasks():
  one = values(200, 1)
  low, high = intervals.bootstrap_interval(list(one.values()))
  found = over_seeds.mean([one]).estimate
  assert found.low == pytest.approx(low, abs=0.006) and found.high == pytest.approx(high, abs=0.006)


def test_more_seeds_on_the_same_tasks_do_not_average_out_their_difficulty():
  one = values(200, 2)
  alone, three = over_seeds.mean([one]).estimate, over_seeds.mean([one] * 3).estimate
  assert three.high - three.low == pytest.approx(alone.high - alone.low, abs=0.01)
  # Where the tasks differ too, there is more to average over: a third of the variance, and two ninths that drawing the
  # seeds adds, on the wider side.
  other = over_seeds.mean([{f"{seed}/{name}": value for name, value in one.items()} for seed in range(3)]).estimate
  assert other.high - other.low == pytest.approx((alone.high - alone.low) * math.sqrt(1 / 3 + 2 / 9), abs=0.01)


def test_seeds_that_disagree_widen_the_interval():
  tasks = [f"t/{number}" for number in range(50)]
  found = over_seeds.mean([dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 1.0)]).estimate
  assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)  # both seeds drawn alike: a quarter of the time each


def test_a_contrast_is_of_the_tasks_that_both_were_asked():
  found = over_seeds.contrast(
      [{"a": 0.0, "b": 0.5, "c": 1.0}, {"a": 0.0, "b": 0.0}], [{"a": 1.0, "b": 0.5, "d": 0.0}, {"a": 0.5, "b": 0.0}]
  )
  assert found.first.per_seed == (0.25, 0.0) and found.second.per_seed == (0.75, 0.25)
  assert found.difference.per_seed == (0.5, 0.25) and found.difference.estimate.value == 0.375
  assert found.difference.estimate.num_tasks == 2


def test_pairs_of_tasks_show_what_two_intervals_beside_each_other_hide():
  before = [{f"t/{number}": number / 100 for number in range(90)} for _ in range(2)]
  after = [{name: value + 0.05 for name, value in one.items()} for one in before]
  found = over_seeds.contrast(before, after)
  assert found.first.estimate.high > found.second.estimate.low and found.sign == 1
  assert over_seeds.contrast(after, before).sign == -1 and over_seeds.contrast(before, before).sign == 0


def test_the_p_value_is_that_of_all_signs():
  tasks = "abcd"
  found = over_seeds.contrast([dict.fromkeys(tasks, 0.0)] * 2, [dict.fromkeys(tasks, 1.0), dict.fromkeys(tasks, 0.5)])
  assert found.p_value == pytest.approx(2 / 2**4, abs=0.01)  # all plus or all minus
  assert over_seeds.contrast([{"a": 0.3}], [{"a": 0.3}]).p_value == 1.0


@pytest.mark.parametrize("runs", [[], [{}], [{"a": 1.0}, {}]])
def test_a_run_without_tasks_is_refused(runs):
  with pytest.raises(errors.EvaluationError, match="expected values of one or more tasks"):
    over_seeds.mean(runs)
