"""Abridging until it fits: what is nearest the failure goes last, and few programs are written on the way."""

import math

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.tracing.annotation import fitting
from next_jax.tracing.annotation import inline
from next_jax.tracing.annotation import readback
from next_jax.tracing.recording import recorder

LOOP = """\
def f(items):
    total = 0
    seen = []
    for item in items:
        seen.append(item)
        total = total + item
    mean = total / len(seen)
    return [mean, seen]
"""
STYLE = inline.InlineStyle(align=False)
TRACE = recorder.record(LOOP, "f([n * 1000 for n in range(20)])")


def fit(max_chars: int, trace: schema.Trace = TRACE, source: str = LOOP) -> fitting.Fitted:
  return fitting.fit(source, trace, STYLE, lambda text: len(text) <= max_chars)


def numbers(text: str) -> list[int]:
  return sorted(state.number for comment in readback.read(text).values() for state in comment.states)


def test_what_fits_is_left_as_it_is():
  annotated = inline.annotate(LOOP, TRACE, STYLE)
  assert fit(len(annotated)) == fitting.Fitted(text=annotated, fits=True, states=14)
  assert not fit(len(annotated)).is_abridged


def test_far_values_are_shortened_then_far_states_left_out_then_the_failure_shortened():
  fitted = [fit(size) for size in range(len(inline.annotate(LOOP, TRACE, STYLE)) - 1, len(LOOP) - 1, -1)]
  assert all(each.fits and each.is_abridged for each in fitted)
  assert (fitted[0].states, fitted[0].shortened, fitted[0].left_out) == (14, 1, 0)
  assert "(0) items=[0, 1000,...000]\n" in fitted[0].text
  assert "return [9500.0, [0, 1000, 2000, 3000" in fitted[0].text
  last_three = fit(len(LOOP) + 120)
  assert numbers(last_three.text) == [62, 63, 64]
  assert "# (63) mean=9500.0\n" in last_three.text
  assert "# (64) return [9500.0, [0, 1000, 2000, 3000" in last_three.text
  shortest = fit(len(LOOP) + 40)
  assert "    return [mean, seen]  # (64) return [9500.0, ...00]]\n" in shortest.text
  assert shortest.text.count("#") == 1
  assert fit(len(LOOP)) == fitting.Fitted(text=LOOP, fits=True, states=0, left_out=14)


def test_a_program_that_does_not_fit_says_so():
  assert fit(len(LOOP) - 1) == fitting.Fitted(text=LOOP, fits=False, states=0, left_out=14)
  annotated = inline.annotate(LOOP, TRACE, STYLE)
  assert fit(0, source=annotated).text == LOOP  # also without the states that it came with


def test_states_around_the_exception_stay():
  source = "def g(x):\n    y = x\n    return 1 / y\ndef f(x):\n  try:\n    z = g(x)\n  finally:\n    w = 1\n"
  trace = recorder.record(source, "f(0)")
  assert trace.outcome == "raised"
  assert fitting.failure(trace) == 3
  few = fit(len(source) + 65, trace, source)
  assert "return 1 / y  # (3) raise ZeroDivisionError: division by zero" in few.text
  assert numbers(few.text) == [2, 3]


def test_the_failure_is_the_exception_that_ended_the_call_or_the_last_step():
  caught = "def f(x):\n    try:\n        x[0]\n    except TypeError:\n        y = 1\n    raise ValueError(x)\n"
  assert fitting.failure(recorder.record(caught, "f(1)")) == 3
  assert fitting.failure(recorder.record("def f(x):\n    y = x\n    return y\n", "f(1)")) == 2
  endless = recorder.record("def f(x):\n    while 1:\n        x += 1\n", "f(1)", budget=recorder.Budget(max_steps=30))
  assert fitting.failure(endless) == len(endless.steps) - 1
  assert fitting.failure(recorder.record("x = 1\n", "f(1)")) == 0


def test_few_programs_are_written_on_the_way():
  asked = []

  def fits(text):
    asked.append(text)
    return len(text) <= len(LOOP) + 200

  fitting.fit(LOOP, TRACE, STYLE, fits)
  assert len(asked) <= 2 + math.ceil(math.log2(2 * 14))


@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(st.integers(0, 600), st.integers(1, 12), st.integers(0, 3))
def test_whatever_the_budget_the_nearest_states_are_kept_and_it_is_kept(max_chars, length, last_visits):
  style = inline.InlineStyle(align=False, last_visits=last_visits)
  trace = recorder.record(LOOP, f"f([10 ** n for n in range({length})])")
  fitted = fitting.fit(LOOP, trace, style, lambda text: len(text) <= max_chars)
  assert fitted == fitting.fit(LOOP, trace, style, lambda text: len(text) <= max_chars)
  assert fitted.fits == (max_chars >= len(LOOP))
  assert len(fitted.text) <= max_chars or fitted.text == LOOP
  shown, kept = numbers(inline.annotate(LOOP, trace, style)), numbers(fitted.text)
  assert kept == shown[len(shown) - len(kept) :]
  assert (fitted.states, fitted.left_out) == (len(kept), len(shown) - len(kept))
  assert all(readback.agrees(comment, trace) for comment in readback.read(fitted.text).values())
  assert inline.annotate(fitted.text, trace, style) == inline.annotate(LOOP, trace, style)


def test_bad_input_is_the_same_error_as_without_a_budget():
  with pytest.raises(inline.MismatchError):
    fit(100, source="x = 1\n")
