import ast
import collections
import dis
import textwrap

import pytest

from next_jax.tracing import statements
from next_jax.tracing.recording import jumps
from next_jax.tracing.recording import recorder


def _code(source):
  """Of the function `f`."""
  return statements.analyse(source).codes[1]


def test_of_a_loop_on_one_line_and_not_of_one_over_two():
  code = _code("def f(a):\n  for i in a: a.pop()\n  for i in a:\n    a.append(i)\n")
  assert set(jumps.on_one_line(code).values()) == {2}


def test_code_without_loops():
  assert jumps.on_one_line(_code("def f(a):\n  return a\n")) == {}


@pytest.mark.parametrize("module", [ast, collections, dis, textwrap])
def test_they_are_those_that_dis_sees(module):
  with open(module.__file__, encoding="utf-8") as file:
    codes = statements.codes_in(compile(file.read(), module.__file__, "exec"))
  seen = 0
  for code in codes:
    lines = {at: line for start, end, line in code.co_lines() for at in range(start, end, 2)}
    expected = {
        one.offset: lines[one.offset]
        for one in dis.get_instructions(code)
        if one.opname == "JUMP_BACKWARD" and lines[one.offset] is not None and lines[one.offset] == lines[one.argval]
    }
    assert jumps.on_one_line(code) == expected
    seen += len(expected)
  assert seen


@pytest.mark.parametrize("watcher", recorder.WATCHERS, ids=lambda watcher: watcher.__name__)
def test_each_round_is_a_step_however_far_the_jump_goes(watcher):
  far = " + ".join(["x * x"] * 120)  # more than one byte can say
  trace = recorder.record(f"def f():\n  x = 0\n  while x < 3: x += 1; y = {far}\n", "f()", watcher=watcher)
  assert [dict(step.changes) for step in trace.steps[2:]] == [
      {"x": "1", "y": "120"}, {"x": "2", "y": "480"}, {"x": "3", "y": "1080"}
  ]
