"""HeFix: the 164 HumanEvalFix tasks, bugs that people put into HumanEval's solutions (OctoPack, arXiv 2308.07124).

The verdict is over HumanEval's own tests. NExT's HeFix+ (arXiv 2404.14662) judges the same tasks by the stricter tests
of EvalPlus; those are not read yet, so numbers on this corpus are not HeFix+ numbers and tend to be higher. The one
split is called "test": it is there to measure with, never to train on.
"""

import ast
import dataclasses
import doctest
import hashlib
import inspect
from collections.abc import Iterator
from typing import ClassVar

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.corpora import corpus as corpus_lib
from next_jax.corpora import downloads
from next_jax.corpora import proving
from next_jax.corpora import statistics
from next_jax.execution import executor as executor_lib
from next_jax.execution import problems as problems_lib
from next_jax.tracing import recorder

SPLIT = "test"
NUM_PROBLEMS = 164
URL = "https://huggingface.co/datasets/bigcode/humanevalpack/resolve/main/data/python/data/humanevalpack.jsonl"

# Their own tests are random round trips in a loop, and their docstrings have no examples: nothing to show or trace.
_TESTS_OF_OURS = {
    "decode_cyclic": ('assert decode_cyclic("bcaefdgh") == "abcdefgh"',),
    "decode_shift": ('assert decode_shift("fghij") == "abcde"',),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class HefixPlus:
  """The corpus; its tasks are a function of these settings and of the file.

  Public are single asserts of the benchmark's test program, the first that the bug fails in front. The hidden test is
  that whole program. Where it has no single asserts, the examples of the docstring are public.

  Attributes:
    file: `humanevalpack.jsonl` of the Python part, plain or .gz; None downloads it from its authors.
    num_public_tests: in the prompt.
    docstring_in_program: leave the docstring where the benchmark has it, with its one-line instruction ("Fix bugs in
      f."). False takes it out of the program and makes it the instruction: what NExT's prompts look like.
    trace_budget: where the trace of an endless bug is cut.
  """

  name: ClassVar[str] = "hefix_plus"

  file: epath.PathLike | None = None
  num_public_tests: int = 3
  docstring_in_program: bool = True
  trace_budget: recorder.Budget = proving.TRACE_BUDGET

  def __post_init__(self):
    if self.num_public_tests < 1:
      raise corpus_lib.CorpusError(f"HefixPlus.num_public_tests: found {self.num_public_tests!r}, expected 1 or more")

  def build(self, directory: epath.PathLike, executor: executor_lib.Executor) -> dict[str, int]:
    """Writes test.jsonl and statistics.json; returns the tasks of the split.

    Raises:
      FileError, ProblemError: the file is missing or malformed; with line and key.
      CorpusError: it is not a file of repair tasks.
      DownloadError: no file was given and it cannot be downloaded.
    """
    directory = epath.Path(directory)
    path = epath.Path(self.file) if self.file is not None else downloads.fetch(SOURCE)
    claims = [self._claim(problem) for problem in _problems(path)]
    # First find which test the bug fails, then prove the task in the form it is given out with.
    found = list(proving.prove(claims, executor))
    formed = [self._formed(one.task) for one in found if isinstance(one, proving.Proven)]
    results = [one for one in found if isinstance(one, proving.Dropped)] + list(proving.prove(formed, executor))
    proven = [one for one in results if isinstance(one, proving.Proven)]
    tasks = list(proving.traced([one.task for one in proven], executor, self.trace_budget))
    files.write_jsonl(directory / f"{SPLIT}.jsonl", tasks)
    dropped = {one.task.task_id: one.reason for one in results if isinstance(one, proving.Dropped)}
    files.write_json(directory / "statistics.json", {
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "tests": "HumanEval",
        "dropped_tasks": dropped,
        "splits": {SPLIT: statistics.of_split(tasks, [one.shows for one in proven], dropped.values())},
    })
    return {SPLIT: len(tasks)}

  def _claim(self, problem: problems_lib.Problem) -> schema.RepairTask:
    buggy, reference, instruction = problem.buggy, problem.canonical, problem.instruction
    docstring = _docstring(problem)
    if docstring and (not self.docstring_in_program or not instruction):
      instruction = docstring
    if not self.docstring_in_program:
      buggy, reference = (_without_docstring(code, problem.entry_point) for code in (buggy, reference))
    (program,) = problem.tests
    asserts = list(_asserts(program, problem.entry_point))
    tests = asserts or list(_examples(docstring, problem.entry_point)) or _TESTS_OF_OURS.get(problem.entry_point, ())
    return schema.RepairTask(
        task_id=f"{self.name}/{problem.task_id}", split=SPLIT, instruction=instruction, entry_point=problem.entry_point,
        buggy_code=buggy, reference_code=reference, setup_code=problem.setup_code, public_tests=(*tests, program),
        hidden_tests=(), bug_kind=problem.bug_type or "unknown", bug_origin="benchmark",
    )

  def _formed(self, task: schema.RepairTask) -> schema.RepairTask:
    """Of the hidden tests only the whole program, which repeats the single asserts."""
    if _is_program(task.public_tests[0]):  # the bug passes all single asserts
      return dataclasses.replace(task, public_tests=task.public_tests[: self.num_public_tests], hidden_tests=())
    singles = [test for test in task.public_tests if not _is_program(test)]
    program = next(test for test in task.public_tests if _is_program(test))
    return dataclasses.replace(task, public_tests=tuple(singles[: self.num_public_tests]), hidden_tests=(program,))


def _is_program(test: str) -> bool:
  return "def check(" in test


def _asserts(program: str, entry_point: str) -> Iterator[str]:
  """The asserts of `check` that stand alone: they call the entry point and use no variable of `check`."""
  (check,) = (n for n in ast.parse(program).body if isinstance(n, ast.FunctionDef) and n.name == "check")
  (parameter,) = check.args.args
  bound = {n.id for n in ast.walk(check) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
  bound |= {a.asname or a.name for n in ast.walk(check) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
  for statement in check.body:
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    if not isinstance(statement, ast.Assert) or any(name.id in bound for name in names):
      continue
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    if not any(isinstance(function, ast.Name) and function.id == parameter.arg for function in calls):
      continue
    source = ast.get_source_segment(program, statement.test)  # without the message, which says nothing to a model
    if parameter.arg != entry_point or "\n" in source:
      for name in names:
        name.id = entry_point if name.id == parameter.arg else name.id
      source = ast.unparse(statement.test)
    yield f"assert {source}"


def _examples(docstring: str, entry_point: str) -> Iterator[str]:
  """The examples of a docstring, `>>> f(1)` with `2` below it, as asserts."""
  try:
    examples = doctest.DocTestParser().get_examples(docstring)
  except ValueError:  # not written as doctest wants it
    return
  for example in examples:
    try:
      call = ast.unparse(ast.parse(example.source.strip(), mode="eval"))  # drops a comment behind the call
      want = ast.literal_eval(example.want.strip().split("\n")[0])
    except (ValueError, SyntaxError):
      continue
    if f"{entry_point}(" in call:
      yield f"assert {call} == {want!r}"


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
  """The last definition of the name, which is the one that counts."""
  found = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef) and node.name == name]
  return found[-1] if found else None


def _problems(path: epath.Path) -> list[problems_lib.Problem]:
  problems = problems_lib.read_problems(path)
  for problem in problems:
    if problem.buggy is None:
      raise corpus_lib.CorpusError(
          f"{path}: task_id {problem.task_id!r} has no key 'buggy_solution'; expected the Python part of HumanEvalPack"
          f" ({URL})"
      )
  return problems


def _check(path: epath.Path) -> None:
  problems = _problems(path)
  if len(problems) != NUM_PROBLEMS:
    raise corpus_lib.CorpusError(f"{path}: expected {NUM_PROBLEMS} problems, found {len(problems)}")


# The file at the source may gain columns, so its content is checked and not its digest; the digest of what was used
# is in statistics.json.
SOURCE = downloads.Source(url=URL, file_name="humanevalpack_python.jsonl", setting="HefixPlus.file", check=_check)
