"""Proxy-based evaluation: how much do a model's rationales help another model to find the fix?

METHOD.md (Ni et al., NExT, arXiv 2404.14662, section 4): a proxy model gets the task and the rationale, without the
fix, and its pass@k measures the rationale. Code of a fix is taken out of the rationale's text too (`without_fix`),
because a rationale that dictates the line would measure copying. What words alone can dictate is counted apart: the
group "mended by" of the metrics has the tasks whose reference writes no new code (a line is to be removed, lines are to
change places), for which nothing can be cut, and the others, which are what to look at. The group "rationale" tells
"cut", "whole" (nothing was to be cut) and "none" apart.

What to compare it with: the same proxy with the base model's rationales (`when="base_and_last"` measures both), with
shuffled ones and with none.
"""

import dataclasses
import random
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.evaluation import changes
from next_jax.prompts import completion
from next_jax.prompts import prompt as prompts
from next_jax.prompts import rationales as rationales_lib
from next_jax.selftrain import evaluate
from next_jax.selftrain import settings
from next_jax.selftrain import processes
from next_jax.selftrain import stage

GIVEN = ("own", "shuffled", "none")
RATIONALES = "rationales.jsonl"
CUT = "..."
NONE = "(none)"
T = TypeVar("T")

_SHORTEST_LINE = 3  # characters: shorter lines, such as `x`, are words as well
_SHORTEST_PIECE = 3  # names, numbers and operators, of a line that stands in a text without quotes
_TOKEN = re.compile(r"\*\*=?|//=?|<<=?|>>=?|[-+*/%<>=!&|^@:]=?|\w+|[^\w\s]")
_CODE = re.compile(r"\w+|[-+*/%<>=!&|^@]+=?")
_OPENS, _CLOSES = re.compile(r"[`\"“]\Z"), re.compile(r"[`\"”]")
# What is asked for: "should be 3", "change it to n + 1", "replaced by `<=`".
_ASKED = re.compile(
    r"(?:\b(?:should|must|ought to|has to|needs? to) (?:be|read|use|say)|\bneeds?|\b(?:chang|replac|turn)\w*\b[^.\n]*"
    r"\b(?:to|with|by|into))(?: the)?\s*[`\"“]?\Z",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProxyEvaluation(evaluate.Evaluation):
  """An evaluation in which another model answers, given the rationales that the model wrote.

  Attributes:
    task: one of the setting `proxy`, such as "minirepair_proxy".
    of: name of the evaluation whose samples have the rationales, on the same split; it must run before this one. Of
      each task the first rationale counts.
    checkpoint: the proxy.
    engine: that runs it, where its network is not the run's.
    given: "own" gives each task its rationale, "shuffled" that of another task, "none" gives none: what the proxy does
      without, the rationale did not do.
  """

  of: str
  checkpoint: epath.PathLike
  engine: engine_lib.Engine | None = None
  given: str = "own"

  def __post_init__(self):
    super().__post_init__()
    if self.given not in GIVEN:
      raise evaluate.EvaluationError(
          f"evaluation {self.name!r}: given={self.given!r}, expected one of {', '.join(GIVEN)}"
      )

  def settings(self) -> dict[str, Any]:
    return {"of": self.of, "proxy_engine": self.engine, "given": self.given}

  def inputs(self, workdir: epath.Path, model: evaluate.Model) -> dict[str, str]:
    manifest = stage.read_manifest(self._rated(workdir, model))
    if manifest is None:
      raise evaluate.EvaluationError(
          f"evaluation {self.name!r}: of={self.of!r} has not been run for {model.name}; name an evaluation that stands"
          " before this one and is run for the same models"
      )
    return {"rationales": manifest.fingerprint, "checkpoint": settings.digest(self.checkpoint)}

  def answering(
      self, workdir: epath.Path, model: evaluate.Model, directory: epath.Path, tasks: Sequence[schema.RepairTask],
      prompt: prompts.Prompt, seed: int,
  ) -> evaluate.Answering:
    written = files.read_jsonl(self._rated(workdir, model) / "samples.jsonl", schema.Sample)
    first = first_rationales(tasks, written)
    given = [
        _Given.of(without_fix(one.rationale or "", task, one.fix), one.rationale or "")
        for task, one in zip(tasks, first, strict=True)
    ]
    counts = {
        "without_rationale": sum(one.became == "none" for one in given),
        "rationales_cut": sum(one.became == "cut" for one in given),
    }
    if self.given == "shuffled":
      given = shuffled(given, seed)
    elif self.given == "none":
      given = [_Given.of("", "")] * len(given)
    path = directory / RATIONALES
    shown = [dataclasses.replace(one, rationale=own.text or NONE) for one, own in zip(first, given, strict=True)]
    processes.current().from_first(lambda: files.write_jsonl(path, shown))
    became = {task.task_id: one.became for task, one in zip(tasks, given, strict=True)}
    whose = {"own": "its rationale", "shuffled": "its rationales shuffled", "none": "no rationale"}[self.given]
    return evaluate.Answering(
        checkpoint=self.checkpoint, engine=self.engine, counts=counts, input=f"proxy, {whose}",
        prompt=dataclasses.replace(prompt, rationales=rationales_lib.FromSamples(path)),
        groups={"rationale": lambda task: became[task.task_id]},
    )

  def _rated(self, workdir: epath.Path, model: evaluate.Model) -> epath.Path:
    return workdir / model.name / "evaluate" / self.of


@dataclasses.dataclass(frozen=True)
class _Given:
  """What a task is given: the text, and whether the rationale it is of was "cut", is "whole", or there was "none"."""

  text: str
  became: str

  @classmethod
  def of(cls, text: str, rationale: str) -> "_Given":
    return cls(text=text, became="none" if not rationale else "whole" if text == rationale.strip() else "cut")


def first_rationales(tasks: Sequence[schema.RepairTask], samples: Sequence[schema.Sample]) -> list[schema.Sample]:
  """For each task its first sample that has a rationale, or its first."""
  first: dict[str, schema.Sample] = {}
  for sample in samples:
    if sample.task_id not in first or (sample.rationale and not first[sample.task_id].rationale):
      first[sample.task_id] = sample
  for task in tasks:
    if task.task_id not in first:
      raise evaluate.EvaluationError(f"task {task.task_id!r}: there is no sample to take a rationale from")
  return [first[task.task_id] for task in tasks]


def without_fix(rationale: str, task: schema.RepairTask, fix: str | None) -> str:
  """The rationale with `...` for code blocks' and quoted lines' worth of fix.

  Taken out are code blocks and, of the lines that the model's own fix or the reference has and the buggy program has
  not, whatever the blanks in them:

    the whole line, with or without the colon of a header, wherever it stands in the text
    a piece of three names, numbers and operators or more, or all that is in quotes, that no line of the buggy program
    has: n <= 2
    a piece that is asked for ("should be 3", "change it to n + 1") and not in a line that the fix replaces

  What is said without the code ("the comparison should include the limit") stays: that is what a rationale is for.
  """
  text = completion.without_blocks(rationale)
  old = [_tokens(line) for line in changes.code(task.buggy_code).values()]
  new, replaced = [], []
  for program in (fix or "", task.reference_code):
    lines = changes.new_code(task.buggy_code, program)
    kept = {tuple(_tokens(line)) for line in changes.code(program).values()}
    new.extend((_tokens(line), len(line) >= _SHORTEST_LINE) for line in lines)
    replaced.extend(line for line in old if lines and tuple(line) not in kept)
  found = list(_TOKEN.finditer(text))
  words = [match.group() for match in found]
  parts, position, place = [], 0, 0
  while place < len(found):
    size = max((_common(words, place, line) for line, _ in new), default=0)
    start, end = found[place].start(), found[place + size - 1].end() if size else 0
    if size and _gives_away(text[:start], text[end:], words[place : place + size], old, new, replaced):
      parts += [text[position:start], CUT]
      position, place = end, place + size
    else:
      place += 1
  return "".join([*parts, text[position:]])


def _gives_away(
    before: str, behind: str, piece: list[str], old: Sequence[list[str]], new: Sequence[tuple[list[str], bool]],
    replaced: Sequence[list[str]],
) -> bool:
  """Whether a piece of new lines, between two parts of a text, is code of the fix."""
  if any(is_line and piece in (line, line[:-1] if line[-1] == ":" else line) for line, is_line in new):
    return True
  size = sum(_CODE.fullmatch(token) is not None for token in piece)
  is_all_quoted = _OPENS.search(before) is not None and _CLOSES.match(behind) is not None
  is_in_quotes = sum(before.rpartition("\n")[2].count(mark) for mark in '`"') % 2 == 1
  if size and _ASKED.search(before) and (is_all_quoted or not is_in_quotes):
    return not any(_contains(line, piece) for line in replaced)
  return (size >= _SHORTEST_PIECE or (size > 0 and is_all_quoted)) and not any(_contains(line, piece) for line in old)


def _tokens(line: str) -> list[str]:
  return _TOKEN.findall(line)


def _common(words: Sequence[str], place: int, line: Sequence[str]) -> int:
  """The most words from `place` on that stand in a line one behind the other."""
  longest = 0
  for start in range(len(line)):
    size = 0
    while start + size < len(line) and place + size < len(words) and line[start + size] == words[place + size]:
      size += 1
    longest = max(longest, size)
  return longest


def _contains(line: Sequence[str], piece: Sequence[str]) -> bool:
  return any(line[start : start + len(piece)] == piece for start in range(len(line) - len(piece) + 1))


def shuffled(items: Sequence[T], seed: int) -> list[T]:
  """The items moved on by one in a random order: none stays where it was, as long as there are two."""
  order = list(range(len(items)))
  random.Random(seed).shuffle(order)
  taken = {order[i]: items[order[i - 1]] for i in range(len(order))}
  return [taken[i] for i in range(len(items))]
