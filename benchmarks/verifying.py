"""How fast programs are verified: the executor beside one `subprocess` a program, in one run.

    python benchmarks/verifying.py [--problems FILE] [--num_workers 2]

On MBPP's and HumanEvalFix's reference solutions where ../shared/data has them (or on --problems),
else on programs of our own. A verdict a CPU second counts the CPU time of all processes involved,
so it says more than the clock on a machine that does something else as well. Linux only.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import resource
import subprocess
import sys
import time

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import problems as problems_lib
from next_jax.execution import program as program_lib

_SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
_FILES = ("mbpp.jsonl", "humanevalpack_python.jsonl")
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_SECONDS = 20  # a program may take in a subprocess

_OWN = """
def f(values):
  result = []
  for index, value in enumerate(values):
    if value > {number}:
      result.append(value * index)
  return result
"""


def own_programs(count: int) -> list[program_lib.Program]:
  def expected(values, number):
    return [value * index for index, value in enumerate(values) if value > number]

  arguments = ([1, 5, 9], [], list(range(30)))
  return [
      program_lib.Program(
          task_id=str(number),
          code=_OWN.format(number=number),
          entry_point="f",
          tests=tuple(f"assert f({values}) == {expected(values, number)}" for values in arguments),
      )
      for number in range(count)
  ]


def programs(path: str | None) -> tuple[str, list[program_lib.Program]]:
  if path:
    paths = [pathlib.Path(path)]
  else:
    paths = [_SHARED_DATA / name for name in _FILES if (_SHARED_DATA / name).exists()]
  found = [problem.program(problem.canonical) for file in paths for problem in problems_lib.read_problems(file)]
  if not found:
    return "our own", own_programs(1000)
  # One of MBPP's takes 2.5 s; it would be all that is measured.
  found = [program for program in found if program.task_id != "123"]
  return ", ".join(file.name for file in paths), found


def cpu_seconds() -> float:
  """Of this process, its living descendants, and all that any of them has waited for."""
  stats, children = {}, collections.defaultdict(list)
  for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
      fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
      continue
    stats[int(pid)] = sum(map(int, fields[11:15])) / _CLOCK_TICKS
    children[int(fields[1])].append(int(pid))
  total, family = 0.0, [os.getpid()]
  for pid in family:
    total += stats[pid]
    family.extend(children[pid])
  return total


def with_executor(items, num_workers):
  limits = limits_lib.Limits(cpu_seconds=_SECONDS)
  with executor_lib.Executor(num_workers=num_workers, limits=limits) as executor:
    list(executor.verify(items[:20]))  # the workers have started
    before, start = cpu_seconds(), time.perf_counter()
    passed = sum(verdict.passed for verdict in executor.verify(items))
    return passed, time.perf_counter() - start, cpu_seconds() - before


def with_subprocesses(items, num_workers):
  def passes(program):
    source = "\n\n".join([program.setup_code, program.code, *program.tests])
    command = [sys.executable, "-I", "-c", source]
    try:
      result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
      return False
    return result.returncode == 0

  before, start = cpu_seconds(), time.perf_counter()
  with concurrent.futures.ThreadPoolExecutor(num_workers) as pool:
    passed = sum(pool.map(passes, items))
  return passed, time.perf_counter() - start, cpu_seconds() - before


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--problems", metavar="FILE", help="a problem file; its reference solutions are verified")
  parser.add_argument("--num_workers", type=int, default=2, metavar="N", help="(default: %(default)s)")
  arguments = parser.parse_args()
  name, items = programs(arguments.problems)
  print(f"{len(items)} programs ({name}), Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}")
  print(f"{'':34}{'passed':>8}{'ms each':>9}{'/s':>8}{'/CPU-s':>8}")
  ways = [
      (f"executor, {arguments.num_workers} workers", with_executor, arguments.num_workers),
      ("executor, 1 worker", with_executor, 1),
      (f"subprocess each, {arguments.num_workers} at a time", with_subprocesses, arguments.num_workers),
  ]
  for label, way, num_workers in ways:
    passed, wall, cpu = way(items, num_workers)
    count = len(items)
    print(f"{label:34}{passed:>8}{1e3 * cpu / count:>9.2f}{count / wall:>8.0f}{count / cpu:>8.0f}", flush=True)
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  print(f"ms each: CPU time of all processes; peak memory of this one {peak / 1024:.0f} MiB")


if __name__ == "__main__":
  main()
