"""The bootstrap over tasks: reproducible, of the right width, refused where it means nothing."""

import numpy as np
import pytest

from next_jax import errors
from next_jax.evaluation import intervals


def test_the_width_is_that_of_the_standard_error():
  values = np.random.default_rng(0).random(400)
  lower, upper = intervals.bootstrap_interval(values)
  error = values.std() / np.sqrt(values.size)
  assert lower == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
  assert upper == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_it_covers_the_true_mean_as_often_as_it_says():
  generator = np.random.default_rng(1)
  hits = 0
  for _ in range(300):
    lower, upper = intervals.bootstrap_interval(generator.random(60) < 0.3, confidence=0.8, num_resamples=500)
    hits += lower <= 0.3 <= upper
  assert 0.72 <= hits / 300 <= 0.88


def test_the_same_seed_gives_the_same_interval():
  values = [0.0, 0.5, 1.0, 0.25]
  assert intervals.bootstrap_interval(values, seed=3) == intervals.bootstrap_interval(values, seed=3)
  assert intervals.bootstrap_interval(values, seed=3) != intervals.bootstrap_interval(values, seed=4, num_resamples=77)


def test_equal_values_have_an_interval_without_width():
  assert intervals.bootstrap_interval([0.25] * 7) == (0.25, 0.25)


@pytest.mark.parametrize("arguments", [{"per_task_values": []}, {"confidence": 95}, {"num_resamples": 0}])
def test_what_gives_no_interval_is_refused(arguments):
  with pytest.raises(errors.EvaluationError, match=next(iter(arguments))):
    intervals.bootstrap_interval(**{"per_task_values": [0.5, 1.0], **arguments})
