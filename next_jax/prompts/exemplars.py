"""Solved repairs for few-shot prompts: real bugs, written by us, traced by our own tracer when asked for."""

import dataclasses
import functools

from next_jax import schema
from next_jax.tracing import calls
from next_jax.tracing import recorder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exemplar:
  task: schema.RepairTask
  rationale: str
  fix: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Written:
  """What a person writes of an exemplar; `wrong_line` in the place of `right_line` makes the bug."""

  instruction: str
  fix: str
  right_line: str
  wrong_line: str
  tests: tuple[str, ...]
  rationale: str


_WRITTEN = {
    "count_vowels": _Written(
        instruction="Write a function that counts the vowels of a word, upper and lower case.",
        fix="""\
def count_vowels(word):
    count = 0
    for letter in word:
        if letter.lower() in 'aeiou':
            count += 1
    return count""",
        right_line="if letter.lower() in 'aeiou':",
        wrong_line="if letter in 'aeiou':",
        tests=("assert count_vowels('Able') == 2", "assert count_vowels('sky') == 0"),
        rationale="count_vowels('Able') should return 2 but returns 1. The trace shows that count is still 0 after"
                  " letter='A' was seen, and becomes 1 only at letter='e': the upper-case vowel is not counted because"
                  " the membership test compares the letter as it is. It should compare the lower-case letter.",
    ),
    "running_max": _Written(
        instruction="Return a list whose item i is the largest of the first i + 1 numbers.",
        fix="""\
def running_max(numbers):
    best = None
    result = []
    for number in numbers:
        if best is None or number > best:
            best = number
        result.append(best)
    return result""",
        right_line="if best is None or number > best:",
        wrong_line="if not best or number > best:",
        tests=("assert running_max([0, -2, 3]) == [0, 0, 3]", "assert running_max([]) == []"),
        rationale="running_max([0, -2, 3]) should return [0, 0, 3] but returns [0, -2, 3]. In the trace best=0 is"
                  " replaced by best=-2, although -2 is smaller: `not best` is also true when best is 0. The test for"
                  " the first number should be `best is None`.",
    ),
    "chunk": _Written(
        instruction="Split a list into consecutive chunks of the given size; the last one may be shorter.",
        fix="""\
def chunk(items, size):
    chunks = []
    start = 0
    while start < len(items):
        chunks.append(items[start:start + size])
        start += size
    return chunks""",
        right_line="start += size",
        wrong_line="start += 1",
        tests=("assert chunk([1, 2, 3], 2) == [[1, 2], [3]]",),
        rationale="chunk([1, 2, 3], 2) should return [[1, 2], [3]] but returns [[1, 2], [2, 3], [3]]. The trace shows"
                  " start=1 after the first chunk, so the second chunk begins inside the first. start should advance by"
                  " size.",
    ),
    "invert": _Written(
        instruction="Turn a dictionary around: each value maps to the list of its keys.",
        fix="""\
def invert(table):
    inverse = {}
    for key, value in table.items():
        inverse.setdefault(value, []).append(key)
    return inverse""",
        right_line="inverse.setdefault(value, []).append(key)",
        wrong_line="inverse[value].append(key)",
        tests=("assert invert({'a': 1, 'b': 1}) == {1: ['a', 'b']}",),
        rationale="invert({'a': 1, 'b': 1}) should return {1: ['a', 'b']} but raises KeyError: 1 in the first pass of"
                  " the loop, while inverse={} is still empty. The list of a new value must be made before a key is"
                  " appended to it.",
    ),
}

NAMES = tuple(_WRITTEN)


@functools.lru_cache
def load(number: int) -> tuple[Exemplar, ...]:
  """The first `number` exemplars, traced."""
  return tuple(_exemplar(name, _WRITTEN[name]) for name in NAMES[:number])


def _exemplar(name: str, written: _Written) -> Exemplar:
  buggy_code = written.fix.replace(written.right_line, written.wrong_line)
  trace = recorder.record(buggy_code, calls.traced_call(written.tests[0], name))
  task = schema.RepairTask(
      task_id=f"exemplar/{name}", split="exemplars", instruction=written.instruction, entry_point=name,
      buggy_code=buggy_code, reference_code=written.fix, public_tests=written.tests, hidden_tests=(),
      bug_kind="exemplar", bug_origin="exemplar", trace=trace,
  )
  return Exemplar(task=task, rationale=written.rationale, fix=written.fix)
