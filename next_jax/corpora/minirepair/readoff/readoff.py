"""The ReadOff corpus: tasks in the style of MiniRepair that only the trace answers."""

import ast
import collections
from collections.abc import Callable, Iterator, Sequence
import dataclasses
import random
from typing import Any, ClassVar

from next_jax import errors
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora.minirepair import draw
from next_jax.corpora.minirepair import generated
from next_jax.corpora.minirepair import generator as generator_lib
from next_jax.corpora.minirepair import rationales
from next_jax.corpora.minirepair import splits as splits_lib
from next_jax.corpora.minirepair.readoff import constants
from next_jax.corpora.minirepair.readoff import containers
from next_jax.corpora.minirepair.readoff import loops
from next_jax.corpora.minirepair.readoff import question as question_lib
from next_jax.corpora.minirepair.readoff import results

_OF_NAMES = (*results.FAMILIES, *loops.FAMILIES, *containers.FAMILIES)
FAMILIES = {family.__name__: family for family in (*_OF_NAMES, *constants.FAMILIES)}
SPLITS = ("train", "dev", "unseen")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadOffCase:
  """A task with the question that it came from.

  Attributes:
    case: The task with its family and canonical forms.
    question: The question.
    right, wrong: The candidates in the reference and in the bug.
  """

  case: generator_lib.Case
  question: question_lib.ReadOffQuestion
  right: str
  wrong: str

  @property
  def chance(self) -> float:
    """Chance of a right guess for someone who knows the wrong place and guesses among the other candidates."""
    return 1 / (len(self.question.candidates) - 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadOff(generated.GeneratedCorpus):
  """Repair tasks in which the trace names the fix, and code and tests do not.

  Each program computes five or six similar values, by arithmetic too long to do in the head, and uses the wrong one.
  The trace of the first public test shows all values at the end. Exactly one of them is what the test expects, and the
  fix uses that one. Description, tests and code alone show only that the present one is wrong. The right and the wrong
  candidate are drawn with equal chances (`ReadOffQuestion.pose`), so one guess in four or five is right, and experience
  with a family does not improve guesses.

  The base model of MiniRepair does not copy such programs well enough to fix any, so there are demonstrations to tune
  it on (gin_configs/runs/base_readoff.gin). As in MiniRepair, a share of them is right, and the others are just as
  confident. The same demonstrations are used with and without a trace. Everything is a pure function of these settings.

  Attributes:
    seed: Seed of everything that is drawn.
    num_train, num_dev, num_unseen: Number of tasks that `build` writes.
    faithful_share: Share of demonstrations whose fix is right; the fix of the others uses a third candidate.
    families: Names of families: those in which a name is wrong and the trace tells which one has the expected value, or
      those of `constants`.
    unseen_families: Families that are only in split "unseen"; all others are only in "train" and "dev".
    max_attempts: Maximum draws for one task; if none succeeds, the settings count as impossible.
    generator: Makes a task from a program.
    pairs: Assigns canonical (bug, fix) pairs to splits by hash.
  """

  name: ClassVar[str] = "readoff"

  seed: int = 0
  num_train: int = 1000
  num_dev: int = 500
  num_unseen: int = 300
  faithful_share: float = 0.5
  families: tuple[str, ...] = tuple(family.__name__ for family in _OF_NAMES)
  unseen_families: tuple[str, ...] = ("web", "unpacked", "by_number")
  max_attempts: int = 2000
  generator: generator_lib.Generator = generator_lib.Generator(max_trace_steps=60, max_pieces=600)
  pairs: splits_lib.Splits = splits_lib.Splits(salt="readoff-1")

  def __post_init__(self):
    for field, known in (("families", tuple(FAMILIES)), ("unseen_families", self.families)):
      if unknown := set(getattr(self, field)) - set(known):
        raise errors.CorpusError(
            f"ReadOff.{field}: no family {', '.join(sorted(unknown))}; known: {', '.join(known)}"
        )

  def split_names(self) -> tuple[str, ...]:
    return SPLITS

  def items(self, split: str, rejections: collections.Counter[str] | None = None) -> Iterator[ReadOffCase]:
    if split not in SPLITS:
      raise errors.CorpusError(f"unknown split {split!r} of readoff; known: {', '.join(SPLITS)}")
    num = {"train": self.num_train, "dev": self.num_dev, "unseen": self.num_unseen}[split]
    rejections = collections.Counter() if rejections is None else rejections
    seen: set[str] = set()

    def accepts(pair_key: str) -> bool:
      return self.pairs.owner(pair_key) == split and pair_key not in seen

    for number in range(num):
      item = self._item(random.Random(f"readoff/{self.seed}/{split}/{number}"), split, number, accepts, rejections)
      seen.add(item.case.pair_key)
      yield item

  def task_of(self, item: ReadOffCase) -> schema.RepairTask:
    return item.case.task

  def statistics(self, items: Sequence[ReadOffCase]) -> dict[str, Any]:
    cases = [item.case for item in items]
    return {
        "tasks": len(cases),
        "chance": round(sum(item.chance for item in items) / max(1, len(items)), 4),
        "vague_share": round(sum(case.vague for case in cases) / max(1, len(cases)), 4),
        "bug_kinds": generated.count(case.task.bug_kind for case in cases),
        "families": generated.count(case.family for case in cases),
    }

  def demonstration(self, number: int) -> generated.Demonstration:
    """A demonstration from a family of "train".

    The rationale asserts the fix, right or not, and quotes the state of the trace that it comes from, if any. Neither
    (bug, fix) nor (bug, reference) is a pair of dev or unseen.
    """
    rng = random.Random(f"readoff/{self.seed}/demonstration/{number}")
    faithful = rng.random() < self.faithful_share  # drawn before the programs, because some of those are rejected
    for _ in range(self.max_attempts):
      item = self._item(rng, "pretraining", number, self._for_training, collections.Counter())
      trace = item.case.task.trace
      assert trace is not None, item.case.task.task_id
      in_sight = item.question.in_sight(trace)
      others = [candidate for candidate in in_sight if candidate not in (item.right, item.wrong)]
      if faithful or others:
        chosen = item.right if faithful else rng.choice(others)
        task, fix = item.case.task, item.question.code(chosen)
        if self._for_training(_pair_key(item, fix)):
          rationale, without_trace = rationales.write(rng, task, fix, in_sight[chosen])
          return generated.Demonstration(
              task=task, rationale=rationale, rationale_without_trace=without_trace, fix=fix, faithful=faithful
          )
    raise errors.CorpusError(
        f"readoff: no demonstration number {number} in {self.max_attempts} programs; change families"
    )

  def _for_training(self, pair_key: str) -> bool:
    return self.pairs.owner(pair_key) == "train"

  def _item(
      self, rng: random.Random, split: str, number: int, accepts: Callable[[str], bool],
      rejections: collections.Counter[str],
  ) -> ReadOffCase:
    families = [name for name in self.families if (name in self.unseen_families) == (split == "unseen")]
    for _ in range(self.max_attempts if families else 0):
      found = self._attempt(rng, rng.choice(families), split, number, accepts)
      if isinstance(found, ReadOffCase):
        return found
      rejections[found.reason] += 1
    raise errors.CorpusError(
        f"readoff: no task number {number} for {split!r} found in {self.max_attempts} attempts; ask for fewer tasks or"
        " change unseen_families"
    )

  def _attempt(
      self, rng: random.Random, family: str, split: str, number: int, accepts: Callable[[str], bool]
  ) -> ReadOffCase | generator_lib.Rejected:
    question = FAMILIES[family](draw.Draw(rng))
    right, wrong = question.pose(rng)
    problem, bug = question.posed(right, wrong)
    case = self.generator.case(
        rng, problem, [bug], accepts, split=split, family=family,
        task_id=f"readoff/{split}/{number:05d}-{family}-{question.kind}",
    )
    if isinstance(case, generator_lib.Rejected):
      return case
    expected = ast.literal_eval(case.task.public_tests[0].rpartition(" == ")[2])
    trace = case.task.trace
    assert trace is not None, case.task.task_id
    if question.read_off(trace, expected) != [right]:
      return generator_lib.Rejected("not one value of the trace is the expected one, but more or none")
    return ReadOffCase(case=case, question=question, right=right, wrong=wrong)


def _pair_key(item: ReadOffCase, fix: str) -> str:
  return canonical.pair_key(item.case.canonical_bug, canonical.canonical(fix))
