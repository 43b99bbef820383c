"""What a trace holds, for the kinds of program that functions of MBPP's size are."""

import gc
import sys
import textwrap

import pytest

from next_jax import schema
from next_jax.tracing.recording import recorder
from next_jax.tracing.recording import settrace
from next_jax.tracing.recording import texts
from next_jax.tracing.recording import values

WATCHER: list = [None]  # the one that `record` uses


@pytest.fixture(autouse=True, params=recorder.WATCHERS, ids=lambda watcher: watcher.__name__)
def watcher(request):
  """Every test runs with each way to watch a program that this Python has."""
  WATCHER[0] = request.param
  yield request.param
  WATCHER[0] = None


def record(source: str, call: str, **options) -> schema.Trace:
  return recorder.record(textwrap.dedent(source), call, watcher=WATCHER[0], **options)


def untraced(source: str, call: str) -> str:
  """The text of what the call returns when nobody watches."""
  namespace = {"__name__": recorder.MODULE_NAME}
  exec(source, namespace)
  return texts.write(eval(call, namespace), recorder.Budget().max_value_chars)


def written(trace: schema.Trace, line: int) -> list[str]:
  """The states of a line that are worth writing, as `name=value`, `return value` and so on."""
  states = []
  for step in trace.steps:
    if step.line == line and (step.changes or step.value is not None):
      parts = [f"{name}={value}" for name, value in step.changes]
      if step.value is not None:
        parts.append(f"{step.event} {step.value}")
      states.append("; ".join(parts))
  return states


SEPARATE = """\
def separate(lst):
    even, odd = [], []
    for n in lst:
        if n % 2:
            even.append(n)
    return even, odd
"""


class TestNumbering:

  def test_the_example_of_the_method_has_its_numbers(self):
    trace = record(SEPARATE, "separate([1, 2, 3, 4])")
    numbered = {number: (step.line, step.changes, step.value) for number, step in enumerate(trace.steps)}
    assert numbered == {
        0: (1, (("lst", "[1, 2, 3, 4]"),), None),
        1: (2, (("even", "[]"), ("odd", "[]")), None),
        2: (3, (("n", "1"),), None),
        3: (5, (("even", "[1]"),), None),
        4: (3, (("n", "2"),), None),
        5: (4, (), None),  # the condition does not hold: nothing inside stands for the statement
        6: (3, (("n", "3"),), None),
        7: (5, (("even", "[1, 3]"),), None),
        8: (3, (("n", "4"),), None),
        9: (4, (), None),
        10: (6, (), "([1, 3], [])"),
    }
    assert (trace.outcome, trace.detail) == ("returned", "([1, 3], [])")

  def test_a_branch_is_represented_by_what_runs_inside(self):
    trace = record("""\
        def f(x):
            if x > 2:
                y = 1
            elif x > 1:
                y = 2
            else:
                y = 3
            return y
        """, "f(0)")
    assert [step.line for step in trace.steps] == [1, 7, 8]

  def test_a_loop_is_represented_by_its_rounds_and_otherwise_by_its_header(self):
    source = """\
        def f(n):
            while n > 0:
                n -= 1
            return n
        """
    assert [step.line for step in record(source, "f(2)").steps] == [1, 3, 3, 4]
    assert [step.line for step in record(source, "f(0)").steps] == [1, 2, 4]

  def test_each_value_of_a_for_loop_is_a_step_even_when_it_is_the_same_again(self):
    trace = record("""\
        def f(items):
            for item in items:
                pass
        """, "f([7, 7])")
    assert [step.line for step in trace.steps[:5]] == [1, 2, 3, 2, 3]
    assert written(trace, 2) == ["item=7"]

  def test_a_called_function_comes_before_what_its_line_assigns(self):
    trace = record("""\
        def double(x):
            return 2 * x
        def f(n):
            m = double(n)
            return m
        """, "f(4)")
    assert [(step.line, step.event) for step in trace.steps] == [
        (3, "call"), (1, "call"), (2, "return"), (4, "line"), (5, "return")
    ]


class TestStates:

  def test_mutation_in_place_of_nested_and_aliased_values_is_seen(self):
    trace = record("""\
        def f():
            grid = [[0] * 2 for _ in range(2)]
            row = grid[1]
            row[0] = 5
            return grid
        """, "f()")
    assert written(trace, 4) == ["grid=[[0, 0], [5, 0]]; row=[5, 0]"]

  def test_a_change_of_type_only_is_seen(self):
    trace = record("""\
        def f(x, items):
            x = True
            items[0] = 1.0
            x = -0.0
            x = 0.0
        """, "f(1, [1])")
    assert [written(trace, line) for line in (2, 3, 4, 5)] == [["x=True"], ["items=[1.0]"], ["x=-0.0"], ["x=0.0"]]

  def test_the_same_value_again_is_no_change(self):
    trace = record("""\
        def f():
            x = float("nan")
            x = float("nan")
            y = [x, 10**30]
            y = [float("nan"), 10**30]
        """, "f()")
    assert [written(trace, line) for line in (2, 3, 4, 5)] == [["x=nan"], [], [f"y=[nan, {10**30}]"], []]

  @pytest.mark.parametrize("value, change", [
      ("list(range(10_000))", "x[5_000] = -1"),
      ("'a' * 10_000", "x = x[:5_000] + 'b' + x[5_001:]"),
      ("{i: [i] for i in range(1_000)}", "x[500].append(0)"),
      ("Node([Node(list(range(1_000)))])", "x.value[0].value[500] = -1"),
  ])
  def test_a_change_in_the_middle_of_a_long_value_is_seen(self, value, change):
    trace = record(f"""\
        class Node:
            def __init__(self, value):
                self.value = value
        def f(x):
            {change}
            return None
        """, f"f({value})")
    (state,) = written(trace, 5)
    assert state.startswith("x=") and len(state) < 250

  def test_mutation_on_the_last_line_is_shown(self):
    trace = record("""\
        def f(x):
            x.append(1)
        """, "f([])")
    assert written(trace, 2) == ["x=[1]"]
    assert trace.detail == "None"

  def test_mutation_by_the_returned_expression_is_shown_with_it(self):
    trace = record("def f(x):\n    return x.pop()\n", "f([1, 2])")
    assert written(trace, 2) == ["x=[1]; return 2"]

  def test_deleted_names_are_shown_and_can_come_back(self):
    trace = record("""\
        def f(x, y):
            del x
            x = 1
            return x
        """, "f(1, 2)")
    assert [written(trace, line) for line in (2, 3, 4)] == [["x=<deleted>"], ["x=1"], ["return 1"]]

  def test_attributes_of_instances_dictionary_and_slots(self):
    trace = record("""\
        class Plain:
            def __init__(self, a):
                self.a = a
        class Slots:
            __slots__ = ("b", "c")
            def __init__(self, b):
                self.b = b
        def f():
            p = Plain([1])
            s = Slots(p)
            p.a.append(2)
            s.c = 3
        """, "f()")
    assert written(trace, 9) == ["p=Plain(a=[1])"]
    assert written(trace, 10) == ["s=Slots(b=Plain(a=[1]))"]
    assert written(trace, 11) == ["p=Plain(a=[1, 2]); s=Slots(b=Plain(a=[1, 2]))"]
    assert written(trace, 12) == ["s=Slots(b=Plain(a=[1, 2]), c=3)"]

  def test_names_bound_by_def_class_and_import_are_not_states(self):
    trace = record("""\
        def f():
            import math
            def g():
                return 1
            class C:
                pass
            return g()
        """, "f()")
    assert [written(trace, line) for line in (2, 3, 5)] == [[], [], []]

  def test_globals_are_not_locals(self):
    trace = record("""\
        total = 0
        def f(x):
            global total
            total += x
            return total
        """, "f(2)")
    assert written(trace, 4) == []
    assert written(trace, 5) == ["return 2"]

  def test_a_statement_on_several_lines_is_one_visit_of_its_first_line(self):
    trace = record("""\
        def f(items):
            while True:
                x = [
                    item
                    for item in items
                    if item
                ]
                if sum(
                    x
                ) > 3:
                    return max(
                        x,
                        key=abs,
                    )
                items = [9]
        """, "f([1, 2])")
    assert written(trace, 3) == ["x=[1, 2]", "x=[9]"]
    assert written(trace, 11) == ["return 9"]
    assert {step.line for step in trace.steps} <= {1, 3, 8, 11, 15}


class TestControlFlow:

  def test_recursion_keeps_a_state_for_each_frame(self):
    trace = record("""\
        def fact(n):
            if n <= 1:
                return 1
            rest = fact(n - 1)
            return n * rest
        """, "fact(3)")
    assert written(trace, 1) == ["n=3", "n=2", "n=1"]
    assert written(trace, 4) == ["rest=1", "rest=2"]
    assert written(trace, 5) == ["return 2", "return 6"]

  def test_recursion_with_equal_values_shows_every_call(self):
    trace = record("""\
        def f(n, log):
            log.append(n)
            if len(log) < 3:
                f(n, log)
        """, "f(1, [])")
    assert written(trace, 1) == ["n=1; log=[]", "n=1; log=[1]", "n=1; log=[1, 1]"]
    assert written(trace, 2) == ["log=[1]", "log=[1, 1]", "log=[1, 1, 1]"]

  def test_generators_yield_and_keep_their_state(self):
    trace = record("""\
        def count(n):
            i = 0
            while i < n:
                yield i
                i += 1
        def f():
            a, b = count(2), count(1)
            x = next(a) + next(b)
            x += next(a)
            return [x, list(a), list(b)]
        """, "f()")
    assert written(trace, 1) == ["n=2", "n=1"]
    assert written(trace, 4) == ["yield 0", "yield 0", "yield 1"]
    assert written(trace, 5) == ["i=1", "i=2", "i=1"]
    assert written(trace, 10) == ["return [1, [], []]"]

  def test_a_closed_generator_raised_nothing(self):
    trace = record("""\
        def g():
            try:
                yield 1
            finally:
                x = 1
        def f():
            it = g()
            next(it)
            it.close()
            return 1
        """, "f()")
    assert not [step for step in trace.steps if step.event == "exception"]
    assert written(trace, 5) == ["x=1"]

  def test_sent_values_arrive_on_the_line_of_the_yield(self):
    trace = record("""\
        def g():
            got = yield 1
            yield got
        def f():
            it = g()
            next(it)
            return it.send([5])
        """, "f()")
    assert written(trace, 2) == ["yield 1", "got=[5]"]
    assert written(trace, 3) == ["yield [5]"]

  def test_comprehensions_are_part_of_their_line_and_lambdas_are_functions(self):
    trace = record("""\
        def f(items):
            squares = [i * i for i in items if i]
            names = {str(i): sum(j for j in range(i)) for i in items}
            items.sort(key=lambda i: -i)
            return squares, names
        """, "f([1, 2])")
    assert written(trace, 2) == ["squares=[1, 4]"]
    assert written(trace, 3) == ["names={'1': 0, '2': 1}"]
    assert written(trace, 4) == ["i=1", "return -1", "i=2", "return -2", "items=[2, 1]"]

  def test_nested_functions_and_what_they_change_outside(self):
    trace = record("""\
        def f():
            count = 0
            def bump(by):
                nonlocal count
                count += by
                return count
            bump(2)
            return count
        """, "f()")
    assert written(trace, 3) == ["by=2"]
    assert written(trace, 5) == ["count=2"]
    assert written(trace, 7) == ["count=2"]

  def test_methods_and_properties(self):
    trace = record("""\
        class Account:
            def __init__(self, start):
                self._sum = start
            @property
            def sum(self):
                return self._sum
            def add(self, x):
                self._sum += x
                return self
        def f():
            a = Account(1)
            a.add(2)
            return a.sum
        """, "f()")
    assert written(trace, 2) == ["self=Account(); start=1"]
    assert written(trace, 3) == ["self=Account(_sum=1)"]
    assert written(trace, 5) == ["self=Account(_sum=3)"]
    assert written(trace, 12) == ["a=Account(_sum=3)"]

  def test_decorated_functions_have_their_call_on_the_def_line(self):
    trace = record("""\
        import functools
        def twice(f):
            @functools.wraps(f)
            def wrapper(*args, **kwargs):
                return f(*args, **kwargs) * 2
            return wrapper
        @twice
        @functools.lru_cache(
            maxsize=None
        )
        def f(x, *, y=1):
            return x + y
        """, "f(1, y=2)")
    assert written(trace, 4) == ["args=(1,); kwargs={'y': 2}"]
    assert written(trace, 11) == ["x=1; y=2"]
    assert trace.detail == "6"

  def test_coroutines_are_followed(self):
    trace = record("""\
        import asyncio
        async def g(x):
            await asyncio.sleep(0)
            return x + 1
        async def f():
            y = await g(1)
            return y
        """, "asyncio.run(f())")
    assert written(trace, 4) == ["return 2"]
    assert written(trace, 6) == ["y=2"]

  def test_match_and_walrus(self):
    trace = record("""\
        def f(x):
            match x:
                case [a]:
                    y = a
                case {"k": k}:
                    y = k
            if (n := y) > 1:
                return n
        """, "f({'k': 2})")
    assert written(trace, 5) == ["k=2"]
    assert written(trace, 6) == ["y=2"]
    assert written(trace, 7) == ["n=2"]


class TestExceptions:

  def test_an_uncaught_exception_stands_on_its_line(self):
    trace = record("""\
        def f(x):
            y = x[0]
            return y[5]
        """, "f([[1]])")
    assert written(trace, 3) == ["exception IndexError: list index out of range"]
    assert (trace.outcome, trace.detail) == ("raised", "IndexError: list index out of range")

  def test_it_is_written_once_where_it_started(self):
    trace = record("""\
        def inner(x):
            raise ValueError("no", x)
        def f(x):
            x.append(1)
            inner(x)
        """, "f([])")
    assert written(trace, 2) == ["exception ValueError: ('no', [1])"]
    assert written(trace, 5) == []

  def test_a_caught_exception_and_what_follows(self):
    trace = record("""\
        def f(s):
            try:
                n = int(s)
            except (KeyError, ValueError) as e:
                n = -1
            finally:
                m = 0
            return n
        """, "f('x')")
    assert written(trace, 3) == ["exception ValueError: invalid literal for int() with base 10: 'x'"]
    assert written(trace, 4) == ["e=" + '''ValueError("invalid literal for int() with base 10: 'x'")''']
    assert written(trace, 5) == ["n=-1"]
    assert written(trace, 7) == ["m=0"]
    assert written(trace, 8) == ["return -1"]

  def test_the_end_of_an_iterator_is_no_exception(self):
    trace = record("""\
        class Count:
            def __iter__(self):
                return iter([1])
        def f():
            for x in Count():
                y = x
            for x in map(abs, [1]):
                y = x
        """, "f()")
    assert not [step for step in trace.steps if step.event == "exception"]
    assert trace.outcome == "returned"

  def test_return_in_finally_swallows_the_exception(self):
    trace = record("""\
        def f():
            try:
                raise KeyError("k")
            finally:
                return 1
        """, "f()")
    assert written(trace, 3) == ["exception KeyError: 'k'"]
    assert written(trace, 5) == ["return 1"]

  def test_with_and_suppressed_exceptions(self):
    trace = record("""\
        import contextlib
        def f():
            with contextlib.suppress(ZeroDivisionError):
                x = 1
                x = 1 // 0
            return x
        """, "f()")
    assert written(trace, 5) == ["exception ZeroDivisionError: integer division or modulo by zero"]
    assert written(trace, 6) == ["return 1"]

  def test_exceptions_of_the_program_with_methods_of_their_own(self):
    trace = record("""\
        class Odd(Exception):
            def __init__(self, x):
                self.x = x
            def __str__(self):
                raise SystemExit
        def f():
            raise Odd(3)
        """, "f()")
    assert (trace.outcome, trace.detail) == ("raised", "Odd: 3")

  @pytest.mark.parametrize("statement, detail", [
      ("raise SystemExit(3)", "SystemExit: 3"),
      ("raise KeyboardInterrupt", "KeyboardInterrupt"),
      ("raise GeneratorExit('x')", "GeneratorExit: x"),
      ("raise ValueError('two\\nlines')", "ValueError: two\\nlines"),
      ("assert 1 == 2, [3]", "AssertionError: [3]"),
      ("undefined", "NameError: name 'undefined' is not defined"),
  ])
  def test_what_a_program_raises_is_its_outcome(self, statement, detail):
    trace = record(f"def f():\n    {statement}\n", "f()")
    assert (trace.outcome, trace.detail) == ("raised", detail)

  def test_a_module_that_fails_has_no_steps(self):
    trace = record("x = 1 / 0\ndef f(): pass\n", "f()")
    assert (trace.outcome, trace.detail, trace.steps) == ("raised", "ZeroDivisionError: division by zero", ())

  def test_an_undefined_entry_point_is_an_outcome(self):
    assert record("def g(): pass\n", "f()").detail == "NameError: name 'f' is not defined"


class TestBudgets:

  def test_an_endless_loop_ends_with_a_partial_trace(self):
    trace = record("""\
        def f():
            n = 0
            while True:
                n += 1
        """, "f()", budget=recorder.Budget(max_steps=100))
    assert (trace.outcome, trace.detail) == ("truncated", "steps: more than 100")
    assert written(trace, 4)[:2] == ["n=1", "n=2"]

  @pytest.mark.parametrize("loop", [
      "while 1: pass", "while True: continue", "while True: ...", "while 1: n += 1", "while n == 0: pass",
      "while True: (lambda: 1)()", "for n in iter(int, 1): pass", "[0 for _ in iter(int, 1)]",
      "list(0 for _ in iter(int, 1))", "any(map(lambda x: x, iter(int, 1)))", "while 1:\n    while 1: pass",
      "while 1:\n    pass", "while 1:\n    continue", "while 1:\n    if n: break",
  ])
  def test_every_form_of_an_endless_loop_ends(self, loop):
    loop = loop.replace("\n", "\n    ")
    trace = record(f"def f():\n    n = 0\n    {loop}\n", "f()", budget=recorder.Budget(max_seconds=0.2))
    assert trace.outcome == "truncated"

  def test_an_endless_loop_of_a_module_ends(self):
    trace = record("while True:\n    pass\n", "1", budget=recorder.Budget(max_steps=100))
    assert trace.outcome == "truncated"

  def test_time_ends_a_trace(self):
    trace = record("""\
        def f():
            while True:
                pass
        """, "f()", budget=recorder.Budget(max_steps=10**9, max_seconds=0.05))
    assert (trace.outcome, trace.detail) == ("truncated", "time: more than 0.05 seconds")

  def test_waiting_ends_a_trace_too(self):
    trace = record("""\
        import time
        def f():
            while True:
                time.sleep(0.001)
        """, "f()", budget=recorder.Budget(max_wall_seconds=0.2))
    assert (trace.outcome, trace.detail) == ("truncated", "time: more than 0.2 seconds of waiting")

  @pytest.mark.parametrize("grow", ["x *= x", "x = str(x) * 2", "x = [str(x)] * 2", "x = list(str(x)) * 2"])
  def test_growing_values_end_a_trace(self, grow):
    trace = record(f"""\
        def f(x):
            while True:
                {grow}
        """, "f(7)")
    assert trace.outcome == "truncated"
    assert trace.detail.startswith("value size: 'x' has more than")

  @pytest.mark.parametrize("body", ["x = [x, x]", "x = {'a': x, 'b': x}", "x = C(x, x)", "y = x[:]; x[0] = x[1] = y"])
  def test_shared_and_self_referring_values_cost_no_exponential_time(self, body):
    trace = record(f"""\
        class C:
            def __init__(self, *parts):
                self.parts = parts
        def f(x):
            for i in range(60):
                {body}
            return 1
        """, "f([0, 0])", budget=recorder.Budget(max_seconds=2.0))
    assert trace.outcome == "returned"

  @pytest.mark.parametrize("body", [
      """
            while True:
                try:
                    n += 1
                except BaseException:
                    pass
      """,
      """
            while True:
                try:
                    while True:
                        n += len(str(n))
                except BaseException:
                    continue
      """,
      """
            while True:
                try:
                    n += 1
                finally:
                    continue
      """,
  ])
  def test_the_program_cannot_swallow_the_end(self, body):
    trace = record(f"def f():\n            n = 0{body}", "f()", budget=recorder.Budget(max_steps=200))
    assert (trace.outcome, trace.detail) == ("truncated", "steps: more than 200")

  def test_nothing_is_thrown_after_the_end(self):
    source = "def f():\n  while True:\n    try:\n      pass\n    except BaseException:\n      pass\n"
    for _ in range(20):
      record(source, "f()", budget=recorder.Budget(max_steps=50))
      assert sum(range(1_000)) == 499_500

  def test_legal_recursion_is_legal_with_tracing(self):
    source = "def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\n"
    depth = sys.getrecursionlimit() - recorder._stack_depth() - 10
    trace = record(source, f"f({depth})")
    assert (trace.outcome, trace.detail) == ("returned", str(depth))

  def test_endless_recursion_is_a_recursion_error(self):
    trace = record("""\
        def f(n):
            m = n + 1
            return f(m)
        """, "f(0)")
    assert (trace.outcome, trace.detail) == ("raised", "RecursionError: maximum recursion depth exceeded")
    assert written(trace, 3) == ["exception RecursionError: maximum recursion depth exceeded"]

  def test_a_caught_recursion_error_does_not_let_the_program_run_on(self):
    trace = record("""\
        def f(n):
            try:
                return f(n + 1)
            except RecursionError:
                while True:
                    pass
        """, "f(0)", budget=recorder.Budget(max_seconds=0.3))
    assert trace.outcome == "truncated"

  def test_the_text_of_a_value_is_bounded(self):
    trace = record("def f(x):\n    return x\n", "f('a' * 10_000)", budget=recorder.Budget(max_value_chars=50))
    assert len(trace.steps[0].changes[0][1]) <= 50
    assert len(trace.detail) <= 50


class TestTheProgramIsNotDisturbed:

  def test_no_method_of_the_program_is_called(self):
    trace = record("""\
        calls = []
        class Trap:
            def __init__(self):
                self.x = 1
            def __repr__(self):
                calls.append("repr")
                raise SystemExit
            __str__ = __format__ = __repr__
            def __eq__(self, other):
                calls.append("eq")
                return True
            def __hash__(self):
                calls.append("hash")
                return 1
            def __bool__(self):
                calls.append("bool")
                return False
            def __len__(self):
                calls.append("len")
                return 10**9
            def __iter__(self):
                calls.append("iter")
                return self
            def __getattribute__(self, name):
                calls.append(name)
                return object.__getattribute__(self, name)
            def __reduce__(self):
                calls.append("reduce")
            @property
            def __class__(self):
                calls.append("class")
                return int
        class Items(list):
            def __iter__(self):
                calls.append("items")
                return iter(())
            def __len__(self):
                calls.append("len")
                return 0
        class Map(dict):
            def items(self):
                calls.append("map")
            keys = values = __iter__ = items
        def f():
            trap = Trap()
            items = Items([trap, 2])
            mapping = Map(a=items)
            object.__setattr__(trap, "x", 2)
            return calls
        """, "f()")
    assert trace.detail == "[]"
    (last,) = (step.changes for step in trace.steps[-2:-1])
    assert dict(last) == {
        "trap": "Trap(x=2)", "items": "Items([Trap(x=2), 2])", "mapping": "Map({'a': Items([Trap(x=2), 2])})"
    }

  def test_objects_live_no_longer_than_without_tracing(self):
    trace = record("""\
        import weakref
        class C:
            pass
        def f():
            c = C()
            r = weakref.ref(c)
            c = None
            return r() is None
        """, "f()")
    assert trace.detail == "True"

  def test_a_wrong_use_of_the_output_is_the_programs_own_error(self):
    trace = record("import sys\ndef f():\n    sys.stdout.write(5)\n", "f()")
    assert trace.detail.startswith("TypeError")

  def test_a_fault_of_ours_is_not_taken_for_the_programs(self, monkeypatch):
    monkeypatch.setattr(values, "fingerprint", None)
    with pytest.raises(TypeError, match="not callable"):
      record(SEPARATE, "separate([1])")

  def test_output_and_input_are_cut_off(self, capsys):
    trace = record("""\
        def f():
            print("out")
            try:
                input()
            except EOFError:
                return 1
        """, "f()")
    assert trace.detail == "1"
    assert capsys.readouterr() == ("", "")

  def test_everything_is_put_back(self):
    def other_trace(frame, event, arg):
      return None

    before = sys.stdout, sys.stderr, sys.stdin, sys.getrecursionlimit(), gc.isenabled()
    old = sys.gettrace()
    sys.settrace(other_trace)
    try:
      for source in ("def f(): return 1\n", "def f(): raise SystemExit\n", "def f():\n    while 1: pass\n", "1 / 0\n"):
        record(source, "f()", budget=recorder.Budget(max_steps=20))
        assert sys.gettrace() is other_trace
    finally:
      sys.settrace(old)
    assert (sys.stdout, sys.stderr, sys.stdin, sys.getrecursionlimit(), gc.isenabled()) == before

  def test_a_program_that_traces_itself_is_traced_all_the_same(self):
    source = textwrap.dedent("""\
        import sys
        def g(n):
            m = n
            return m
        def f():
            events = []
            def local(frame, event, arg):
                events.append((event, frame.f_lineno))
                if event == "return":
                    return None
                return local
            old = sys.gettrace()
            sys.settrace(local)
            is_set = sys.gettrace() is local
            g(1)
            sys.settrace(None)
            g(2)
            return old, is_set, events
        """)
    trace = record(source, "f()")
    assert trace.outcome == "returned"
    assert trace.detail == untraced(source, "f()")
    assert written(trace, 3) == ["m=1", "m=2"]

  def test_a_trace_function_of_the_program_that_raises(self):
    source = textwrap.dedent("""\
        import sys
        def g():
            return 1
        def f():
            def fail(frame, event, arg):
                raise KeyError(event)
            sys.settrace(fail)
            try:
                g()
            except KeyError as e:
                return e.args, sys.gettrace()
        """)
    trace = record(source, "f()")
    assert (trace.outcome, trace.detail) == ("returned", untraced(source, "f()"))

  def test_a_program_that_ends_the_trace_is_reported(self, watcher):
    if watcher is settrace.Settrace:
      end = "ctypes.pythonapi.PyEval_SetTrace(None, ctypes.py_object(None))"
    else:
      end = "[sys.monitoring.free_tool_id(tool) for tool in range(6) if sys.monitoring.get_tool(tool)]"
    trace = record(f"""\
        import ctypes, sys
        def f():
            {end}
            return 1
        """, "f()")
    assert (trace.outcome, trace.detail) == ("truncated", "the program ended the trace")
    assert record(SEPARATE, "separate([1])").outcome == "returned"

  def test_the_same_trace_again(self):
    source = """\
        def f():
            words = {"a", "bb", "ccc", "d"}
            g = (w for w in words)
            return words, g, print, len, f, f.__code__, iter([1]), object(), type
        """
    first = record(source, "f()")
    assert first == record(source, "f()")
    assert "0x" not in str(first)


class TestSetupAndErrors:

  def test_the_program_is_a_module_and_not_the_main_one(self):
    before = dict(sys.modules)
    trace = record("""\
        import dataclasses
        @dataclasses.dataclass
        class Point:
            x: "int"
            y: "dataclasses.InitVar[int]" = 2
        def f():
            p = Point(1)
            return p.x
        if __name__ == "__main__":
            raise SystemExit
        """, "f()")
    assert written(trace, 7) == ["p=Point(x=1)"]
    assert {name for name in sys.modules if name not in before} == set()

  def test_setup_code_is_there_but_not_traced(self):
    setup_code = "def helper(x):\n    y = x + 1\n    return y\n"
    trace = record("def f(x):\n    return helper(x)\n", "f(3)", setup_code=setup_code)
    assert [(step.line, step.event) for step in trace.steps] == [(1, "call"), (2, "return")]
    assert trace.detail == "4"

  def test_an_endless_loop_of_the_setup_code_ends(self):
    setup_code = "def helper():\n    while True:\n        pass\n"
    trace = record("def f():\n    return helper()\n", "f()", setup_code=setup_code)
    assert trace.outcome == "truncated"

  @pytest.mark.parametrize("source, call, setup_code, message", [
      ("def f(:\n", "f()", "", "line 1: the source does not compile"),
      ("x = 1\n  y = 2\n", "f()", "", "line 2: the source does not compile: unexpected indent"),
      ("a = 1\0", "f()", "", "null bytes"),
      ("return 1", "f()", "", "line 1: the source does not compile: 'return' outside function"),
      ("(" * 1000 + ")" * 1000, "f()", "", "does not compile"),
      ("def f(): pass\n", "f(", "", "is not a Python expression"),
      ("def f(): pass\n", "x = f()", "", "is not a Python expression"),
      ("def f(): pass\n", "", "", "is not a Python expression"),
      ("def f(): pass\n", "f()", "import (", "the setup code does not compile"),
  ])
  def test_what_does_not_compile_is_an_error_that_says_so(self, source, call, setup_code, message):
    with pytest.raises(recorder.TraceError, match=None) as caught:
      record(source, call, setup_code=setup_code)
    assert message in str(caught.value)

  def test_a_trace_survives_json(self):
    trace = record(SEPARATE, "separate([1, 2])")
    assert schema.Trace.from_json(trace.to_json()) == trace


def test_what_python_says_of_the_style_of_a_call_or_of_setup_code_is_not_for_our_standard_error(recwarn):
  trace = recorder.record("def f(s):\n  return s\n", "f('\\w')", setup_code="pattern = '\\d'\n")
  assert trace.detail == repr("\\w")
  assert not recwarn.list
