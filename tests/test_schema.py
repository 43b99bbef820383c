"""Records are what their JSON says, and say what is wrong with JSON that is not theirs."""

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from next_jax import schema

_text = st.text(st.characters(codec="utf-8"), max_size=20)
_steps = st.builds(
    schema.Step, line=st.integers(1, 99), event=st.sampled_from(["call", "line", "return"]),
    changes=st.lists(st.tuples(_text, _text), max_size=3).map(tuple), value=st.none() | _text,
)
_traces = st.builds(
    schema.Trace, call=_text, steps=st.lists(_steps, max_size=4).map(tuple), outcome=_text, detail=_text
)
_tasks = st.builds(
    schema.RepairTask, task_id=_text, split=_text, instruction=_text, entry_point=_text, buggy_code=_text,
    reference_code=_text, public_tests=st.lists(_text, min_size=1, max_size=3).map(tuple),
    hidden_tests=st.lists(_text, max_size=3).map(tuple), bug_kind=_text, bug_origin=_text, setup_code=_text,
    trace=st.none() | _traces,
)
_samples = st.builds(
    schema.Sample, task_id=_text, sample_index=st.integers(0), completion=_text, rationale=st.none() | _text,
    fix=st.none() | _text, refusal=st.none() | _text,
    log_probability=st.floats(allow_nan=False, allow_infinity=False), token_count=st.integers(0), seed=st.integers(0),
)
_verdicts = st.builds(
    schema.Verdict, task_id=_text, sample_index=st.integers(0), status=st.sampled_from(schema.STATUSES),
    tests=st.lists(st.builds(schema.TestResult, status=_text, detail=_text), max_size=3).map(tuple), detail=_text,
    cpu_seconds=st.none() | st.floats(0, 10),
)


@given(_tasks | _samples | _verdicts | _traces)
def test_every_record_comes_back_from_json(record):
  assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


def _sample():
  sample = schema.Sample(task_id="a", sample_index=0, completion="", log_probability=-1.0, token_count=3, seed=0)
  return sample.to_json()


def test_only_the_outermost_record_carries_the_version():
  trace = schema.Trace(call="f()", steps=(schema.Step(line=1, event="call"),), outcome="returned", detail="None")
  assert "schema_version" in trace.to_json()
  assert "schema_version" not in trace.to_json()["steps"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "'schema_version': found 99"),
        ({"task_id": 3}, "'task_id': expected str, found int"),
        ({"token_count": True}, "'token_count': expected int, found bool"),
        ({"surprise": 1}, "'surprise' is unknown in a sample"),
    ],
)
def test_wrong_key_is_named(change, message):
  with pytest.raises(schema.RecordError, match=message):
    schema.Sample.from_json({**_sample(), **change})


def test_missing_key_is_named():
  value = _sample()
  del value["completion"]
  with pytest.raises(schema.RecordError, match="'completion' is missing in a sample"):
    schema.Sample.from_json(value)


def test_wrong_key_inside_a_nested_record_is_named():
  trace = {"call": "f()", "steps": [{"line": "1", "event": "call"}], "outcome": "returned", "detail": ""}
  with pytest.raises(schema.RecordError, match="in 'steps': key 'line': expected int, found str"):
    schema.Trace.from_json(trace)


def test_task_without_tests_is_an_error_that_names_it():
  task = schema.RepairTask(
      task_id="mbpp/1", split="dev", instruction="", entry_point="f", buggy_code="", reference_code="",
      public_tests=("assert f()",), hidden_tests=(), bug_kind="", bug_origin="",
  )
  with pytest.raises(schema.RecordError, match="mbpp/1"):
    dataclasses.replace(task, public_tests=())


def test_unknown_status_is_an_error():
  with pytest.raises(schema.RecordError, match="'status': found 'fine'"):
    schema.Verdict(task_id="a", sample_index=0, status="fine")
