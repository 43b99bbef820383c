"""Kinds of program that tracers get wrong: the trace is exact, and the program's result that of an untraced run."""

import ast
import contextlib
import hashlib
import io
import json
import sys
import textwrap
import warnings

import pytest

from next_jax.tracing.recording import calls
from next_jax.tracing.recording import monitoring
from next_jax.tracing.recording import recorder
from next_jax.tracing.recording import texts


@pytest.fixture(params=recorder.WATCHERS, ids=lambda watcher: watcher.__name__)
def watcher(request):
  return request.param


def untraced(source: str, call: str) -> str:
  namespace = {"__name__": recorder.MODULE_NAME}
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      exec(compile(source, "<untraced>", "exec"), namespace)
      return texts.write(eval(call, namespace), recorder.Budget().max_value_chars)
  except Exception as error:
    return texts.write_exception(error, recorder.Budget().max_value_chars)


# name: (program, states of f as (line, name, text), in order)
CASES = {
    "iterator state": ("""\
        def f():
            it = iter([1, 2])
            a = next(it)
            return a, list(it)
        """, [(2, "it", "<list_iterator>"), (3, "a", "1")]),
    "a consumed iterator changes what it is made of": ("""\
        def f():
            xs = [1, 2]
            it = map(xs.append, [3, 4])
            for i in range(100):
                n = i in it
            return xs
        """, [(5, "xs", "[1, 2, 3, 4]")]),
    "augmented assignment of an alias": ("""\
        def f():
            a = b = [0]
            for i in range(100):
                a += [i]
            return b
        """, [(4, "a", "[0, 0]"), (4, "b", "[0, 0]")]),
    "unbound, and bound again": ("""\
        def f():
            x = 1
            del x
            try:
                x
            except NameError as e:
                x = 2
            return x
        """, [(3, "x", "<deleted>"), (7, "x", "2")]),
    "globals": ("""\
        count = 0
        def f():
            global count
            for i in range(100):
                count += i
            return count
        """, [(4, "i", "99")]),
    "class attributes": ("""\
        class C:
            total = 0
        def f():
            c = C()
            C.total = 5
            c.total += 1
            return C.total, c.total
        """, [(4, "c", "C()"), (6, "c", "C(total=6)")]),
    "deque": ("""\
        import collections
        def f():
            q = collections.deque([1, 2])
            q.rotate()
            q.appendleft(0)
            return q
        """, [(4, "q", "deque([2, 1])"), (5, "q", "deque([0, 2, 1])")]),
    "mutation while iterating": ("""\
        def f():
            xs = [1, 2, 3, 4]
            for x in xs:
                xs.remove(x)
            return xs
        """, [(4, "xs", "[2, 3, 4]"), (4, "xs", "[2, 4]")]),
    "semicolons": ("""\
        def f():
            a = 1; b = [a]; b.append(2)
            return b
        """, [(2, "a", "1"), (2, "b", "[1, 2]")]),
    "with and finally": ("""\
        import contextlib
        @contextlib.contextmanager
        def opened(log):
            log.append("in")
            yield log
            log.append("out")
        def f():
            log = []
            with opened(log) as l:
                l.append(1)
            try:
                return log
            finally:
                log.append("end")
        """, [(10, "log", "['in', 1]"), (9, "log", "['in', 1, 'out']"), (14, "log", "['in', 1, 'out', 'end']")]),
    "deep nesting": ("""\
        def f():
            x = []
            for i in range(60):
                x = [x]
            y = x
            while y:
                z, y = y, y[0]
            z.append(1)
            return z
        """, [(8, "z", "[[], 1]")]),
    "lambdas on several lines": ("""\
        def f():
            g = (lambda a:
                 a +
                 1)
            return g(1)
        """, [(2, "g", "<function <lambda>>"), (2, "a", "1")]),
    "asynchronous generators": ("""\
        import asyncio
        async def gen():
            for i in range(2):
                await asyncio.sleep(0)
                yield i
        async def main():
            got = []
            async for v in gen():
                got.append(v)
            return got, [w async for w in gen()]
        def f():
            return asyncio.run(main())
        """, [(9, "got", "[0]"), (9, "got", "[0, 1]")]),
    "printing": ("""\
        import sys
        def f():
            n = print("a", file=sys.stderr) or sys.stdout.write("abc")
            return n
        """, [(3, "n", "3")]),
    "threads": ("""\
        import threading
        def work(log, n):
            for i in range(200):
                log.append(n)
        def f():
            log = []
            threads = [threading.Thread(target=work, args=(log, n)) for n in range(3)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            size = len(log)
            work([], 9)
            return size
        """, [(12, "size", "600"), (2, "n", "9")]),
    "generators that are thrown away": ("""\
        import gc, weakref
        class C:
            pass
        def gen(c):
            try:
                yield 1
            finally:
                c = None
        def f():
            c = C()
            r = weakref.ref(c)
            g = gen(c)
            next(g)
            del c, g
            return r() is None
        """, [(14, "g", "<deleted>")]),
    "an exception thrown into a generator": ("""\
        def gen():
            while True:
                try:
                    x = yield
                except ValueError as e:
                    x = str(e)
        def f():
            g = gen()
            next(g)
            g.throw(ValueError("v"))
            g.send(3)
            return 1
        """, [(6, "x", "'v'"), (4, "x", "3")]),
    "a generator that delegates": ("""\
        def inner():
            x = yield 1
            return [x]
        def gen():
            y = yield from inner()
            yield y
        def f():
            g = gen()
            return next(g), g.send(2)
        """, [(2, "x", "2"), (5, "y", "[2]")]),
    "its own frame": ("""\
        import sys
        def f():
            x = 1
            frame = sys._getframe()
            y = frame.f_locals["x"] + frame.f_lineno
            return y, frame.f_code.co_name, frame.f_back is not None
        """, [(3, "x", "1"), (5, "y", "6")]),
    "a recursion error that is caught": ("""\
        def down(n):
            return down(n + 1)
        def f():
            try:
                down(0)
            except RecursionError as e:
                x = 1
            return x
        """, [(7, "x", "1")]),
    "a repr that never ends": ("""\
        class C:
            def __repr__(self):
                while True:
                    pass
        def f():
            c = C()
            c.x = 1
            return c.x
        """, [(6, "c", "C()"), (7, "c", "C(x=1)")]),
    "type parameters of functions that change a list": ("""\
        import heapq, bisect, random
        def f():
            h = []
            for i in (3, 1, 2):
                heapq.heappush(h, i)
            bisect.insort(h, 0)
            random.Random(1).shuffle(h)
            return sorted(h)
        """, [(5, "h", "[3]"), (5, "h", "[1, 3]"), (5, "h", "[1, 3, 2]"), (6, "h", "[0, 1, 3, 2]")]),
}


@pytest.mark.parametrize("name", CASES)
def test_states_and_result(name, watcher):
  source, expected = CASES[name]
  source = textwrap.dedent(source)
  trace = recorder.record(source, "f()", watcher=watcher)
  assert (trace.outcome, trace.detail) == ("returned", untraced(source, "f()"))
  states = [(step.line, *change) for step in trace.steps for change in step.changes]
  position = -1
  for state in expected:
    assert state in states[position + 1 :]
    position = states.index(state, position + 1)


_LOCALS = "def f():\n    d = locals()\n    x = 1\n    y = 2\n    return sorted(d)\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 tracing itself writes into what locals() gave")
def test_the_dictionary_of_locals_stays_as_the_program_got_it():
  trace = recorder.record(_LOCALS, "f()")
  assert trace.detail == untraced(_LOCALS, "f()") == "[]"
  assert [step.changes for step in trace.steps[2:4]] == [(("x", "1"),), (("y", "2"),)]


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="sys.monitoring came with Python 3.12")
class TestBesideOtherTools:

  def test_a_number_that_another_tool_holds_is_left_alone(self):
    held = [tool for tool in range(6) if sys.monitoring.get_tool(tool) is None]
    for tool in held:
      sys.monitoring.use_tool_id(tool, "other")
    try:
      assert monitoring.free_tool() is None
      assert recorder.record(_LOCALS, "f()").steps  # by settrace
      with pytest.raises(RuntimeError, match="no tool number left"):
        recorder.record(_LOCALS, "f()", watcher=monitoring.Monitoring)
      sys.monitoring.free_tool_id(held[0])
      assert recorder.record(_LOCALS, "f()", watcher=monitoring.Monitoring).steps
      assert all(sys.monitoring.get_tool(tool) == "other" for tool in held[1:])
    finally:
      for tool in held[1:]:
        sys.monitoring.free_tool_id(tool)

  def test_no_events_are_left_behind(self):
    for call in ("f()", "f(1)", "1 / 0"):
      tool = monitoring.free_tool()
      recorder.record(_LOCALS, call, watcher=monitoring.Monitoring)
      assert monitoring.free_tool() == tool
      assert sys.monitoring.get_events(tool) == 0


def test_mbpp_has_the_same_traces_everywhere_and_the_same_results_as_untraced(shared_data, watcher):
  """The digest is the same on Python 3.11, 3.12 and 3.13, whoever watches; it changes only where a rule does."""
  digest, different = hashlib.sha256(), []
  with open(shared_data / "mbpp.jsonl", encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
  for row in rows[::4]:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # invalid escapes
      names = [node.name for node in ast.parse(row["code"]).body if isinstance(node, ast.FunctionDef)]
      call = next(filter(None, (_call(row["test_list"][0], name) for name in reversed(names))), None)
      if call is None:
        continue
      budget = recorder.Budget(max_steps=3_000, max_seconds=60)
      trace = recorder.record(row["code"], call, setup_code=row["test_setup_code"], budget=budget, watcher=watcher)
      digest.update(json.dumps(trace.to_json()).encode())
      if trace.outcome != "truncated":
        result = untraced(row["test_setup_code"] + "\n" + row["code"], call)
        if trace.detail != result:
          different.append(row["task_id"])
  assert different == []
  assert digest.hexdigest() == "f88153d7f2c44e92783cd974ba8950b691c8fbf30fa3ce91ddb23e20d6c37c3b"


def _call(test: str, name: str) -> str | None:
  try:
    return calls.traced_call(test, name)
  except calls.CallError:
    return None
