"""Canonical forms: what they forget and what they keep."""

import hashlib

import pytest

from next_jax.corpora import canonical


def test_names_comments_docstrings_and_layout_do_not_matter():
  one = (
      'def total(nums):\n    """Adds."""\n    acc = 0  # start\n    for n in nums:\n        acc += n\n    return acc\n'
  )
  other = "def f( xs ):\n  s=0\n\n  for x in xs: s += x\n  return (s)\n"
  assert canonical.canonical(one) == canonical.canonical(other)


@pytest.mark.parametrize(
    "other",
    [
        "def f(a, b):\n    return max(b, a)\n",
        "def f(a, b):\n    return min(a, b)\n",
        "def f(a, b):\n    return max(a, 1)\n",
        "def f(a, b):\n    return max(a, b) or 0\n",
        "def f(a, b=0):\n    return max(a, b)\n",
    ],
)
def test_structure_builtins_and_constants_matter(other):
  assert canonical.canonical("def f(a, b):\n    return max(a, b)\n") != canonical.canonical(other)


def test_true_and_one_differ():
  assert canonical.canonical("x = True") != canonical.canonical("x = 1")


def test_attributes_and_keywords_keep_their_names():
  assert canonical.canonical("x = a.lower()") != canonical.canonical("x = a.upper()")
  assert canonical.canonical("sorted(a, key=len)") != canonical.canonical("sorted(a, reverse=len)")


def test_a_name_bound_after_its_first_use_is_renamed_too():
  one = "def f():\n    return g()\ndef g():\n    return 1\n"
  assert canonical.canonical(one) == canonical.canonical(one.replace("g", "h"))


def test_nested_functions_imports_handlers_and_globals_are_renamed():
  code = (
      "import math as m\ndef f(a, *b, c=1, **d):\n    global x\n    x = m.pi\n    try:\n        pass\n"
      "    except ValueError as e:\n        raise e\n    return [i for i in b if i in d]\n"
  )
  renamed = code.replace("as m", "as mm").replace("m.pi", "mm.pi").replace("x", "y").replace("eycept", "except")
  assert canonical.canonical(code) == canonical.canonical(renamed)


def test_code_that_does_not_parse_is_refused():
  with pytest.raises(canonical.CanonicalError, match="give code that parses"):
    canonical.canonical("def f(:")


def test_pair_key_depends_on_both_and_on_their_order():
  keys = {canonical.pair_key(*pair) for pair in (("a", "b"), ("b", "a"), ("ab", ""), ("a", "c"))}
  assert len(keys) == 4


def test_pair_key_is_the_same_on_every_machine():
  assert canonical.pair_key("a", "b") == hashlib.sha256(b"a\0b").hexdigest()[:16]


@pytest.mark.parametrize(
    ("code", "compiles"),
    [("def f():\n  return 1\n", True), ("return 1\n", False), ("def f(:\n", False), ("x = '\0'", False), ("", True)],
)
def test_what_compiles(code, compiles):
  assert (canonical.compiled(code) is not None) == compiles


@pytest.mark.parametrize(
    ("code", "defined"),
    [
        ("def f():\n  pass\n", True),
        ("f = lambda x: x\n", True),
        ("from math import floor as f\n", True),
        ("try:\n  import f\nexcept ImportError:\n  pass\n", True),
        ("try:\n  import g\nexcept ImportError:\n  f = None\n", True),
        ("if True:\n  def f():\n    pass\n", True),
        ("class A:\n  def f(self):\n    pass\n", False),
        ("def g():\n  f = 1\n  return f\n", False),
        ("f()\n", False),
    ],
)
def test_what_a_program_defines_at_its_top_level(code, defined):
  assert canonical.defines(canonical.compiled(code), "f") == defined
