"""MBPP-R: repair tasks from the problems of MBPP (NExT, arXiv 2404.14662, section 4; MBPP: arXiv 2108.07732).

NExT used wrong solutions written by language models. Here, configurable origins supply the bugs: samples of models
(`model_written`), mutants of the reference solutions (`mutants`), or both. Each bug is labelled with its origin and
proven to fail a test that the reference passes.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import hashlib
import math
import random
from typing import Any, ClassVar

from etils import epath
import tqdm

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import bugs as bugs_lib
from next_jax.corpora import canonical
from next_jax.corpora import contamination
from next_jax.corpora import downloads
from next_jax.corpora import lengths as lengths_lib
from next_jax.corpora import mutants
from next_jax.corpora import proving
from next_jax.corpora import rounds as rounds_lib
from next_jax.corpora import statistics
from next_jax.execution import executor as executor_lib
from next_jax.execution.benchmarks import problems as problems_lib
from next_jax.tracing.recording import recorder

# The authors' validation and training splits. Problems 1-10 (prompts) and 11-510 (test) are not used.
SPLITS = {"dev": range(511, 601), "train": range(601, 975)}
NUM_PROBLEMS = 974
URL = (
    "https://raw.githubusercontent.com/google-research/google-research/4700efb9afa54286b0e04473ba80a13e8461e25f/"
    "mbpp/mbpp.jsonl"
)

# Minimum and maximum number of candidates per round: enough to keep the workers busy while the last endless ones use up
# their time, few enough that the progress bar moves and a killed build loses little.
_MIN_ROUND, _MAX_ROUND = 8, 512


@dataclasses.dataclass(frozen=True, kw_only=True)
class MbppR:
  """The corpus; its tasks are a function of these settings and of the files.

  MBPP has three asserts per problem, sometimes a few "challenge" ones. If the prompt showed all of them, a fix that
  hard-codes three answers would pass. So the first assert that the bug fails and `num_public_tests - 1` more are
  public, and the others are hidden; challenge tests come last in that order. Training problems whose reference equals
  that of a development problem up to names and layout are left out (there are five).

  Attributes:
    file: `mbpp.jsonl`, plain or .gz; None downloads it from its authors.
    seed: Seed for the choice of bugs.
    origins: Origins of the bugs, in order of preference: each fills what the ones before leave, problem by problem.
    num_train, num_dev: Maximum number of tasks, spread evenly over the problems; None takes all.
    num_public_tests: Number of public tests, which the prompt shows.
    bug_cpu_seconds: See `proving.Prover`; None means the executor's limit.
    trace_budget: Limits of the traces, which cut the trace of an endless bug.
    lengths: Measures the prompts for the statistics; None leaves this out.
  """

  name: ClassVar[str] = "mbpp_r"
  changes_no_result: ClassVar[tuple[str, ...]] = ("lengths",)  # of the tasks; see stages/settings.py

  file: epath.PathLike | None = None
  seed: int = 0
  origins: tuple[bugs_lib.Origin, ...] = (mutants.Mutants(),)
  num_train: int | None = None
  num_dev: int | None = None
  num_public_tests: int = 2
  bug_cpu_seconds: float | None = 1.0
  trace_budget: recorder.Budget = proving.TRACE_BUDGET
  lengths: lengths_lib.PromptLengths | None = None

  def __post_init__(self):
    for name in ("num_train", "num_dev", "num_public_tests", "bug_cpu_seconds"):
      value = getattr(self, name)
      if value is not None and (value <= 0 if name == "bug_cpu_seconds" else value < 1):
        raise errors.CorpusError(f"MbppR.{name}: found {value!r}, expected 1 or more")
    if not self.origins:
      raise errors.CorpusError("MbppR.origins: found none, expected one or more, such as mutants.Mutants()")

  def build(self, directory: epath.PathLike, executor: executor_lib.Executor) -> dict[str, int]:
    """Writes dev.jsonl, train.jsonl and the statistics; returns the number of tasks in each split.

    A killed build resumes after its last finished round.

    Raises:
      FileError, ExecutionError: A file is missing or malformed; names line and key.
      CorpusError: The file lacks problems of a split, a killed build left results of other settings, train and dev
        share repairs or problems, or no file was given and the download fails.
    """
    directory = epath.Path(directory)
    path = epath.Path(self.file) if self.file is not None else downloads.fetch(SOURCE)
    by_number = _problems(path)
    problems = list(by_number.values())
    candidates = [origin.bugs(problems, self.seed) for origin in self.origins]
    prover = proving.Prover(
        executor, form=self._formed, bug_cpu_seconds=self.bug_cpu_seconds, budget=self.trace_budget
    )
    left_out = _same_references(by_number)
    report: dict[str, Any] = {
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "seed": self.seed,
        "problems_left_out": {str(number): f"the reference is that of {dev}" for number, dev in left_out.items()},
        "sources": [source for origin in self.origins for source in origin.sources(problems)],
        "aim": {"dev": self.num_dev, "train": self.num_train} if self.num_dev and self.num_train else {},
        "splits": {},
    }
    seen: set[str] = set()
    tasks, kept = {}, []
    for split, limit in (("dev", self.num_dev), ("train", self.num_train)):
      of_split = [by_number[number] for number in SPLITS[split] if number not in left_out]
      rounds = rounds_lib.Rounds(directory / f"{split}.parts")
      kept.append(rounds)
      search = _Search(self, split, of_split, limit, seen, candidates)
      proven = search.run(rounds, prover)
      tasks[split] = [one.task for one in proven if one.task is not None]
      report["splits"][split] = statistics.of_split(
          tasks[split], [one.shows for one in proven], search.dropped, self.lengths
      )
    report["contamination"] = contamination.overlaps(tasks)
    contamination.check(report["contamination"], "train", "dev")
    for split, written in tasks.items():
      files.write_jsonl(directory / f"{split}.jsonl", written)
    statistics.write(directory, "MBPP-R", report)
    for rounds in kept:
      rounds.remove()
    return {split: len(of_split) for split, of_split in tasks.items()}

  def _formed(self, task: schema.RepairTask) -> schema.RepairTask:
    tests = task.tests
    return dataclasses.replace(
        task, public_tests=tests[: self.num_public_tests], hidden_tests=tests[self.num_public_tests :]
    )


class _Search:
  """Searches the tasks of one split in rounds of candidates, until there are enough tasks or no more candidates."""

  def __init__(
      self, settings: MbppR, split: str, problems: Sequence[problems_lib.Problem], limit: int | None, seen: set[str],
      candidates: list[Mapping[str, Iterator[bugs_lib.Bug]]],
  ):
    self.dropped: list[str] = []
    self._settings = settings
    self._split = split
    self._seen = seen
    self._candidates = candidates  # one mapping per origin
    self._problems = {problem.task_id: problem for problem in problems}
    self._references = {task_id: canonical.canonical(problem.canonical) for task_id, problem in self._problems.items()}
    self._goal = min(sum(origin.per_problem for origin in settings.origins) * len(problems), limit or math.inf)
    self._found: dict[str, list[proving.ProofResult]] = {task_id: [] for task_id in self._problems}
    # Numbers of tasks found plus candidates being proven, by (problem, origin) and by origin.
    self._counts: collections.Counter = collections.Counter()
    self._exhausted: set[tuple[str, int]] = set()
    # Problems in the order of their turns; shuffled, so that a small corpus does not cover only the first problems.
    self._turns = collections.deque(self._found)
    random.Random(f"mbpp_r/{settings.seed}/{split}").shuffle(self._turns)
    self._num_tried = 0

  def run(self, rounds: rounds_lib.Rounds, prover: proving.Prover) -> list[proving.ProofResult]:
    """The proven tasks, grouped by problem."""
    with tqdm.tqdm(total=self._goal, unit=" tasks", desc=f"  mbpp_r/{self._split}", leave=False) as bar:
      while self._num_found < self._goal and (batch := self._next_round()):
        claims = [claim for claim, _ in batch]
        for result, (_, key) in zip(rounds.results(claims, prover.prove), batch, strict=True):
          if result.task is None:
            self.dropped.append(result.reason)
            self._count(key, -1)
          elif self._num_found < self._goal:
            self._found[key[0]].append(result)
            bar.update()
    return [
        dataclasses.replace(one, task=dataclasses.replace(one.task, task_id=f"mbpp_r/{problem}/{number:02d}"))
        for problem, found in self._found.items()
        for number, one in enumerate(found)
        if one.task is not None
    ]

  @property
  def _num_found(self) -> int:
    return sum(map(len, self._found.values()))

  def _next_round(self) -> list[tuple[schema.RepairTask, tuple[str, int]]]:
    """As many claims as tasks are missing, each with its (problem, origin); problems take turns. Empty at the end."""
    size = min(max(self._goal - self._num_found, _MIN_ROUND), _MAX_ROUND)
    batch: list[tuple[schema.RepairTask, tuple[str, int]]] = []
    waiting = []  # problems that have enough claims for this round
    while self._turns and len(batch) < size:
      problem = self._turns.popleft()
      found = self._next_claim(problem)
      if found is not None:
        self._count(found[1], 1)
        batch.append(found)
        self._turns.append(problem)
      elif any((problem, number) not in self._exhausted for number in range(len(self._candidates))):
        waiting.append(problem)
    self._turns.extend(waiting)
    return batch

  def _next_claim(self, problem: str) -> tuple[schema.RepairTask, tuple[str, int]] | None:
    """A claim from the first origin that has a candidate and has not reached its quota; None if there is none."""
    for number, (origin, candidates) in enumerate(zip(self._settings.origins, self._candidates, strict=True)):
      key = (problem, number)
      if self._counts[key] >= origin.per_problem or self._counts[number] >= origin.share * self._goal:
        continue
      if key not in self._exhausted:
        for bug in candidates.get(problem, ()):
          reason = self._refusal(problem, bug)
          if reason is None:
            return self._claim(self._problems[problem], bug, origin.name), key
          self.dropped.append(reason)
        self._exhausted.add(key)
    return None

  def _count(self, key: tuple[str, int], by: int) -> None:
    self._counts[key] += by
    self._counts[key[1]] += by

  def _refusal(self, problem: str, bug: bugs_lib.Bug) -> str | None:
    """The reason not to run a candidate; None to run it."""
    tree = canonical.compiled(bug.code)
    if tree is None:
      return "it does not compile"
    if not canonical.defines(tree, self._problems[problem].entry_point):
      return "it does not define the function"
    form = canonical.canonical_tree(tree)
    if form == self._references[problem]:
      return "it is the reference up to names and layout"
    key = canonical.pair_key(form, self._references[problem])
    if key in self._seen:
      return "the same bug and fix up to names and layout"
    self._seen.add(key)
    return None

  def _claim(self, problem: problems_lib.Problem, bug: bugs_lib.Bug, origin: str) -> schema.RepairTask:
    self._num_tried += 1
    return schema.RepairTask(
        task_id=f"mbpp_r/{problem.task_id}/candidate_{self._num_tried}", split=self._split,
        instruction=problem.instruction, entry_point=problem.entry_point, buggy_code=bug.code,
        reference_code=problem.canonical, setup_code=problem.setup_code, public_tests=problem.tests, hidden_tests=(),
        bug_kind=bug.kind, bug_origin=origin,
    )


def _same_references(problems: Mapping[int, problems_lib.Problem]) -> dict[int, int]:
  """Training problem -> development problem whose reference is equal up to names and layout."""
  dev = {canonical.canonical(problems[number].canonical): number for number in SPLITS["dev"]}
  forms = {number: canonical.canonical(problems[number].canonical) for number in SPLITS["train"]}
  return {number: dev[form] for number, form in forms.items() if form in dev}


def _problems(path: epath.Path) -> dict[int, problems_lib.Problem]:
  """The problems of the file by number; raises CorpusError if some of the two splits are missing."""
  problems = {int(p.task_id): p for p in problems_lib.read_problems(path) if p.task_id.isdecimal()}
  missing = [number for numbers in SPLITS.values() for number in numbers if number not in problems]
  if missing:
    raise errors.CorpusError(
        f"{path}: expected the MBPP problems 511-974, found no task_id {', '.join(map(str, missing[:5]))}"
        f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}; give the whole mbpp.jsonl of {URL}"
    )
  return problems


def _check(path: epath.Path) -> None:
  problems = _problems(path)
  if len(problems) != NUM_PROBLEMS:
    raise errors.CorpusError(f"{path}: expected {NUM_PROBLEMS} problems, found {len(problems)}")


SOURCE = downloads.Download(
    url=URL, file_name="mbpp.jsonl", setting="MbppR.file", check=_check,
    sha256="ccf64ceae9c5403bf50a044cb6d505bfd2a2963ee58338ba268fd65beab92a9f",
)
