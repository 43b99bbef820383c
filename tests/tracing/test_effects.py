"""What a line can change, and that looking only there misses nothing."""

import textwrap

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax.tracing.recording import effects
from next_jax.tracing.recording import recorder


@pytest.mark.parametrize("line, expected", [
    ("n = n + 1", (("n",), False)), ("n += 1", (("n",), True)), ("a = x[n:]; b = len(a)", (("a", "b"), False)),
    ("x[0] = 1", None), ("x.append(1)", None), ("x.attribute = 1", None), ("a = [i for i in x]", None), ("del n", None),
    ("a, b = n, n", (("a", "b"), False)), ("a = max(x) if n in x else sorted(x)", (("a",), False)),
    ("a = x.count(n)", (("a",), False)), ("a = x.pop()", None), ("a = unknown(x)", None), ("a = next(x)", None),
    ("a = any(x)", None), ("a = f'{n}!'", (("a",), False)), ("a = lambda: n", None), ("a = x and n", (("a",), False)),
    ("a = x.copy", (("a",), False)), ("b = {**x}", None), ("import os", None), ("a = locals()", None),
])
def test_what_a_line_can_change(line, expected):
  namespace = {"any": list.append}
  exec(f"def f(x, n, a=0, b=0):\n  {line}\n", namespace)
  found = effects.effects(namespace["f"].__code__, list(range(9)), namespace)
  assert found[2] == expected


def test_a_built_in_name_with_another_meaning_is_no_built_in_function():
  code = compile("def f(x):\n  a = len(x)\n", "<program>", "exec").co_consts[0]
  assert effects.effects(code, list(range(9)), {})[2] == (("a",), False)
  assert effects.effects(code, list(range(9)), {"len": list.pop})[2] is None


_NAMES = ["a", "b", "c", "xs", "ys", "d", "it", "o"]
_name = st.sampled_from(_NAMES)
_expression = st.one_of(
    st.sampled_from([
        "0", "1", "-3", "True", "None", "1.5", "'ab'", "[]", "[1, 2]", "{}", "{'k': [1]}", "(1, [2])", "{1, 2}",
        "O()", "iter([3, 4])", "map(xs.append, [7, 8])", "xs.pop", "g", "(lambda: xs)", "d.items()",
    ]),
    _name,
    st.builds("{} + {}".format, _name, _name), st.builds("{}[0]".format, _name), st.builds("len({})".format, _name),
    st.builds("{} in {}".format, _name, _name), st.builds("sorted({}, key={})".format, _name, _name),
    st.builds("list({})".format, _name), st.builds("g({})".format, _name), st.builds("{}()".format, _name),
    st.builds("[z for z in {}]".format, _name), st.builds("{} or {}".format, _name, _name),
    st.builds("{}.copy()".format, _name), st.builds("{}.get({})".format, _name, _name), st.builds("{}.x".format, _name),
)
_simple = st.one_of(
    st.builds("{} = {}".format, _name, _expression), st.builds("{} += {}".format, _name, _expression),
    st.builds("{}, {} = {}, {}".format, _name, _name, _expression, _expression),
    st.builds("{}[0] = {}".format, _name, _expression), st.builds("{}.append({})".format, _name, _expression),
    st.builds("{}.x = {}".format, _name, _expression), st.builds("del {}".format, _name), st.just("pass"),
    st.builds("{}".format, _expression), st.builds("if {}: {} = {}".format, _expression, _name, _expression),
    st.builds("return {}".format, _expression), st.just("break"), st.just("continue"), st.just("raise ValueError(xs)"),
    st.builds("yield {}".format, _expression),
)


def _indented(lines: list[str]) -> list[str]:
  return ["  " + line for line in "\n".join(lines).split("\n")]


_block = st.recursive(
    st.lists(_simple, min_size=1, max_size=4),
    lambda inner: st.lists(
        st.one_of(
            _simple,
            st.builds(lambda e, b: "\n".join([f"if {e}:", *_indented(b)]), _expression, inner),
            st.builds(lambda n, e, b: "\n".join([f"for {n} in {e}:", *_indented(b)]), _name, _expression, inner),
            st.builds(
                lambda b, h, c: "\n".join(["try:", *_indented(b), h, *_indented(c)]),
                inner, st.sampled_from(["except Exception as e:", "finally:"]), inner,
            ),
            st.builds(lambda e, b: "\n".join([f"while {e}:", *_indented(b)]), _expression, inner),
        ),
        min_size=1, max_size=3,
    ),
    max_leaves=8,
)


def _source(block: list[str]) -> str:
  header = """\
      class O:
        x = 1
        def __add__(self, other):
          self.y = [other]
          return self
        def __contains__(self, item):
          self.x += 1
          return True
      def g(v=None):
        if isinstance(v, list):
          v.append(len(v))
        return v
      def f():
        a, b, c, xs, d, o = 1, 2, 'c', [1, 2, 3], {'k': 1}, O()
        ys, it = xs, iter([1, 2])
        for round in range(60):
      """
  return textwrap.dedent(header) + "\n".join("  " + line for line in _indented(block)) + "\n"


programs = st.builds(_source, _block)
_BUDGET = recorder.Budget(max_steps=600, max_seconds=5)


def compiles(source: str) -> bool:
  try:
    compile(source, "<test>", "exec")
  except SyntaxError:
    return False
  return True


def records(source: str, **options):
  return recorder.record(source, "list(f() or ())", budget=_BUDGET, **options)


@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(programs.filter(compiles))
def test_a_trace_is_the_same_as_when_all_variables_are_looked_at_after_each_line(source):
  found = records(source)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(effects, "effects", lambda *_: {})
    assert found == records(source)


@pytest.mark.skipif(len(recorder.WATCHERS) < 2, reason="before Python 3.12 there is one way to watch a program only")
@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(programs.filter(compiles))
def test_every_watcher_gives_the_same_trace(source):
  first, second = (records(source, watcher=watcher) for watcher in recorder.WATCHERS)
  assert first == second
