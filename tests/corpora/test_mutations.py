"""Each kind of mutation finds its place, changes only that place, and gives programs that compile."""

import itertools
import random

import pytest

from next_jax import errors
from next_jax import files
from next_jax.corpora import canonical
from next_jax.corpora import mutations

CODE = '''\
def pick(nums, k):  # the comment stays
    total = 0
    name = "abc"
    for n in nums[1:]:
        if n < k and not n == 3:
            total += max(n, 2)
        else:
            total -= 1
    return total
'''


def lines_of(kind, code=CODE):
  return {mutant.after_line for mutant in mutations.mutants(code, random.Random(0), (kind,))}


@pytest.mark.parametrize(
    "kind, line",
    [
        ("comparison", "if n <= k and not n == 3:"),
        ("constant", "if n < k and not n == 4:"),
        ("initial_value", "total = 1"),
        ("operator", "total -= max(n, 2)"),
        ("wrong_variable", "if n < total and not n == 3:"),
        ("wrong_return", "return k"),
        ("swapped_branches", "total -= 1"),
        ("early_return", "return total"),
        ("string", 'name = "ab"'),
        ("boolean", "if n < k or not n == 3:"),
        ("boundary", "for n in nums[:1]:"),
        ("call", "total += min(n, 2)"),
    ],
)
def test_each_kind_makes_its_bug(kind, line):
  assert line in lines_of(kind)


def test_a_missing_step_is_a_line_less():
  code = "def f(n):\n    c = 0\n    while n > 0:\n        c += 1\n        n -= 1\n    return c\n"
  mutants = [m.code for m in mutations.mutants(code, random.Random(0), ("missing_step",))]
  assert code.replace("        c += 1\n", "") in mutants
  assert code.replace("        n -= 1\n", "") in mutants


def test_an_early_return_moves_into_the_loop():
  (mutant,) = mutations.mutants(CODE, random.Random(0), ("early_return",))
  assert mutant.code == CODE.replace("    return total", "        return total")


def test_swapped_branches_exchange_both_lines():
  (mutant,) = mutations.mutants(CODE, random.Random(0), ("swapped_branches",))
  assert mutant.code.index("total -= 1") < mutant.code.index("total += max(n, 2)")


def test_every_mutant_compiles_differs_canonically_and_is_there_once():
  mutants = list(mutations.mutants(CODE, random.Random(0)))
  assert len(mutants) > 40
  assert {mutant.kind for mutant in mutants} >= set(mutations.KINDS) - {"missing_step"}
  assert len({mutant.code for mutant in mutants}) == len(mutants)
  for mutant in mutants:
    compile(mutant.code, "mutant", "exec")
    assert mutant.canonical == canonical.canonical(mutant.code) != canonical.canonical(CODE)


def test_all_but_the_mutated_lines_stay_as_they_were():
  for mutant in mutations.mutants(CODE, random.Random(0)):
    if mutant.kind == "missing_step":
      continue
    changed = [a for a, b in zip(CODE.split("\n"), mutant.code.split("\n"), strict=True) if a != b]
    assert len(changed) == (2 if mutant.kind == "swapped_branches" else 1)
    assert changed[0] == CODE.split("\n")[mutant.line - 1]
    assert changed[0].strip() == mutant.before_line


def test_the_order_depends_on_the_random_generator_alone():
  first, again, other = ([m.code for m in mutations.mutants(CODE, random.Random(s))] for s in (1, 1, 2))
  assert first == again != other
  assert set(first) == set(other)


def test_letters_beyond_ascii_before_the_place_do_not_shift_it():
  code = 'def f(ä):\n    return "öüß" if ä < 3 else ä\n'
  assert 'return "öüß" if ä <= 3 else ä' in lines_of("comparison", code)


def test_f_strings_are_left_alone():
  assert lines_of("operator", 'def f(a):\n    return f"{a + 1}"\n') == set()


def test_docstrings_are_no_strings_to_mutate():
  assert lines_of("string", 'def f(a):\n    "what it does"\n    return a\n') == set()


def test_an_unknown_kind_and_code_that_does_not_parse_are_refused():
  with pytest.raises(errors.CorpusError, match="known: comparison"):
    next(mutations.mutants(CODE, random.Random(0), ("typo",)))
  with pytest.raises(errors.CorpusError, match="give code that parses"):
    next(mutations.mutants("def f(:", random.Random(0)))


def test_real_programs_can_be_mutated(shared_data):
  with_mutants = 0
  rows = [row for _, row in files.read_jsonl_objects(shared_data / "mbpp.jsonl")][:150]
  for row in rows:
    code = row["code"]
    mutants = list(itertools.islice(mutations.mutants(code, random.Random(0)), 5))
    with_mutants += bool(mutants)
    for mutant in mutants:
      compile(mutant.code, "mutant", "exec")
      assert canonical.canonical(mutant.code) != canonical.canonical(code)
  assert with_mutants >= 0.95 * len(rows)
