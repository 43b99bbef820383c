"""The annotated source: METHOD's format, and nothing but comments added."""

import ast
import textwrap

import pytest

from next_jax import errors
from next_jax import schema
from next_jax.tracing import statements
from next_jax.tracing.annotation import comments as comments_lib
from next_jax.tracing.annotation import inline
from next_jax.tracing.annotation import scopes
from next_jax.tracing.recording import recorder

SEPARATE = """\
def separate(lst):             # (0) lst=[1, 2, 3, 4]
    even, odd = [], []         # (1) even=[]; odd=[]
    for n in lst:              # (2) n=1; (4) n=2; ...; (8) n=4
        if n % 2:
            even.append(n)     # (3) even=[1]; ...; (7) even=[1, 3]
    return even, odd           # (10) return ([1, 3], [])
"""


def plain(annotated: str) -> str:
  return "".join(line.split("#")[0].rstrip() + "\n" for line in annotated.splitlines())


def annotate(source: str, call: str, **style) -> str:
  return inline.annotate(source, recorder.record(source, call), inline.InlineStyle(**style))


def comments(source: str, call: str, **style) -> list[str]:
  """The comment on each line, or ''."""
  annotated = annotate(textwrap.dedent(source), call, align=False, **style)
  return [line.partition("  # ")[2] for line in annotated.splitlines()]


def assert_only_comments_added(source: str, annotated: str) -> None:
  assert ast.dump(ast.parse(annotated), include_attributes=False) == ast.dump(ast.parse(source))
  assert positions(annotated) == positions(source)


def positions(source: str) -> list[tuple]:
  nodes = ast.walk(ast.parse(source))
  return [(type(node), node.lineno, node.col_offset) for node in nodes if hasattr(node, "lineno")]


class TestFormat:

  def test_the_example_of_the_method_to_the_byte(self):
    assert annotate(plain(SEPARATE), "separate([1, 2, 3, 4])") == SEPARATE

  def test_first_two_visits_and_the_last(self):
    source = """\
        def f(n):
            for i in range(n):
                x = i * i
            return x
        """
    assert comments(source, "f(2)")[2] == "(2) x=0; (4) x=1"
    assert comments(source, "f(3)")[2] == "(2) x=0; (4) x=1; (6) x=4"
    assert comments(source, "f(5)")[2] == "(2) x=0; (4) x=1; ...; (10) x=16"
    assert comments(source, "f(5)", first_visits=1, last_visits=2)[2] == "(2) x=0; ...; (8) x=9; (10) x=16"
    assert comments(source, "f(5)", first_visits=5)[2] == "(2) x=0; (4) x=1; (6) x=4; (8) x=9; (10) x=16"
    assert comments(source, "f(5)", first_visits=0)[2] == "...; (10) x=16"
    assert comments(source, "f(5)", last_visits=0)[2] == "(2) x=0; (4) x=1; ..."

  def test_an_ellipsis_stands_for_rounds_that_did_not_come_to_the_line(self):
    source = """\
        def f(items):
            i = 0
            while i < len(items):
                if items[i] > 0:
                    x = items[i]
                i += 1
        """
    assert comments(source, "f([1, 2])")[4] == "(2) x=1; (4) x=2"
    assert comments(source, "f([1, 0, 2])")[4] == "(2) x=1; ...; (6) x=2"

  def test_calls_of_a_recursion_are_not_rounds(self):
    source = """\
        def f(n):
            for i in [n]:
                if n:
                    x = f(n - 1)
            return n
        """
    assert "..." not in "".join(comments(source, "f(2)"))

  def test_an_exception_stands_on_the_line_that_raised_it(self):
    source = """\
        def f(items):
            last = items[len(items)]
            return last
        """
    assert comments(source, "f([1])") == [
        "(0) items=[1]", "(1) raise IndexError: list index out of range", ""
    ]

  def test_long_values_lose_their_middle(self):
    (first, _) = comments("def f(x):\n    return 1\n", "f('a' * 30 + 'b' * 30)", value_width=16)
    assert first == "(0) x='aaaaaaaa...bbb'"

  def test_a_comment_keeps_to_its_width(self):
    source = """\
        def f(n):
            x = []
            for i in range(n):
                x.append("abcdefgh" * 10)
        """
    for width in (200, 120, 60, 30, 20):
      (comment,) = comments(source, "f(9)", comment_width=width)[3:]
      assert len(comment) <= width
      assert comments_lib.parse(comment).states[-1].number == 19
    assert comment == "...; (19) x=['ab...]"

  def test_the_shortest_comments_have_names_or_only_numbers(self):
    names = ", ".join(f"argument_{i}" for i in range(9))
    source = f"def f({names}, *, b='long enough'):\n    b += 'x'\n    return b\n"
    call = "f('a', *'abcdefgh')"
    assert comments(source, call, comment_width=20) == ["(0) ...", "(1) b='long enoughx'", "(2) return 'lon...'"]
    assert comments(source, call, comment_width=20, value_width=3)[1:] == ["(1) b=...", "(2) return ..."]

  def test_unchanged_visits_are_written_when_asked_for(self):
    source = """\
        def f(items):
            for n in items:
                if n > 1:
                    n = 0
            return n
        """
    assert comments(source, "f([1, 1, 2])", unchanged_visits=True) == [
        "(0) items=[1, 1, 2]", "(1) n=1; (3) -; (5) n=2", "(2) -; (4) -", "(6) n=0", "(7) return 0"
    ]

  def test_only_the_chosen_functions_are_written(self):
    source = """\
        class Stack:
            def push(self, x):
                y = x
        def g(x):
            def push(z):
                return z
            return push(x)
        def f(x):
            h = lambda: x
            Stack().push(x)
            return g(x) + h()
        """
    def functions_shown(functions):
      texts = comments(source, "f(1)", functions=functions)
      return [line for line, text in enumerate(texts, 1) if text]

    assert functions_shown(scopes.AllFunctions()) == [2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert functions_shown(scopes.CalledFunction()) == [8, 9, 11]
    assert functions_shown(scopes.NamedFunctions(names=("g",))) == [4, 5, 6, 7]
    assert functions_shown(scopes.NamedFunctions(names=("push",))) == [2, 3, 5, 6]
    assert functions_shown(scopes.NamedFunctions(names=("Stack.push", "nowhere"))) == [2, 3]

  def test_a_lambda_outside_of_every_function_is_of_the_module(self):
    source = "f = lambda x: x\n"
    for functions in (scopes.CalledFunction(), scopes.NamedFunctions(names=(scopes.MODULE,))):
      assert comments(source, "f(1)", functions=functions) == ["(0) x=1; (1) return 1"]
    assert comments(source, "f(1)", functions=scopes.NamedFunctions(names=("f",))) == [""]

  def test_comments_of_a_function_stand_in_a_column(self):
    source = textwrap.dedent("""\
        def g(x):
            return x + 1
        def f(longer_name):
            y = g(longer_name)
            return "a string so long that the column is not moved by it, however long the line" and y
        """)
    columns = [line.rfind("  # ") for line in annotate(source, "f(1)").splitlines()]
    assert columns[0] == columns[1] != columns[2] == columns[3] != columns[4]

  def test_without_alignment_two_spaces_are_enough(self):
    assert annotate(plain(SEPARATE), "separate([])", align=False).splitlines()[1] == (
        "    even, odd = [], []  # (1) even=[]; odd=[]"
    )

  def test_a_truncated_trace_is_written_like_others(self):
    source = "def f(n):\n    while True:\n        n += 1\n"
    trace = recorder.record(source, "f(0)", budget=recorder.Budget(max_steps=13))
    assert trace.outcome == "truncated"
    assert inline.annotate(source, trace, inline.InlineStyle(align=False)).splitlines()[2] == (
        "        n += 1  # (1) n=1; (2) n=2; ...; (5) n=5"
    )

  def test_a_trace_without_steps_changes_nothing(self):
    source = "def f(): pass\n"
    assert inline.annotate(source, schema.Trace(call="g()", steps=(), outcome="raised", detail="NameError")) == source


class TestBadInput:

  @pytest.mark.parametrize("setting, value", [
      ("first_visits", -1), ("last_visits", 1.5), ("value_width", 0), ("comment_width", 19), ("gap", None),
      ("align_width", True), ("functions", "push"),
  ])
  def test_settings_out_of_range_are_named(self, setting, value):
    with pytest.raises(errors.TracingError, match=f"InlineStyle.{setting}={value!r}"):
      inline.InlineStyle(**{setting: value})

  @pytest.mark.parametrize("step, message", [
      (schema.Step(line=3, event="line"), "step 0 of the trace is on line 3, but the source has 2 lines"),
      (schema.Step(line=0, event="line"), "on line 0"),
      (schema.Step(line=-1, event="line"), "on line -1"),
      (schema.Step(line=1, event="line", changes=(("x\nimport os", "1"),)), r"'x\\nimport os' is not a variable"),
      (schema.Step(line=1, event="line", value="1"), "a 'line' event has no value"),
  ])
  def test_a_trace_of_another_source_is_an_error(self, step, message):
    trace = schema.Trace(call="f()", steps=(step,), outcome="returned", detail="None")
    with pytest.raises(inline.MismatchError, match=message):
      inline.annotate("def f(): pass\n", trace)

  def test_values_of_any_text_stay_in_their_comment(self):
    step = schema.Step(line=1, event="return", changes=(("x", ""), ("y", "a\nb\u2028 ")), value="\n")
    trace = schema.Trace(call="f()", steps=(step,), outcome="returned", detail="None")
    assert inline.annotate("def f(): pass", trace) == "def f(): pass     # (0) x=...; y=a b; return ..."

  def test_a_source_that_does_not_compile_is_an_error(self):
    trace = schema.Trace(call="f()", steps=(), outcome="returned", detail="None")
    for source in ("def f(:", "x = 1\0", "\ud800", "(" * 300 + ")" * 300):
      with pytest.raises(statements.SourceError, match="does not compile"):
        inline.annotate(source, trace)


class TestWhereCommentsMayStand:

  @pytest.mark.parametrize("name, source", [
      ("no line end", "def f(x):\n    return x"),
      ("a string ends the file", "def f(x):\n    y = '''x\n#'''"),
      ("crlf", "def f(x):\r\n    y = x\r\n    return y\r\n"),
      ("carriage returns", "def f(x):\r    y = x\r    return y\r"),
      ("crlf in a string", 'def f(x):\r\n    y = """a\r\nb"""\r\n    return y\r\n'),
      ("tabs", "def f(x):\n\ty = x\n\tif y:\n\t\treturn y\n"),
      ("form feed", "def f(x):\n    y = x\n\f\n    return y\n"),
      ("hash in strings", "def f(x):\n    y = '# no comment'\n    z = \"#\" + '''#\n#'''\n    return y\n"),
      ("comments", "def f(x):  # why\n    # what\n    y = x # x\n    return y #\n"),
      ("continuation", "def f(x):\n    y = x + \\\n        1\n    return y \\\n        + 1\n"),
      ("continuation to an empty line", "def f(x): \\\n  \n    y = x\\\n\n    return y\n"),
      ("backslash before an indent", 'def f(x):\n    if x:\n        y = x\n\\\n    z = """a\n"""\n    return z\n'),
      ("comment that ends in a backslash", "def f(x):\n    y = x  # \\\n    return y\n"),
      ("brackets", "def f(x,\n      y=(1,\n         2)):\n    return [\n        x,\n        y,\n    ]\n"),
      (
          "multi-line string",
          'def f(x):\n    """Doc\n\n    # string"""\n    y = """a\n\\\n""" + """\n""" ; z = 1\n    return y\n',
      ),
      ("string in brackets", 'def f(x):\n    y = ("""a\n""",\n      x)\n    return y\n'),
      ("semicolons", "def f(x): y = x; z = y; return z\n"),
      ("unicode", "def f(x):\n    größe = 'Ünï∞😀'; 数 = x\n    return größe\n"),
      ("f-string", "def f(x):\n    y = f'{x} # {x!r:>{10}}'\n    z = f'''{\nx\n} #\n'''\n    return y + z\n"),
      (
          "decorators",
          "import functools\n@functools.lru_cache(\n    maxsize=3\n)\n@functools.cache\ndef f(x):\n    return x\n",
      ),
      ("trailing spaces", "def f(x):   \n    return x \t \n   \n"),
      ("unusual line ends in strings", "def f(x):\n    y = '\u2028\x0b\x85'\n    return y\n"),
  ])
  def test_the_ast_stays_and_annotating_again_changes_nothing(self, name, source):
    del name
    trace = recorder.record(source, "f(1)")
    assert trace.outcome == "returned", trace
    annotated = inline.annotate(source, trace)
    assert annotated != source
    assert_only_comments_added(source, annotated)
    assert inline.annotate(annotated, trace) == annotated
    again = recorder.record(annotated, "f(1)")
    assert again == trace

  def test_the_comment_follows_the_first_line_that_can_take_one(self):
    source = 'def f(x):\n    y = """a\nb"""\n    z = x + \\\n        1\n    return (y,\n            z)\n'
    lines = annotate(source, "f(1)", align=False).splitlines()
    assert lines == [
        "def f(x):  # (0) x=1",
        '    y = """a',
        'b"""  # (1) y=\'a\\nb\'',
        "    z = x + \\",
        "        1  # (2) z=2",
        "    return (y,  # (3) return ('a\\nb', 2)",
        "            z)",
    ]

  def test_existing_comments_stay_and_line_ends_too(self):
    source = "def f(x):  # (1) of course\r\n    return x # done\r\n"
    assert annotate(source, "f(1)", align=False) == (
        "def f(x):  # (1) of course  # (0) x=1\r\n    return x # done  # (1) return 1\r\n"
    )

  def test_comments_that_look_like_ours_to_the_last_character_are_replaced(self):
    source = "def f(x):  # x # ...; (2) y=1  # (1) x=5; return 3\n    # (3) x=1\n    return x  # (1) see below\n"
    assert annotate(source, "f(1)", align=False) == (
        "def f(x):  # x  # (0) x=1\n    # (3) x=1\n    return x  # (1) see below  # (1) return 1\n"
    )

  def test_two_statements_with_one_place_share_a_comment(self):
    assert annotate("def f(x):\n  for y in x \\\n    : z = y\n", "f([1, 2])", align=False).splitlines()[2] == (
        "    : z = y  # (1) y=1; (2) z=1; ...; (4) z=2"
    )

  def test_another_call_replaces_the_states(self):
    first = annotate(plain(SEPARATE), "separate([1])")
    assert annotate(first, "separate([1, 2, 3, 4])") == SEPARATE
