"""Localisation: does a rationale name the line that is to be changed?

    lines("Line 3 returns too early: `return n` should stand behind the loop.", source)     [frozenset({3})]
    changes.changed(source, fix)                                                           frozenset({3, 5})

A rationale names places of the buggy program, each a line or, where its words fit several, one of them:

    by number    "line 3", "Lines 2 and 5", "lines 2-4" (three places), "missing after line 3", "between lines 3 and 4"
    by code      `if n < 2:`, "total += n": in quotes, one line of the program, or a piece of one that is no bare name

A number in a sentence counts before what is quoted in it, which may be new code; so may what follows "should be", "to",
"with", "missing" and the like. Where some of the sentences that name places speak of a change or a fault ("should",
"change", "missing", "wrong"), the others ("line 4 runs twice") do not count. Numbers of steps are no places.

The score of a rationale is the share of the places it names that are changed, 0 where it names none: naming all lines
earns little.
"""

from collections.abc import Iterator, Mapping, Sequence
import re
from typing import Any

from next_jax import schema
from next_jax.evaluation import changes
from next_jax.evaluation import intervals
from next_jax.rationales.claims import prose

_NUMBER = r"(?:number |no\. ?|#)?\(?\d{1,6}\)?"
_NUMBERED = re.compile(
    rf"\blines? {_NUMBER}(?!\.\d)(?:(?: ?,? ?(?:and|or|to|through|with|,|-|–|&) ?(?:lines? )?)+{_NUMBER}(?!\.?\d))*",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(\d+)\)? ?(?:-|–|to|through) ?(?:lines? )?\(?(\d+)", re.IGNORECASE)
_QUOTED = re.compile(r"`([^`\n]{1,400})`|\"([^\"\n]{1,400})\"|“([^”\n]{1,400})”")
_NEW = re.compile(
    r"\b(?:should (?:be|read|say|use|have)|needs?(?: to be)?|must be|to|with|into|by|use|using|write|add|adding|insert"
    r"|inserting|has to be|becomes?|instead|missing|a line|an?|is)(?: the)?\W*\Z",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"\W{0,3}(?:(?:is|are|was) missing|(?:should|must|needs to|has to) be (?:added|inserted))", re.IGNORECASE
)
_FAULT = re.compile(
    r"\b(?:should|must|ought|needs?|chang(?:e|es|ed|ing)|replac\w+|remov\w+|delet\w+|swap\w*"
    r"|mov(?:e|ed|ing)|miss(?:es|ing)|insert\w*|add(?:ed|ing)?|fix(?:ed|ing|es)?|bugg?y?|wrong(?:ly)?|incorrect(?:ly)?"
    r"|mistake\w*|fault\w*|culprit|problem|flaw\w*|instead|correct(?:ed|ing)|off by one|too (?:early|late))\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"\w*")
_SHORTEST_PIECE = 3  # minimum characters of code that may match a part of a line


def lines(rationale: str, source: str) -> list[frozenset[int]]:
  """The places of a program that a rationale names, by the rules at the top of this module. Accepts any text."""
  code = changes.code(source)
  texts = frozenset(text.strip() for text in code.values())
  read = prose.read(rationale, functions=frozenset(), source_lines=texts)
  of_faults: list[frozenset[int]] = []
  of_others: list[frozenset[int]] = []
  begin = 0
  for _, end in read.sentences:
    sentence = rationale[begin : (begin := read.offsets[end - 1] + 1)]  # not from the first word: a quote may open it
    found = [frozenset({number}) for number in _numbers(sentence)] or list(_quotes(sentence, code))
    (of_faults if _FAULT.search(sentence) else of_others).extend(found)
  return list(dict.fromkeys(of_faults or of_others))


def _numbers(sentence: str) -> Iterator[int]:
  for named in _NUMBERED.finditer(sentence):
    text = named.group()
    for match in _RANGE.finditer(text):
      first, last = int(match[1]), int(match[2])
      yield from range(first + 1, min(last, first + prose.MAX_SENTENCE))
    yield from map(int, re.findall(r"\d+", text))


def _quotes(sentence: str, code: Mapping[int, str]) -> Iterator[frozenset[int]]:
  for quoted in _QUOTED.finditer(sentence):
    if _NEW.search(sentence[: quoted.start()]) or _MISSING.match(sentence, quoted.end()):
      continue
    wanted = _squeezed(next(group for group in quoted.groups() if group is not None)).rstrip(":")
    whole = frozenset(number for number, text in code.items() if _squeezed(text).rstrip(":") == wanted)
    if whole and wanted:
      yield whole
    elif len(wanted) >= _SHORTEST_PIECE and not _NAME.fullmatch(wanted):
      pieces = frozenset(number for number, text in code.items() if wanted in _squeezed(text))
      if pieces:
        yield pieces


def localisation(
    tasks: Sequence[schema.RepairTask], samples: Sequence[schema.Sample], *, seed: int = 0
) -> dict[str, Any]:
  """How often rationales name the lines that their own fix changes, and those that the reference changes.

  Samples without a rationale are left out, and counted. Means are over tasks, of the means over a task's samples, and
  so are their bootstrap intervals of 95 %.

  Args:
    samples: The samples of these tasks, in any order.
    seed: The seed of the resampling.

  Returns:
    "num_tasks", "num_samples" (with a rationale), "without_rationale"; "names_a_line" (share of rationales that name a
    place), "places" (mean number of those named), "names_bug" (mean score against the lines that the reference
    changes), "names_own_change" (against those that the sample's own fix changes, of the "num_changing" samples whose
    fix changes any), "chance" (the score of a line named at random, against the reference), each with value, low and
    high; "by_bug_kind" (kind -> tasks, samples, mean "names_bug" over samples).
  """
  by_task: dict[str, list[schema.Sample]] = {task.task_id: [] for task in tasks}
  for sample in samples:
    if sample.rationale:
      by_task[sample.task_id].append(sample)
  rated = [task for task in tasks if by_task[task.task_id]]
  means: dict[str, list[float]] = {name: [] for name in ("a_line", "places", "bug", "own", "chance")}
  by_kind: dict[str, list[list[float]]] = {}
  num_changing = 0
  for task in rated:
    buggy = changes.changed(task.buggy_code, task.reference_code)
    named = [lines(sample.rationale or "", task.buggy_code) for sample in by_task[task.task_id]]
    scores = [_score(places, buggy) for places in named]
    own = [
        _score(places, of_fix) for places, sample in zip(named, by_task[task.task_id], strict=True)
        if sample.fix is not None and (of_fix := changes.changed(task.buggy_code, sample.fix))
    ]
    num_changing += len(own)
    for name, values in (("a_line", [float(bool(p)) for p in named]), ("places", [float(len(p)) for p in named]),
                         ("bug", scores), ("own", own)):
      if values:
        means[name].append(sum(values) / len(values))
    means["chance"].append(len(buggy) / max(len(changes.code(task.buggy_code)), 1))
    by_kind.setdefault(task.bug_kind, []).append(scores)
  return {
      "num_tasks": len(rated),
      "num_samples": sum(map(len, by_task.values())),
      "without_rationale": len(samples) - sum(map(len, by_task.values())),
      "num_changing": num_changing,
      "names_a_line": intervals.estimate(means["a_line"], seed=seed),
      "places": intervals.estimate(means["places"], seed=seed),
      "names_bug": intervals.estimate(means["bug"], seed=seed),
      "names_own_change": intervals.estimate(means["own"], seed=seed),
      "chance": intervals.estimate(means["chance"], seed=seed),
      "by_bug_kind": {
          kind: {
              "tasks": len(found), "samples": sum(map(len, found)),
              "names_bug": round(sum(map(sum, found)) / sum(map(len, found)), 6),
          }
          for kind, found in sorted(by_kind.items())
      },
  }


def _score(places: Sequence[frozenset[int]], target: frozenset[int]) -> float:
  return sum(bool(place & target) for place in places) / len(places) if places else 0.0


def _squeezed(text: str) -> str:
  return "".join(text.split())
