"""What counted recordings look at, and that what they give is rendered as the full recording is."""

import ast
import builtins
import json

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.tracing.annotation import inline
from next_jax.tracing.recording import budgets
from next_jax.tracing.recording import counted
from next_jax.tracing.recording import recorder

_BUDGET = budgets.Budget(max_steps=1_000_000, max_seconds=30.0)
_SOON = counted.Ends(window=2, beginning=12)
_STYLES = [
    inline.InlineStyle(),
    inline.InlineStyle(unchanged_visits=True),
    inline.InlineStyle(comment_width=60, value_width=20),
    inline.InlineStyle(first_visits=1, last_visits=0),
]

_LOOP = """\
def f(n):
  total = 0
  for i in range(n):
    if i % 3:
      total += i
  return total
"""


def _skipped(trace: schema.Trace) -> int:
  return sum(step.changes == counted.SKIPPED for step in trace.steps)


def _agree(source: str, call: str, ends: counted.Ends = _SOON, setup_code: str = "") -> int:
  """Checks that both ways are rendered alike; returns how many steps were skipped."""
  full = recorder.record(source, call, budget=_BUDGET, setup_code=setup_code)
  trace = counted.record(source, call, budget=_BUDGET, ends=ends, setup_code=setup_code)
  assert (trace.outcome, trace.detail, len(trace.steps)) == (full.outcome, full.detail, len(full.steps))
  for step, true in zip(trace.steps, full.steps, strict=True):
    assert step == true or (step.changes == counted.SKIPPED and (step.line, step.event) == (true.line, true.event))
  for style in _STYLES:
    assert inline.annotate(source, trace, style) == inline.annotate(source, full, style)
  return _skipped(trace)


def test_of_a_long_loop_only_the_ends_are_looked_at():
  assert _agree(_LOOP, "f(300)") > 300


def test_every_step_that_is_no_end_is_skipped():
  trace = counted.record(_LOOP, "f(300)", budget=_BUDGET, ends=_SOON)
  looked_at = sum(bool(step.changes) or step.value is not None for step in trace.steps) - _skipped(trace)
  assert looked_at < _SOON.beginning + 3 * 2 * 4


def test_a_short_run_is_recorded_in_full():
  assert counted.record(_LOOP, "f(300)", budget=_BUDGET) == recorder.record(_LOOP, "f(300)", budget=_BUDGET)


def test_a_style_that_wants_more_visits_than_were_looked_at_is_refused():
  trace = counted.record(_LOOP, "f(300)", budget=_BUDGET, ends=_SOON)
  with pytest.raises(inline.MismatchError):
    inline.annotate(_LOOP, trace, inline.InlineStyle(first_visits=50, comment_width=10_000))


@pytest.mark.parametrize("visits", [(1, 1), (3, 2), (2, 4)])
def test_as_many_visits_are_known_as_are_asked_for(visits):
  first, last = visits
  ends = counted.Ends(first=first, last=last, window=6, beginning=9)
  trace = counted.record(_LOOP, "f(99)", budget=_BUDGET, ends=ends)
  style = inline.InlineStyle(first_visits=first, last_visits=last)
  assert _skipped(trace)
  full = recorder.record(_LOOP, "f(99)", budget=_BUDGET)
  assert inline.annotate(_LOOP, trace, style) == inline.annotate(_LOOP, full, style)


_COPIED = {
    "a second loop behind the first": """\
def f(n):
  a, b = 0, 1
  for i in range(n):
    a, b = b, (a + b) % 97
  out = []
  while a < n:
    out.append(a)
    a += 1
  return out, b
""",
    "calls in a loop": """\
def g(x, out):
  if x % 2:
    out.append(x)
    return x
  return None

def f(n):
  out = []
  for i in range(n):
    y = g(i, out)
    if y is None:
      continue
    if y > 60:
      break
  return out
""",
    "a function that ends with its loop": """\
def fill(out, n):
  for i in range(n):
    for j in range(i % 3):
      out.append((i, j))

def drain(out):
  while out:
    if len(out) % 5 == 0:
      out.pop()
    else:
      del_last = out.pop()

def f(n):
  out = []
  fill(out, n)
  drain(out)
  return out
""",
    "loops that go round nought times, and functions that end without a return": """\
def g(xs):
  '''Doc.'''
  for x in xs:
    if x > 1:
      break

def h(n):
  while n > 50:
    n -= 1
  if n % 2:
    n += 1
  elif n % 3:
    pass
  else:
    n = 0

def f(n):
  out = []
  for i in range(n):
    out.append(g([1, 2, 3][:i % 4]))
    out.append(h(i))
""",
    "a function called once a round, called by sorted and by a comprehension": """\
def key(x):
  r = x % 7
  return r

def f(n):
  best = []
  for i in range(n):
    best = sorted([i, i + 1, i + 2], key=key)
    total = sum(key(b) for b in best)
  return best, [key(b) for b in best]
""",
    "a value that is changed through two names": """\
def f(n):
  a = []
  b = a
  seen = {}
  for i in range(n):
    a.append(i)
    seen[i] = b
  return b
""",
    "statements on several lines": """\
def f(n):
  out = [
    0,  # one
  ]
  for i in [
    x for x in
    range(n)
  ]:
    if (i
        and i % 2):
      out[0] = sum([
        i,
        out[0],
      ])
    text = '''
    %d''' % i
  assert out, (
    text)
  return (
    out,
    text)
""",
}


@pytest.mark.parametrize("name", _COPIED)
@pytest.mark.parametrize("ends", [_SOON, counted.Ends(window=5, beginning=40), counted.Ends(window=10, beginning=3)])
def test_it_is_rendered_as_the_full_recording(name, ends):
  assert _agree(_COPIED[name], "f(70)", ends)


_RECORDED_IN_FULL = {
    "visits at the end that changed nothing": (
        "def f(n):\n  m = 0\n  for i in range(n):\n    m = min(i, 9)\n  return m\n"
    ),
    "a header that changes something": "def f(n):\n  s = [1] * n\n  while s.pop():\n    n += 1\n  return n\n",
    "an exception": "def f(n):\n  for i in range(n):\n    j = 1 / (n - i - 1)\n  return j\n",
    "an object": "class A:\n  x = 0\ndef f(n):\n  a = A()\n  for i in range(n):\n    a.x = i\n  return a.x\n",
    "a library's object": (
        "import collections\ndef f(n):\n  d = collections.defaultdict(int)\n  for i in range(n):\n    if d[i] == 0:\n"
        "      n += 1\n  return len(d)\n"
    ),
    "an iterator": "def f(n):\n  z = reversed(range(n))\n  for i in z:\n    n = i\n  return n\n",
    "a generator": "def g(n):\n  for i in range(n):\n    yield i\ndef f(n):\n  for i in g(n):\n    n = i\n  return n\n",
    "a caught exception": (
        "def f(n):\n  for i in range(n):\n    try:\n      n = 1 / i\n    except Exception:\n      n = 0\n"
    ),
    "recursion": "def f(n):\n  for i in range(n // 30):\n    n = f(i)\n  return n\n",
    "its own variables": "def f(n):\n  for i in range(n):\n    d = len(locals())\n  return d\n",
    "a lambda": "def f(n):\n  for i in range(n):\n    d = sorted([i, 0], key=lambda x: -x)\n  return d\n",
    "two statements on a line": "def f(n):\n  for i in range(n): n = i; m = n\n  return n\n",
    "numbers that differ from run to run": (
        "import random\ndef f(n):\n  for i in range(n):\n    x = random.random() < 2\n    y = i\n  return y\n"
    ),
    "a function of the program that hides a built-in one": (
        "def len(x):\n  x.append(1)\n  return 1\n"
        "def f(n):\n  x = []\n  while len(x) and n > 0:\n    n -= 1\n  return x\n"
    ),
}


@pytest.mark.parametrize("name", _RECORDED_IN_FULL)
def test_what_counting_cannot_tell_is_recorded_in_full(name):
  source = _RECORDED_IN_FULL[name]
  trace = counted.record(source, "f(70)", budget=_BUDGET, ends=_SOON)
  assert trace == recorder.record(source, "f(70)", budget=_BUDGET)


def test_a_setup_that_hides_a_built_in_function_is_recorded_in_full():
  setup = "def range(n):\n  return iter([1] * n)\n"
  assert not _agree(_LOOP, "f(70)", setup_code=setup)


def test_an_iterator_as_argument_is_recorded_in_full():
  assert not _agree("def f(xs):\n  for x in xs:\n    y = x\n  return y\n", "f(iter(range(70)))")


@pytest.mark.parametrize("name", _COPIED)
def test_what_one_step_more_would_have_ended_is_counted_only_if_the_budget_has_it(name):
  setup = "x = 1\n" * 50  # these steps are in the budget too
  least, most = 1, 10_000
  while least < most:  # the fewest with which the full recording comes to the end
    middle = (least + most) // 2
    trace = recorder.record(_COPIED[name], "f(30)", setup_code=setup, budget=budgets.Budget(max_steps=middle))
    least, most = (least, middle) if trace.outcome == "returned" else (middle + 1, most)
  for max_steps, outcome in [(least - 1, "truncated"), (least, "returned"), (least + 20, "returned")]:
    budget = budgets.Budget(max_steps=max_steps)
    trace = counted.record(_COPIED[name], "f(30)", setup_code=setup, budget=budget, ends=counted.Ends(beginning=60))
    assert trace.outcome == outcome


@pytest.mark.parametrize("source", [_LOOP, "def f(n):\n  while True:\n    n = -n\n"])
def test_a_run_that_spends_its_steps_ends_as_the_full_recording_does(source):
  budget = budgets.Budget(max_steps=1000)
  trace = counted.record(source, "f(600)", budget=budget, ends=_SOON)
  assert trace == recorder.record(source, "f(600)", budget=budget)
  assert trace.outcome == "truncated"


def test_an_endless_loop_ends_with_its_budget_of_time():
  budget = budgets.Budget(max_steps=10**9, max_seconds=0.05)
  source = "def f(n):\n  while True:\n    n = -n\n"
  trace = counted.record(source, "f(1)", budget=budget, ends=_SOON)
  assert (trace.outcome, trace.detail) == ("truncated", "time: more than 0.05 seconds")


def test_a_value_that_is_too_large_ends_the_trace():
  budget = budgets.Budget(max_steps=10**6, max_value_size=400)
  source = "def f(n):\n  x = 1\n  for i in range(n):\n    x *= 3\n  return 0\n"
  trace = counted.record(source, "f(300)", budget=budget, ends=_SOON)
  assert trace == recorder.record(source, "f(300)", budget=budget)
  assert trace.outcome == "truncated"


def test_a_program_that_reaches_outside_runs_once(tmp_path):
  path = tmp_path / "runs"
  source = f"def f(n):\n  open({str(path)!r}, 'a').write('x')\n  for i in range(n):\n    n = i\n  return n\n"
  assert len(counted.record(source, "f(70)", budget=_BUDGET, ends=_SOON).steps) > 70
  assert path.read_text() == "x"


def test_nothing_is_left_among_the_built_in_functions():
  before = set(vars(builtins))
  counted.record(_LOOP, "f(300)", budget=_BUDGET, ends=_SOON)
  assert set(vars(builtins)) == before


_NUMBERS = st.sampled_from(["i", "j", "n", "a", "b", "1", "2", "3", "len(xs)", "g(i)", "max(a, b)"])
_TESTS = st.sampled_from(["i % 2", "a > b", "len(xs) > 9", "not n", "i % 3 == 0 and a < 50", "xs"])
_SIMPLE = [  # most change something whenever they run, as only such lines are counted
    "a += {0} + 99", "b = a + b + 1", "a, b = b + 1, a + {0} % 5", "xs.append({0})", "xs.append(g({0}))", "b += 1",
    "pass", "a = b = a + b + 1", "ys = [x + a for x in xs[-3:]]", "xs[:1] = [a, {0}]", "n -= 1", "h(xs)",
    "d[len(d)] = {1}",
    "s = str(a), {0}, len(d)", "a = max({0},\n    a + 1)", "xs.sort()", "b = g(a)",
]


@st.composite
def _blocks(draw, depth: int = 0, is_in_loop: bool = False) -> list[str]:
  lines = []
  for _ in range(draw(st.integers(1, 3))):
    kind = draw(st.integers(0, 9))
    if kind <= 4 or depth == 3:
      lines.append(draw(st.sampled_from(_SIMPLE)).format(draw(_NUMBERS), draw(_NUMBERS)))
    elif kind == 5 and depth:
      jumps = ["return a", "return", "return g(a), xs", *(["break", "continue"] if is_in_loop else [])]
      lines.append(draw(st.sampled_from(jumps)))
    else:
      header = draw(st.sampled_from(["if", "if", "for i in range({}):", "for j, k in enumerate(xs[:{}]):", "while"]))
      inside = is_in_loop or header != "if"
      block = ["  " + line for line in draw(_blocks(depth + 1, inside))]
      if header == "if":
        lines += [f"if {draw(_TESTS)}:", *block]
        for word in draw(st.sampled_from([[], ["elif a % 2:"], ["else:"], ["elif b % 2:", "else:"]])):
          lines += [word, *("  " + line for line in draw(_blocks(depth + 1, is_in_loop)))]
      elif header == "while":
        count = f"w{draw(st.integers(0, 99))}"
        lines += [f"{count} = {draw(st.integers(0, 9))}", f"while {count} > 0:", f"  {count} -= 1", *block]
      else:
        lines += [header.format(draw(st.integers(0, 9))), *block]
  return lines


@st.composite
def _programs(draw) -> str:
  """Programs of the kind that can be copied: loops around loops, with calls, jumps and ends of all sorts."""
  g, f = draw(_blocks(2)), draw(_blocks())
  g = [line.replace("g(", "abs(").replace("h(xs)", "pass") for line in g]
  lines = ["def h(xs):", "  if len(xs) > 20:", "    xs.clear()", "def g(n):"]
  lines += ["  i = j = a = b = n", "  xs, d = [n], {}", *("  " + line for line in g)]
  lines += ["def f(n):", "  i = j = a = b = 1", "  xs, d = [3, 1, 2], {}", "  for i in range(n):"]
  return "\n".join([*lines, *("    " + line for line in f), ""])


@settings(max_examples=100, deadline=None)
@given(_programs(), st.sampled_from([3, 12, 30, 100]), st.sampled_from([1, 3, 14]))
def test_generated_programs_are_rendered_as_their_full_recordings(source, beginning, window):
  ast.parse(source)
  _agree(source, "f(12)", counted.Ends(window=window, beginning=beginning))


def test_real_programs_are_rendered_as_their_full_recordings(shared_data):
  copied = 0
  with open(shared_data / "mbpp.jsonl", encoding="utf-8") as file:
    for row in list(map(json.loads, file))[::8]:
      tests = [ast.parse(test).body[-1] for test in row["test_list"]]
      call = ", ".join(ast.unparse(test.test) for test in tests if isinstance(test, ast.Assert))
      copied += _agree(row["code"], f"({call},)", setup_code=row["test_setup_code"]) > 0
  assert copied >= 15
