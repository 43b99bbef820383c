"""Solved repairs for few-shot prompts: real bugs, written by hand, traced by our own tracer on first use."""

import dataclasses
import functools

from next_jax import schema
from next_jax.tracing.recording import calls
from next_jax.tracing.recording import recorder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exemplar:
  """A traced repair task with its solution."""

  task: schema.RepairTask
  rationale: str
  fix: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Written:
  """The hand-written part of an exemplar. Replacing `right_line` with `wrong_line` makes the bug."""

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
    "digits_of": _Written(
        instruction="List the decimal digits of a non-negative integer, the first digit first.",
        fix="""\
def digits_of(number):
    if number == 0:
        return [0]
    digits = []
    while number > 0:
        digits.insert(0, number % 10)
        number //= 10
    return digits""",
        right_line="number //= 10",
        wrong_line="number /= 10",
        tests=("assert digits_of(25) == [2, 5]", "assert digits_of(0) == [0]"),
        rationale="digits_of(25) should return [2, 5] but collects hundreds of floats. The trace shows number=2.5 after"
                  " the first pass and number=0.25 after the second: `/=` divides exactly, so that number stays above"
                  " 0 for very long, and number % 10 is no digit any more. Integer division `//=` takes off one digit"
                  " in each pass.",
    ),
    "is_sorted": _Written(
        instruction="Check whether the items of a list are in non-descending order.",
        fix="""\
def is_sorted(items):
    for i in range(len(items) - 1):
        if items[i] > items[i + 1]:
            return False
    return True""",
        right_line="range(len(items) - 1)",
        wrong_line="range(len(items))",
        tests=("assert is_sorted([1, 2, 2]) is True", "assert is_sorted([2, 1]) is False"),
        rationale="is_sorted([1, 2, 2]) should return True but raises IndexError: list index out of range. In the trace"
                  " this happens at i=2, the last index, where items[i + 1] does not exist. Pairs of neighbours begin"
                  " at index len(items) - 2 at the latest, so the range must end one earlier.",
    ),
    "add_to_all": _Written(
        instruction="Return copies of the rows with one more item at the end of each; the rows stay as they are.",
        fix="""\
def add_to_all(rows, item):
    longer = []
    for row in rows:
        copy = list(row)
        copy.append(item)
        longer.append(copy)
    return longer""",
        right_line="copy = list(row)",
        wrong_line="copy = row",
        tests=("rows = [[1], [2]]\nassert add_to_all(rows, 0) == [[1, 0], [2, 0]] and rows == [[1], [2]]",),
        rationale="The test wants the rows unchanged, but the trace shows rows=[[1, 0], [2]] after the first append:"
                  " `copy = row` makes a second name for the same list, so that appending to copy appends to the row."
                  " list(row) makes a list of its own.",
    ),
    "word_lengths": _Written(
        instruction="Map each word of a text to its length; words are separated by spaces, a dot is no part of a word.",
        fix="""\
def word_lengths(text):
    lengths = {}
    for word in text.split():
        word = word.strip('.')
        if word:
            lengths[word] = len(word)
    return lengths""",
        right_line="word = word.strip('.')",
        wrong_line="word.strip('.')",
        tests=("assert word_lengths('We ran.') == {'We': 2, 'ran': 3}", "assert word_lengths('') == {}"),
        rationale="word_lengths('We ran.') should return {'We': 2, 'ran': 3} but returns {'We': 2, 'ran.': 4}. The"
                  " trace shows word='ran.' and no change of word after the line with strip: strings do not change,"
                  " strip returns a new one, which is dropped. It must be assigned to word.",
    ),
}

NAMES = tuple(_WRITTEN)


@functools.lru_cache
def load(number: int) -> tuple[Exemplar, ...]:
  """The first `number` exemplars, traced."""
  return tuple(_exemplar(name, _WRITTEN[name]) for name in NAMES[:number])


def _exemplar(name: str, written: _Written) -> Exemplar:
  buggy_code = written.fix.replace(written.right_line, written.wrong_line)
  call = calls.test_call(written.tests[0], name)
  trace = recorder.record(buggy_code, call.call, setup_code=call.preceding)
  task = schema.RepairTask(
      task_id=f"exemplar/{name}", split="exemplars", instruction=written.instruction, entry_point=name,
      buggy_code=buggy_code, reference_code=written.fix, public_tests=written.tests, hidden_tests=(),
      bug_kind="exemplar", bug_origin="exemplar", trace=trace,
  )
  return Exemplar(task=task, rationale=written.rationale, fix=written.fix)
