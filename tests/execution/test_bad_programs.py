"""Any program with any tests gets a verdict, or an error that says what is wrong with them."""

import json

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib


@pytest.fixture(scope="module")
def executor():
  limits = limits_lib.Limits(cpu_seconds=0.5, wall_slack=1.0, judge_cpu_seconds=1.0)
  with executor_lib.Executor(num_workers=1, limits=limits) as executor:
    yield executor


def verify(executor, code="def f(x): return x", tests=("assert f(1) == 1",), entry_point="f", setup_code=""):
  program = program_lib.Program(
      task_id="t", code=code, entry_point=entry_point, tests=tests, setup_code=setup_code
  )
  (verdict,) = executor.verify([program])
  json.dumps(verdict.to_json(), ensure_ascii=False).encode()  # it can be written to a file
  return verdict


@pytest.mark.parametrize(
    "code",
    [
        "\0", "\ud800", "def f(x): return '\ud800'\0", "(" * 300, "-" * 100000 + "1", "1" + "+1" * 50000,
        "x" + ".a" * 5000, "if 1:\n " * 120, "# coding: utf-7\n+AGY-", "'''", "def f(x):\n\treturn x\n        return x",
        "9" * 5000, "\\", "f(" * 150,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_a_text_that_is_no_program_has_bad_syntax(executor, code):
  verdict = verify(executor, code)
  assert verdict.status in ("syntax", "error") and verdict.detail, verdict


@pytest.mark.parametrize(
    "test",
    [
        "\0", "\ud800", "(" * 300, "-" * 100000 + "1", "1" + "+1" * 50000, "assert f(", "return", "await f(1)", "'''",
        "9" * 5000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_a_test_that_does_not_compile_is_an_error_that_says_so(executor, test):
  for verdict in (verify(executor, tests=(test,)), verify(executor, setup_code=test)):
    assert verdict.status == "error" and "does not compile" in verdict.detail, verdict


@pytest.mark.parametrize("entry_point", ["nope", "f(x)", "a.b", "1", "\0", "\ud800", " f", "class", "é" * 1000])
def test_an_entry_point_that_does_not_exist_is_an_error_that_names_it(executor, entry_point):
  # Whether the tests use that name, or another that the program does have.
  for test in ("assert nope(1) == 1", "assert f(1) == 1"):
    verdict = verify(executor, tests=(test,), entry_point=entry_point)
    assert verdict.status == "error", verdict
    assert verdict.detail.startswith("NameError: the program does not define '"), verdict


def test_a_test_whose_exception_cannot_be_written_is_an_error(executor):
  # Writing the message of a test's own exception must not end the worker.
  for body in ("raise ValueError", "return 5", "return str(10 ** 5000)", "raise KeyboardInterrupt"):
    for base in ("Exception", "AssertionError"):
      test = f"class E({base}):\n  def __str__(self): {body}\nraise E(1)"
      verdict = verify(executor, tests=(test,))
      assert verdict.status in ("error", "failed") and verdict.detail, verdict


@pytest.mark.parametrize("statement", ["raise SystemExit", "raise KeyboardInterrupt", "import sys; sys.exit()", "1/0"])
def test_setup_code_that_raises_anything_is_an_error(executor, statement):
  verdict = verify(executor, setup_code=statement)
  assert verdict.status == "error" and verdict.detail.startswith("the setup code fails: "), verdict


def test_setup_code_that_never_ends_is_an_error(executor):
  verdict = verify(executor, setup_code="while True: pass")
  assert (verdict.status, verdict.detail) == ("error", "the setup code takes more than 1 s")


def test_a_program_of_ten_megabytes_is_run_and_one_that_cannot_be_has_a_verdict(executor):
  assert verify(executor, "def f(x): return x\n#" + "x" * 10_000_000).passed
  assert verify(executor, tests=("assert f(1) == 1\n#" + "x" * 10_000_000,)).passed
  values = ",".join(map(str, range(1_500_000)))
  assert verify(executor, f"x = [{values}]\ndef f(x): return x").status in ("passed", "timeout", "memory")


def test_tests_that_fail_on_anything_fail(executor):
  assert verify(executor, tests=("assert f(1) == 1", "assert False, 'the reference fails too'")).status == "failed"


def test_a_program_without_tests_is_refused():
  with pytest.raises(schema.RecordError, match="'t' has none"):
    program_lib.Program(task_id="t", code="", entry_point="f", tests=())


@pytest.mark.parametrize(
    "fields", [{"code": None}, {"code": b"x"}, {"entry_point": 5}, {"setup_code": ["x"]}, {"tests": "assert f(1)"},
               {"tests": (None,)}, {"tests": 5}, {"task_id": 7}],
    ids=str,
)
def test_a_field_that_is_no_text_is_refused_by_its_name(fields):
  with pytest.raises(schema.RecordError, match=f"key '{next(iter(fields))}': expected str"):
    program_lib.Program(**{"task_id": "t", "code": "", "entry_point": "f", "tests": ("pass",), **fields})


def test_a_trace_request_of_the_wrong_type_is_refused():
  with pytest.raises(schema.RecordError, match="key 'source': expected str, found NoneType, in a trace request"):
    program_lib.TraceRequest(task_id="t", source=None, call="f(1)")


_TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=st.characters(exclude_categories=()), max_size=10),
    st.sampled_from(["def f(x):\n  return x", "assert f(1) == 1", "f = 1", "del f", "class f: pass", "raise f", "f()",
                     "lambda: (yield)", "import *", "global f", "async def f(x): return x", "__builtins__ = None"]),
)
_SETTINGS = hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)


@_SETTINGS
@hypothesis.given(code=_TEXTS, test=_TEXTS, entry_point=_TEXTS, setup_code=_TEXTS)
def test_whatever_the_texts_are_there_is_a_verdict_that_is_a_sample(executor, code, test, entry_point, setup_code):
  verdict = verify(executor, code, (test,), entry_point, setup_code)
  assert verdict.is_sample, verdict


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(),
              st.sampled_from(["", "x", "0x1", "\ud800", "int", "1e9999999"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["int", "tuple", "dict", "set", "bytes", "range", "slice", "type", "dict_items",
                             "array.array", "collections.deque", "collections.Counter", "collections.defaultdict",
                             "datetime.date", "decimal.Decimal", "fractions.Fraction", "complex", "iterator",
                             "callable", "object", "kept", "argument", "nothing"]),
            inner, max_size=2,
        ),
    ),
    max_leaves=8,
)
_REPLIES = st.one_of(
    _VALUES,
    st.tuples(st.just("value"), _VALUES, st.one_of(st.none(), _VALUES, st.tuples(st.lists(_VALUES), st.just({})))),
    st.tuples(st.just("raise"),
              st.sampled_from(["ValueError", "SystemExit", "StopIteration", "UnicodeDecodeError", "no"]),
              st.text(max_size=3), st.sampled_from(["error", "memory", "passed"]), st.text(max_size=3), st.none()),
    st.tuples(st.just("items"), st.lists(_VALUES, max_size=3), st.one_of(st.none(), st.just(["end"]), _VALUES)),
)


@_SETTINGS
@hypothesis.given(replies=st.lists(_REPLIES, min_size=1, max_size=4), use=st.sampled_from(
    ["f([1]) == 77", "list(f(1)) == 77", "f(1)(2) == 77", "f({1: 2}).x.y == 77", "len(f(1)) == 77", "next(f(1)) == 77",
     "sorted(f([2, 1])) == 77", "[a + b for a, b in f(1)] == 77", "str(f(1)) == '77'", "77 in f(1)"]
))
def test_whatever_a_program_writes_for_an_answer_there_is_a_verdict_and_it_does_not_pass(executor, replies, use):
  code = (
      "import json\n"
      f"replies = {[json.dumps(reply) for reply in replies]!r}\n"
      "dumps, count = json.dumps, 0\n"
      "def lie(*arguments, **keywords):\n"
      "  global count\n"
      "  count += 1\n"
      "  return dumps(*arguments, **keywords) if count == 1 else replies[(count - 2) % len(replies)]\n"
      "json.dumps = lie\n"
      "def f(x): return x\n"
  )
  hypothesis.assume("77" not in code)
  verdict = verify(executor, code, (f"assert {use}",))
  assert verdict.is_sample and not verdict.passed, verdict
