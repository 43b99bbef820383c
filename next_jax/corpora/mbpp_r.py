"""MBPP-R: repair tasks from the problems of MBPP (NExT, arXiv 2404.14662, section 4; MBPP: arXiv 2108.07732).

NExT took wrong solutions that language models had written. Here bugs are mutants of the reference solutions, and
labelled so ("mutant"); each is proven to fail a test that the reference passes.
"""

import collections
import dataclasses
import hashlib
import math
import random
from collections.abc import Iterator
from typing import Any, ClassVar

import tqdm
from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora import corpus as corpus_lib
from next_jax.corpora import downloads
from next_jax.corpora import mutations
from next_jax.corpora import proving
from next_jax.corpora import statistics
from next_jax.execution import executor as executor_lib
from next_jax.execution import problems as problems_lib
from next_jax.tracing import recorder

# The authors' split: training and validation. Problems 1-10 (prompts) and 11-510 (test) are not used.
SPLITS = {"dev": range(511, 601), "train": range(601, 975)}
NUM_PROBLEMS = 974
URL = "https://raw.githubusercontent.com/google-research/google-research/master/mbpp/mbpp.jsonl"

# Mutants that are run at once: enough to keep the workers busy, few enough for a bar that moves.
_MIN_ROUND, _MAX_ROUND = 8, 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class MbppR:
  """The corpus; its tasks are a function of these settings and of the file.

  MBPP has three asserts a problem, sometimes a few "challenge" ones. If all were in the prompt, a fix that writes
  down three answers would pass. So the first that the bug fails and `num_public_tests - 1` more are public, and the
  others are hidden; challenge tests come last in that order.

  Attributes:
    file: `mbpp.jsonl`, plain or .gz; None downloads it from its authors.
    seed: of the choice of mutants.
    mutants_per_problem: at most so many tasks from one problem.
    num_train, num_dev: at most so many tasks, spread evenly over the problems; None takes all.
    num_public_tests: in the prompt.
    kinds: of mutations.
    max_candidates: mutants to try before a problem is given up, as a multiple of `mutants_per_problem`.
    trace_budget: where the trace of an endless bug is cut.
  """

  name: ClassVar[str] = "mbpp_r"

  file: epath.PathLike | None = None
  seed: int = 0
  mutants_per_problem: int = 8
  num_train: int | None = None
  num_dev: int | None = None
  num_public_tests: int = 2
  kinds: tuple[str, ...] = mutations.KINDS
  max_candidates: float = 3.0
  trace_budget: recorder.Budget = proving.TRACE_BUDGET

  def __post_init__(self):
    for name in ("mutants_per_problem", "num_train", "num_dev", "num_public_tests"):
      value = getattr(self, name)
      if value is not None and value < 1:
        raise corpus_lib.CorpusError(f"MbppR.{name}: found {value!r}, expected 1 or more")
    for kind in self.kinds:
      if kind not in mutations.KINDS:
        raise corpus_lib.CorpusError(f"MbppR.kinds: unknown mutation {kind!r}; known: {', '.join(mutations.KINDS)}")

  def build(self, directory: epath.PathLike, executor: executor_lib.Executor) -> dict[str, int]:
    """Writes dev.jsonl, train.jsonl and statistics.json; returns the tasks of each split.

    Raises:
      FileError, ProblemError: the file is missing or malformed; with line and key.
      CorpusError: the file lacks problems of a split.
      DownloadError: no file was given and it cannot be downloaded.
    """
    directory = epath.Path(directory)
    path = epath.Path(self.file) if self.file is not None else downloads.fetch(SOURCE)
    problems = _problems(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    report: dict[str, Any] = {"file_sha256": digest, "seed": self.seed, "splits": {}}
    seen: set[str] = set()  # dev comes first, so no pair of dev can be in train
    counts = {}
    for split, limit in (("dev", self.num_dev), ("train", self.num_train)):
      search = _Search(self, split, [problems[number] for number in SPLITS[split]], limit, seen, executor)
      proven = search.run()
      tasks = list(proving.traced([one.task for one in proven], executor, self.trace_budget))
      files.write_jsonl(directory / f"{split}.jsonl", tasks)
      report["splits"][split] = {
          "problems": len({task.task_id.split("/")[1] for task in tasks}),
          **statistics.of_split(tasks, [one.shows for one in proven], search.dropped),
      }
      counts[split] = len(tasks)
    files.write_json(directory / "statistics.json", report)
    return counts


class _Search:
  """The search for the tasks of one split: rounds of mutants, until there are enough or no more."""

  def __init__(self, settings, split, problems, limit, seen, executor):
    self.dropped: list[str] = []
    self._settings = settings
    self._split = split
    self._seen = seen
    self._executor = executor
    self._goal = min(settings.mutants_per_problem * len(problems), limit or math.inf)
    self._found: dict[str, list[proving.Proven]] = {problem.task_id: [] for problem in problems}
    self._tried = dict.fromkeys(self._found, 0)
    self._candidates = {problem.task_id: self._candidates_of(problem) for problem in problems}
    # Whose turn it is; shuffled, so that a small corpus is not that of the first problems.
    self._turns = collections.deque(self._found)
    random.Random(f"mbpp_r/{settings.seed}/{split}").shuffle(self._turns)

  def run(self) -> list[proving.Proven]:
    """The tasks that were proven, by problem."""
    with tqdm.tqdm(total=self._goal, unit=" tasks", desc=f"  mbpp_r/{self._split}", leave=False) as bar:
      while self._num_found < self._goal and (batch := self._next_round()):
        for one in proving.prove(batch, self._executor):
          if isinstance(one, proving.Dropped):
            self.dropped.append(one.reason)
          elif self._num_found < self._goal:
            self._found[_problem_id(one.task)].append(one)
            bar.update()
    return [
        dataclasses.replace(one, task=dataclasses.replace(one.task, task_id=f"mbpp_r/{problem}/{number:02d}"))
        for problem, found in self._found.items()
        for number, one in enumerate(found)
    ]

  @property
  def _num_found(self) -> int:
    return sum(map(len, self._found.values()))

  def _next_round(self) -> list[schema.RepairTask]:
    """As many mutants as tasks are lacking, one problem after the other; none when there are no more."""
    size = min(max(self._goal - self._num_found, _MIN_ROUND), _MAX_ROUND)
    most = math.ceil(self._settings.max_candidates * self._settings.mutants_per_problem)
    batch: list[schema.RepairTask] = []
    pending: collections.Counter[str] = collections.Counter()
    waiting = []  # have enough once this round is proven
    while self._turns and len(batch) < size:
      problem = self._turns.popleft()
      if len(self._found[problem]) + pending[problem] >= self._settings.mutants_per_problem:
        waiting.append(problem)
        continue
      task = next(self._candidates[problem], None) if self._tried[problem] < most else None
      if task is None:
        continue  # for good
      self._tried[problem] += 1
      pending[problem] += 1
      batch.append(task)
      self._turns.append(problem)
    self._turns.extend(waiting)
    return batch

  def _candidates_of(self, problem: problems_lib.Problem) -> Iterator[schema.RepairTask]:
    rng = random.Random(f"mbpp_r/{self._settings.seed}/{problem.task_id}")
    fix = canonical.canonical(problem.canonical)
    num_public = self._settings.num_public_tests
    for mutant in mutations.mutants(problem.canonical, rng, self._settings.kinds):
      key = canonical.pair_key(canonical.canonical(mutant.code), fix)
      if key in self._seen:
        self.dropped.append("the same bug and fix up to names and layout")
        continue
      self._seen.add(key)
      yield schema.RepairTask(
          task_id=f"mbpp_r/{problem.task_id}/candidate", split=self._split,
          instruction=problem.instruction, entry_point=problem.entry_point, buggy_code=mutant.code,
          reference_code=problem.canonical, setup_code=problem.setup_code, public_tests=problem.tests[:num_public],
          hidden_tests=problem.tests[num_public:], bug_kind=mutant.kind, bug_origin="mutant",
      )


def _problem_id(task: schema.RepairTask) -> str:
  return task.task_id.split("/")[1]


def _problems(path: epath.Path) -> dict[int, problems_lib.Problem]:
  """Raises CorpusError when the file has not the problems of both splits."""
  problems = {int(p.task_id): p for p in problems_lib.read_problems(path) if p.task_id.isdecimal()}
  missing = [number for numbers in SPLITS.values() for number in numbers if number not in problems]
  if missing:
    raise corpus_lib.CorpusError(
        f"{path}: expected the MBPP problems 511-974, found no task_id {', '.join(map(str, missing[:5]))}"
        f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}; give the whole mbpp.jsonl of {URL}"
    )
  return problems


def _check(path: epath.Path) -> None:
  problems = _problems(path)
  if len(problems) != NUM_PROBLEMS:
    raise corpus_lib.CorpusError(f"{path}: expected {NUM_PROBLEMS} problems, found {len(problems)}")


# The authors publish no digest, so the content is checked; the digest of what was used is in statistics.json.
SOURCE = downloads.Source(url=URL, file_name="mbpp.jsonl", setting="MbppR.file", check=_check)
