"""HeFix+: the 164 HumanEvalFix tasks, bugs that people put into HumanEval's solutions (OctoPack, arXiv 2308.07124).

The tests of HumanEval+ (EvalPlus, arXiv 2305.01210) decide the verdict, as in NExT (arXiv 2404.14662). The only split
is "test": it is for measurement, never for training.
"""

import ast
from collections.abc import Iterator
import dataclasses
import hashlib
import inspect
import json
import re
from typing import Any, ClassVar

from etils import epath
import tqdm

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import contamination
from next_jax.corpora import downloads
from next_jax.corpora import lengths as lengths_lib
from next_jax.corpora import proving
from next_jax.corpora import public_tests
from next_jax.corpora import rounds as rounds_lib
from next_jax.corpora import statistics
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution.benchmarks import plus
from next_jax.execution.benchmarks import problems as problems_lib
from next_jax.tracing.recording import recorder

SPLIT = "test"
NUM_PROBLEMS = 164
URL = "https://huggingface.co/datasets/bigcode/humanevalpack/resolve/main/data/python/data/humanevalpack.jsonl"
PLUS_URL = "https://github.com/evalplus/humanevalplus_release/releases/download/v0.1.10/HumanEvalPlus.jsonl.gz"

# sha256 of the programs and tests of HumanEvalFix; equal for the copy in OctoPack's own repository and for ours.
_PROGRAMS_SHA256 = "cb1f45fd28e3364fae77898d2396b74be3791c476ca513805f605544331598ed"

_ROUND = 32  # tasks per round of proving

# On the inputs of HumanEval+, HumanEval's right programs for these problems take from 2 seconds to hours; EvalPlus's
# take hundredths of a second. This is a fixed list because slowness must not depend on the machine. Wrong programs are
# found by running them.
_SLOW = frozenset({"31", "39", "55", "63", "75", "96", "103", "127", "147"})

# Their own tests are random round trips in a loop, and their docstrings have no examples: nothing can be shown or
# traced.
_TESTS_OF_OURS: dict[str, tuple[str, ...]] = {
    "decode_cyclic": ('assert decode_cyclic("bcaefdgh") == "abcdefgh"',),
    "decode_shift": ('assert decode_shift("fghij") == "abcde"',),
}


def _oracle() -> executor_lib.Executor:
  return executor_lib.Executor(limits=limits_lib.Limits(cpu_seconds=60.0, judge_cpu_seconds=60.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class HefixPlus:
  """The corpus; its tasks are a function of these settings and of the two files.

  The public tests are single asserts of HumanEval's test program, starting with the first that the bug fails. If there
  are no single asserts, they are the examples of the docstring. The hidden tests are those of HumanEval+: its inputs,
  which include HumanEval's own, the outputs of the right program for them, and its tolerances. A bug that fails only
  hidden tests is traced on the first public test. The reference is HumanEvalFix's right program, or HumanEval+'s if
  that program fails HumanEval+ or takes too long on its inputs.

  Attributes:
    file: `humanevalpack.jsonl` of the Python part, plain or .gz; None downloads it from its authors.
    plus_file: `HumanEvalPlus.jsonl`, plain or .gz; None downloads it from its authors.
    num_public_tests: Number of public tests, which the prompt shows.
    docstring_in_program: Leave the docstring in the program, as in the benchmark, with the one-line instruction ("Fix
      bugs in f."). False moves the docstring from the program to the instruction, as in NExT's prompts.
    trace_budget: Limits of the traces, which cut the trace of an endless bug.
    lengths: Measures the prompts for the statistics; None leaves this out.
    oracle: Runs HumanEval+'s right programs to get the expected outputs. Three of them take about 4 seconds. A task
      whose right program takes longer than the executor of `build` allows is dropped, because no fix could pass.
  """

  name: ClassVar[str] = "hefix_plus"
  changes_no_result: ClassVar[tuple[str, ...]] = ("lengths", "oracle")  # of the tasks; see stages/settings.py

  file: epath.PathLike | None = None
  plus_file: epath.PathLike | None = None
  num_public_tests: int = 3
  docstring_in_program: bool = True
  trace_budget: recorder.Budget = proving.TRACE_BUDGET
  lengths: lengths_lib.PromptLengths | None = None
  oracle: executor_lib.Executor = dataclasses.field(default_factory=_oracle)

  def __post_init__(self):
    if self.num_public_tests < 1:
      raise errors.CorpusError(f"HefixPlus.num_public_tests: found {self.num_public_tests!r}, expected 1 or more")

  def build(self, directory: epath.PathLike, executor: executor_lib.Executor) -> dict[str, int]:
    """Writes test.jsonl and the statistics; returns the number of tasks in the split.

    A killed build resumes after its last finished round.

    Raises:
      FileError, ExecutionError: A file is missing or malformed (the message names line and key), or a right program of
        HumanEval+ does not run on its inputs within the limits of `oracle`.
      CorpusError: A file has no repair tasks or not those of the other file, a killed build left results of other
        settings, or no file was given and the download fails.
    """
    directory = epath.Path(directory)
    path = epath.Path(self.file) if self.file is not None else downloads.fetch(SOURCE)
    plus_path = epath.Path(self.plus_file) if self.plus_file is not None else downloads.fetch(PLUS_SOURCE)
    pairs = _pairs(_problems(path), plus_path)
    expected = directory / "expected.parts"
    tested = self._tested([judge for _, judge in pairs], expected)
    slow = [index for index, (problem, _) in enumerate(pairs) if _number(problem.task_id) in _SLOW]
    claims = [
        self._claim(problem, judge.tests, (judge if index in slow else problem).canonical)
        for index, ((problem, _), judge) in enumerate(zip(pairs, tested, strict=True))
    ]
    rounds = rounds_lib.Rounds(directory / f"{SPLIT}.parts")
    prover = proving.Prover(executor, form=self._formed, budget=self.trace_budget)
    results = list(_prove(rounds, prover, claims))
    # Some of HumanEval's right programs are wrong; EvalPlus has corrected them.
    wrong = [index for index, one in enumerate(results) if one.reason.startswith(proving.WRONG_REFERENCE)]
    corrected = [self._claim(pairs[index][0], tested[index].tests, tested[index].canonical) for index in wrong]
    for index, result in zip(wrong, _prove(rounds, prover, corrected), strict=True):
      results[index] = result
    proven = [one for one in results if one.task is not None]
    tasks = [one.task for one in results if one.task is not None]
    dropped = {one.task_id: one.reason for one in results if one.task is None}
    report: dict[str, Any] = {
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "plus_file_sha256": hashlib.sha256(plus_path.read_bytes()).hexdigest(),
        "tests": "HumanEval+",
        "inputs": {
            part: sum(len(getattr(judge.inputs, part)) for _, judge in pairs) for part in ("base", "plus")
        },
        "inputs_left_out": {judge.task_id: left for judge in tested if (left := _left_out(judge))},
        "references_of_humaneval_plus": [claims[index].task_id for index in sorted({*slow, *wrong})],
        "bugs_that_fail_hidden_tests_only": [one.task_id for one in proven if one.hidden_only],
        "dropped_tasks": dropped,
        "splits": {
            SPLIT: statistics.of_split(tasks, [one.shows for one in proven], dropped.values(), self.lengths)
        },
        "contamination": contamination.overlaps({SPLIT: tasks}),
    }
    files.write_jsonl(directory / f"{SPLIT}.jsonl", tasks)
    statistics.write(directory, "HeFix+", report)
    rounds.remove()
    if expected.exists():
      expected.rmtree()
    return {SPLIT: len(tasks)}

  def _tested(self, problems: list[problems_lib.Problem], cache: epath.Path) -> list[problems_lib.Problem]:
    """The problems with their tests, computed in rounds, so that a killed build keeps finished rounds."""
    tested = []
    with self.oracle as oracle, tqdm.tqdm(
        total=len(problems), unit=" problems", desc="  expected outputs", leave=False
    ) as bar:
      for begin in range(0, len(problems), _ROUND):
        tested += plus.with_tests(problems[begin : begin + _ROUND], oracle, cache=cache)
        bar.update(len(tested) - begin)
    return tested

  def _claim(self, problem: problems_lib.Problem, hidden: tuple[str, ...], reference: str) -> schema.RepairTask:
    assert problem.buggy is not None, problem.task_id  # every problem of the benchmark has a bug
    buggy, instruction = problem.buggy, problem.instruction
    docstring = _docstring(problem)
    if docstring and (not self.docstring_in_program or not instruction):
      instruction = docstring
    if not self.docstring_in_program:
      buggy = _without_docstring(buggy, problem.entry_point)
      reference = _without_docstring(reference, problem.entry_point)
    (program,) = problem.tests
    tests = (
        list(public_tests.asserts(program, problem.entry_point))
        or list(public_tests.examples(docstring, problem.entry_point))
        or _TESTS_OF_OURS.get(problem.entry_point, ())
    )
    return schema.RepairTask(
        task_id=f"{self.name}/{problem.task_id}", split=SPLIT, instruction=instruction, entry_point=problem.entry_point,
        buggy_code=buggy, reference_code=reference, setup_code=problem.setup_code, public_tests=tuple(tests),
        hidden_tests=hidden, bug_kind=problem.bug_type or "unknown", bug_origin="benchmark",
    )

  def _formed(self, task: schema.RepairTask) -> schema.RepairTask:
    """Drops surplus public tests; HumanEval+ has their inputs."""
    return dataclasses.replace(task, public_tests=task.public_tests[: self.num_public_tests])


def _prove(
    rounds: rounds_lib.Rounds, prover: proving.Prover, claims: list[schema.RepairTask]
) -> Iterator[proving.ProofResult]:
  with tqdm.tqdm(total=len(claims), unit=" tasks", desc="  hefix_plus", leave=False) as bar:
    for some in rounds_lib.in_rounds(claims, _ROUND):
      yield from rounds.results(some, prover.prove)
      bar.update(len(some))


def _pairs(
    problems: list[problems_lib.Problem], plus_path: epath.Path
) -> list[tuple[problems_lib.Problem, problems_lib.Problem]]:
  """Pairs each problem of HumanEvalPack with its problem in HumanEval+; raises CorpusError if there is none."""
  by_number = {_number(judge.task_id): judge for judge in problems_lib.read_problems(plus_path)}
  pairs = []
  for problem in problems:
    judge = by_number.get(_number(problem.task_id))
    if judge is None or judge.inputs is None or judge.entry_point != problem.entry_point:
      found = "none" if judge is None else f"{judge.task_id!r}, a problem about {judge.entry_point!r}"
      raise errors.CorpusError(
          f"{plus_path}: expected the inputs of HumanEval+ for {problem.task_id!r} ({problem.entry_point!r}), found"
          f" {found}; give HumanEvalPlus.jsonl.gz ({PLUS_URL})"
      )
    pairs.append((problem, judge))
  return pairs


def _number(task_id: str) -> str:
  return re.findall(r"[0-9]*$", task_id)[0]


def _left_out(judge: problems_lib.Problem) -> dict[str, list[int]]:
  return {part: list(numbers) for part, numbers in judge.left_out.items() if numbers}


def _docstring(problem: problems_lib.Problem) -> str:
  function = _function(problem.canonical, problem.entry_point)
  return inspect.cleandoc(ast.get_docstring(function) or "") if function else ""


def _without_docstring(code: str, entry_point: str) -> str:
  function = _function(code, entry_point)
  if function is None or ast.get_docstring(function) is None or len(function.body) == 1:
    return code
  first = function.body[0]
  lines = code.split("\n")
  return "\n".join(lines[: first.lineno - 1] + lines[first.end_lineno :])


def _function(code: str, name: str) -> ast.FunctionDef | None:
  """The last top-level definition of the name, which is the one in effect."""
  found = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef) and node.name == name]
  return found[-1] if found else None


def _problems(path: epath.Path) -> list[problems_lib.Problem]:
  problems = problems_lib.read_problems(path)
  for problem in problems:
    if problem.buggy is None:
      raise errors.CorpusError(
          f"{path}: task_id {problem.task_id!r} has no key 'buggy_solution'; expected the Python part of HumanEvalPack"
          f" ({URL})"
      )
  return problems


def _check(path: epath.Path) -> None:
  problems = _problems(path)
  if len(problems) != NUM_PROBLEMS:
    raise errors.CorpusError(f"{path}: expected {NUM_PROBLEMS} problems, found {len(problems)}")
  digest = _programs_digest(problems)
  if digest != _PROGRAMS_SHA256:
    raise errors.CorpusError(
        f"{path}: the sha256 of its programs and tests, without blank lines, is {digest}, expected {_PROGRAMS_SHA256}:"
        " HumanEvalFix has changed at its source, so results are not those of others; to use it all the same,"
        " download it and give its path as HefixPlus.file"
    )


def _programs_digest(problems: list[problems_lib.Problem]) -> str:
  """sha256 that is equal for all copies of HumanEvalFix, which differ in columns and in trailing blanks."""
  rows = [
      [problem.task_id, problem.entry_point, *map(_lines, (problem.canonical, problem.buggy or "", *problem.tests))]
      for problem in problems
  ]
  return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _lines(code: str) -> list[str]:
  return [line.rstrip() for line in code.split("\n") if line.strip()]


def _check_plus(path: epath.Path) -> None:
  problems = [problem for problem in problems_lib.read_problems(path) if problem.inputs is not None]
  if len(problems) != NUM_PROBLEMS:
    raise errors.CorpusError(f"{path}: expected {NUM_PROBLEMS} problems with inputs, found {len(problems)}")


# The file at the source may gain columns, so `_check` compares a digest of programs and tests only. The digest of the
# whole file that was used is in statistics.json.
SOURCE = downloads.Download(url=URL, file_name="humanevalpack_python.jsonl", setting="HefixPlus.file", check=_check)
# This digest of the unpacked content is the one that evalplus itself checks.
PLUS_SOURCE = downloads.Download(
    url=PLUS_URL, file_name="HumanEvalPlus-v0.1.10.jsonl.gz", setting="HefixPlus.plus_file", check=_check_plus,
    sha256="42526ec0e7d5f3ee0b06d6ced98f8c8bae3d76519151bfb3d36f79010645bd7f",
)
