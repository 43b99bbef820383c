"""The annotated source: METHOD's format, and nothing but comments added."""

import ast
import json
import textwrap

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax import schema
from next_jax.tracing import calls
from next_jax.tracing import inline
from next_jax.tracing import recorder

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
    ]  # fmt: skip

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
      assert comment.startswith("(3)")

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
  ])  # fmt: skip
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

  def test_another_call_replaces_the_states(self):
    first = annotate(plain(SEPARATE), "separate([1])")
    assert annotate(first, "separate([1, 2, 3, 4])") == SEPARATE


NAMES = st.sampled_from(["a", "b", "items", "größe"])
VALUES = st.sampled_from([
    "0", "1", "-2", "'#'", "'''x\n#'''", "[1, 2]", "[\n  1,  # one\n]", "{'a': [1]}", "None", "a", "b", "items"
])  # fmt: skip


@st.composite
def blocks(draw, depth: int = 0) -> list[str]:
  """Statements, of which many will fail when they run."""
  lines = []
  for _ in range(draw(st.integers(1, 3))):
    kind = draw(st.integers(0, 9 if depth < 2 else 4))
    name, value = draw(NAMES), draw(VALUES)
    end = draw(st.sampled_from(["", "", "  # note", ";", " \t"]))
    if kind <= 1:
      lines.append(f"{name} = {value}{end}")
    elif kind == 2:
      lines.append(f"{name} = {value} + \\\n  {value}{end}")
    elif kind == 3:
      statements = [f"items.append({value})", f"return {value}", f"del {name}", "pass", "items[0] = b"]
      lines.append(draw(st.sampled_from(statements)) + end)
    elif kind == 4:
      lines.append(f"{name} = [i for i in\n  items]; b = {value}")
    else:
      header = draw(st.sampled_from([
          f"if {value}:", f"for {name} in items:", "while a:", "try:", "@staticmethod\ndef a(b):",
          f"with __import__('contextlib').nullcontext({value}) as b:",
      ]))  # fmt: skip
      lines.extend(header.split("\n"))
      lines.extend("  " + line if not line.startswith("#'''") else line for line in draw(blocks(depth + 1)))
      if header == "try:":
        lines.extend(["except TypeError as a:", "  pass", "finally:", "  b = 1"])
  return lines


@st.composite
def programs(draw) -> str:
  line_end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
  lines = ["def f(a, b, items):", *("  " + line for line in draw(blocks()))]
  text = "\n".join(lines) + draw(st.sampled_from(["", "\n"]))
  return text.replace("\n", line_end)


class TestProperties:

  @hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
  @hypothesis.given(programs())
  def test_built_programs_keep_their_ast(self, source):
    try:
      trace = recorder.record(source, "f(1, 2, [3])", budget=recorder.Budget(max_steps=100))
    except recorder.TraceError:
      hypothesis.reject()
    annotated = inline.annotate(source, trace)
    assert_only_comments_added(source, annotated)
    assert inline.annotate(annotated, trace) == annotated
    assert recorder.record(annotated, "f(1, 2, [3])", budget=recorder.Budget(max_steps=100)) == trace

  @pytest.mark.filterwarnings("ignore::SyntaxWarning")  # some of them have invalid escape sequences
  def test_programs_of_mbpp_keep_their_ast_and_their_results(self, shared_data):
    tried = 0
    with open(shared_data / "mbpp.jsonl", encoding="utf-8") as file:
      rows = [json.loads(line) for line in file]
    for row in rows[::5]:
      names = [node.name for node in ast.parse(row["code"]).body if isinstance(node, ast.FunctionDef)]
      test = row["test_list"][0]
      call = None
      for name in reversed(names):
        try:
          call = calls.traced_call(test, name)
          break
        except calls.CallError:
          continue
      assert call is not None, row["task_id"]
      budget = recorder.Budget(max_steps=2_000)
      trace = recorder.record(row["code"], call, setup_code=row["test_setup_code"], budget=budget)
      annotated = inline.annotate(row["code"], trace)
      assert_only_comments_added(row["code"], annotated)
      assert inline.annotate(annotated, trace) == annotated
      assert max(map(len, annotated.splitlines())) < 1_000
      tried += 1
    assert tried > 150
