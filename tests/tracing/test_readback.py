"""Annotating real and built programs: only comments are added, again changes nothing, and the comments read back."""

import ast
import json
import re

import built_programs
import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.tracing import statements
from next_jax.tracing.annotation import comments
from next_jax.tracing.annotation import inline
from next_jax.tracing.annotation import readback
from next_jax.tracing.annotation import scopes
from next_jax.tracing.recording import calls
from next_jax.tracing.recording import recorder

_STYLES = st.builds(
    inline.InlineStyle,
    first_visits=st.integers(0, 3),
    last_visits=st.integers(0, 3),
    unchanged_visits=st.booleans(),
    value_width=st.integers(1, 80),
    comment_width=st.integers(20, 300),
    functions=st.sampled_from([
        scopes.AllFunctions(), scopes.AllFunctions(), scopes.CalledFunction(), scopes.NamedFunctions(names=("a", "C")),
    ]),
    align=st.booleans(),
)


def layout_of(source: str) -> list[tuple]:
  nodes = ast.walk(ast.parse(source))
  return [(type(node), node.lineno, node.col_offset) for node in nodes if hasattr(node, "lineno")]


def lines_of(source: str) -> list[str]:
  return [line.rstrip() for line in re.split(r"\r\n|\r|\n", source)]


def assert_holds(source: str, trace: schema.Trace, style: inline.InlineStyle) -> None:
  """Everything that is promised of an annotated source."""
  annotation = inline.Annotation(source, trace, style)
  annotated = annotation.text
  # Only comments were added, and annotating again, or taking them away, gives the same.
  assert ast.dump(ast.parse(annotated)) == ast.dump(ast.parse(source))
  assert layout_of(annotated) == layout_of(source)
  assert inline.annotate(annotated, trace, style) == annotated
  stripped = readback.plain(source)
  assert lines_of(readback.plain(annotated)) == lines_of(stripped)
  assert readback.plain(stripped) == stripped
  # The comments say which steps they are of, and what these did.
  read = readback.read(annotated)
  numbers = [state.number for comment in read.values() for state in comment.states]
  assert sorted(numbers) == sorted(annotation.shown)
  for line, comment in read.items():
    assert readback.agrees(comment, trace)
    for i, state in enumerate(comment.states):
      step = trace.steps[state.number]
      if step.line != line:  # two statements with one place
        assert lines_of(source)[line - 1].endswith("\\")
      width = annotation.shown[state.number]
      if width and len(step.changes) == len(state.changes):
        for (name, text), (expected_name, value) in zip(state.changes, step.changes, strict=True):
          assert name == expected_name
          assert text == comments.one_line(value) or len(comments.one_line(value)) > width
      if i and _visits_between(trace, line, comment.states[i - 1].number, state.number, style):
        assert i in comment.gaps
    if _visits_between(trace, line, comment.states[-1].number, len(trace.steps), style):
      assert len(comment.states) in comment.gaps


def _visits_between(trace, line, before, after, style) -> bool:
  return any(
      step.line == line and (step.changes or step.value is not None or style.unchanged_visits)
      for step in trace.steps[before + 1 : after]
  )


@hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(built_programs.programs(), _STYLES)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_built_programs_in_all_styles(source, style):
  budget = recorder.Budget(max_steps=100)
  try:
    trace = recorder.record(source, built_programs.CALL, budget=budget)
  except statements.SourceError:
    hypothesis.reject()
  assert_holds(source, trace, style)
  assert recorder.record(inline.annotate(source, trace, style), built_programs.CALL, budget=budget) == trace


@hypothesis.settings(max_examples=200, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(st.data(), _STYLES)
def test_traces_with_values_of_any_text(data, style):
  source = 'def f(x):\n    y = """\n#"""\n    for z in x: # (1) x=1\n        w = (y,\n          z)\n    return w\n'
  text = st.text() | st.lists(st.sampled_from(["; ", "(3) x=", "...", "# (2) ", "return ", "'", "a" * 9])).map("".join)
  steps = st.builds(
      schema.Step,
      line=st.sampled_from([1, 2, 4, 5, 7]),
      event=st.sampled_from(["return", "yield", "exception"]),
      changes=st.lists(st.tuples(st.sampled_from(["x", "y"]), text), max_size=2).map(tuple),
      value=st.none() | text,
  )
  steps = data.draw(st.lists(steps, max_size=12).map(tuple))
  assert_holds(source, schema.Trace(call="f(1)", steps=steps, outcome="returned", detail="1"), style)


def _call_of(test: str, names: list[str]) -> calls.TestCall | None:
  for name in names:
    try:
      return calls.test_call(test, name)
    except calls.CallError:
      continue
  return None


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # some programs have invalid escape sequences
def test_programs_of_mbpp_and_humanevalfix(shared_data):
  programs = []
  for row in map(json.loads, (shared_data / "mbpp.jsonl").read_text().splitlines()[::6]):
    names = [node.name for node in ast.parse(row["code"]).body if isinstance(node, ast.FunctionDef)]
    programs.append((row["code"], row["test_setup_code"], _call_of(row["test_list"][0], names[::-1])))
  for row in map(json.loads, (shared_data / "humanevalpack_python.jsonl").read_text().splitlines()[::3]):
    checks = "\n".join(map(ast.unparse, ast.parse(row["test"]).body[0].body))
    programs.append((row["prompt"] + row["buggy_solution"], "", _call_of(checks, [row["entry_point"]])))
  styles = [
      inline.InlineStyle(),
      inline.InlineStyle(unchanged_visits=True, comment_width=60, functions=scopes.CalledFunction()),
      inline.InlineStyle(first_visits=0, value_width=5, align=False),
  ]
  tried = 0
  for i, (source, setup, call) in enumerate(programs):
    if call is not None:
      trace = recorder.record(
          source, call.call, setup_code=f"{setup}\n{call.preceding}", budget=recorder.Budget(max_steps=2_000)
      )
      assert_holds(source, trace, styles[i % len(styles)])
      tried += 1
  assert tried > 200


class TestRead:

  def test_the_line_is_that_of_the_statement(self):
    source = 'def f(x):\n    y = """a\nb"""\n    z = x + \\\n        1\n    return (y,\n            z)\n'
    annotated = inline.annotate(source, recorder.record(source, "f(1)"))
    assert {line: comment.states[0].number for line, comment in readback.read(annotated).items()} == {
        1: 0, 2: 1, 4: 2, 6: 3
    }

  def test_a_source_without_annotation_says_nothing(self):
    assert readback.read("def f(x):  # (1) of course\n    # (0) x=1\n    return '# (0) x=1'\n") == {}

  def test_what_does_not_compile_is_an_error(self):
    for reader in (readback.read, readback.plain):
      with pytest.raises(statements.SourceError):
        reader("def f(:\n")


class TestAgreement:
  TRACE = recorder.record("def f(x):\n    y = x * 9\n    return y[0]\n", "f(['abc', 'def'])")

  @pytest.mark.parametrize("text", [
      "(0) x=['abc', 'def']", "(0) x=['abc'...]", "(0) x=...", "(0) ...", "(0) ...; (2) return 'abc'",
      "(2) return 'a...c'", "...; (0) x=['abc', 'def']",
  ])
  def test_what_the_renderer_may_write_agrees(self, text):
    assert readback.agrees(comments.parse(text), self.TRACE)

  @pytest.mark.parametrize("text", [
      "(0) x=['abc']", "(0) x=['abd'...]", "(0) y=['abc', 'def']", "(0) x=['abc', 'def']; y=1", "(0) -",
      "(2) yield 'abc'", "(2) return 'abd'", "(9) x=1", "(1) x=...", "(2) return 'abc...abc'",
  ])
  def test_what_it_never_writes_does_not(self, text):
    assert not readback.agrees(comments.parse(text), self.TRACE)
