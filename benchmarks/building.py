"""Checks the real corpora, and measures how long they take to build.

    python benchmarks/building.py --data DIR references
    python benchmarks/building.py tasks WORKDIR/corpus/mbpp_r/train.jsonl [FILE ...]
    python benchmarks/building.py --data DIR time mbpp_r_paper|build_mbpp_r|build_hefix_plus

`references` runs the reference of every problem of MBPP (974) and HumanEval (164, on its own tests; and EvalPlus's on
those of HumanEval+). `tasks` runs the bug and the reference of every task of built splits on all tests of the task.
Both print what is wrong, and exit with code 1 if anything is. `time` builds a corpus, and prints the wall-clock seconds
and the load of the machine before and after. DIR has mbpp.jsonl, humanevalpack_python.jsonl and
HumanEvalPlus.jsonl.gz (default: ../shared/data). Linux only.
"""

import argparse
import collections
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from next_jax import files
from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib
from next_jax.execution.benchmarks import plus
from next_jax.execution.benchmarks import problems as problems_lib

_SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
_LIMITS = limits_lib.Limits(cpu_seconds=20.0, judge_cpu_seconds=60.0)


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--data", type=pathlib.Path, default=_SHARED_DATA, help="directory of the benchmark files")
  parser.add_argument("--endless_seconds", type=float, default=5.0, help="CPU seconds that a bug may use (default: 5)")
  commands = parser.add_subparsers(dest="command", required=True)
  commands.add_parser("references")
  commands.add_parser("tasks").add_argument("splits", nargs="+", type=pathlib.Path)
  commands.add_parser("time").add_argument("config")
  arguments = parser.parse_args()
  if arguments.command == "time":
    return _time(arguments.config, arguments.data)
  with executor_lib.Executor(limits=_LIMITS) as executor:
    if arguments.command == "references":
      return _references(executor, arguments.data)
    return max([_tasks(executor, path, arguments.endless_seconds) for path in arguments.splits])


def _references(executor: executor_lib.Executor, data: pathlib.Path) -> int:
  files_of = {"MBPP": "mbpp.jsonl", "HumanEval": "humanevalpack_python.jsonl", "HumanEval+": "HumanEvalPlus.jsonl.gz"}
  failed = 0
  for name, file_name in files_of.items():
    problems = plus.with_tests(problems_lib.read_problems(data / file_name), executor)
    verdicts = list(executor.verify(problem.program(problem.canonical) for problem in problems))
    wrong = [verdict for verdict in verdicts if not verdict.passed]
    print(f"{name}: {len(verdicts) - len(wrong)} of {len(verdicts)} references pass")
    for verdict in wrong:
      print(f"  {verdict.task_id}: {verdict.status}: {verdict.detail}")
    failed += len(wrong)
  return int(failed > 0)


def _tasks(executor: executor_lib.Executor, path: pathlib.Path, endless_seconds: float) -> int:
  tasks = files.read_jsonl(path, schema.RepairTask)
  bugs = list(executor.verify(_program(task, task.buggy_code, endless_seconds) for task in tasks))
  programs = {_program(task, task.reference_code): None for task in tasks}
  references = dict(zip(programs, executor.verify(programs), strict=True))
  wrong = [(task, "its bug passes") for task, verdict in zip(tasks, bugs, strict=True) if verdict.passed]
  for task, verdict in zip(tasks, bugs, strict=True):
    if not verdict.is_sample:
      wrong.append((task, f"its bug was not judged: {verdict.detail}"))
  for task in tasks:
    verdict = references[_program(task, task.reference_code)]
    if not verdict.passed:
      wrong.append((task, f"its reference does not pass: {verdict.status}: {verdict.detail}"))
  statuses = ", ".join(f"{count} {name}" for name, count in collections.Counter(v.status for v in bugs).most_common())
  print(f"{path.parent.name}/{path.stem}: {len(tasks)} tasks, {len(wrong)} wrong; bugs: {statuses}")
  for task, why in wrong:
    print(f"  {task.task_id}: {why}")
  return int(bool(wrong))


def _program(task: schema.RepairTask, code: str, cpu_seconds: float | None = None) -> program_lib.Program:
  return program_lib.Program(
      task_id="", code=code, entry_point=task.entry_point, setup_code=task.setup_code, tests=task.tests,
      cpu_seconds=cpu_seconds,
  )


def _time(config: str, data: pathlib.Path) -> int:
  path = f"gin_configs/corpora/{config}.gin"
  if "mbpp" in config:
    given = {"MBPP_FILE": "mbpp.jsonl"}
  else:
    given = {"HEFIX_FILE": "humanevalpack_python.jsonl", "HUMANEVAL_PLUS_FILE": "HumanEvalPlus.jsonl.gz"}
  with tempfile.TemporaryDirectory() as workdir:
    command = [sys.executable, "-m", "next_jax.main", "build", f"--gin_file={path}", f"--gin.WORKDIR='{workdir}/run'"]
    command += [f"--gin.{name}='{data / file_name}'" for name, file_name in given.items()]
    before, load = time.monotonic(), os.getloadavg()
    subprocess.run(command, check=True)
    seconds = time.monotonic() - before
  loads = " -> ".join(f"{average[0]:.1f}" for average in (load, os.getloadavg()))
  print(f"{config}: {seconds:.0f} s on the clock, {os.cpu_count()} cores, load {loads}")
  return 0


if __name__ == "__main__":
  sys.exit(main())
