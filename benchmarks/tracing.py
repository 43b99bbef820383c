"""How fast programs are traced: the recorder beside PySnooper, hunter and snoop, in one run.

    pip install pysnooper hunter snoop
    python benchmarks/tracing.py [--mbpp FILE] [--peers pysnooper,hunter,snoop] [--repeats 3]

The programs are MBPP's reference solutions, all asserts of one as one call: from ../shared/data where it is there, from
--mbpp, else programs of our own. What is measured is the call, traced, in CPU time, the best of --repeats, with the
garbage collector off for all. Compiling is not part of a figure; running the module is part of ours only. A program
that takes longer than --max_seconds with any tracer, or that a tracer does not come through, is left out for all; how
many is said. `total x` is of all programs together, so of the few with long loops; `median` is of the typical one.

The second table is one loop of a million rounds, recorded in full and as `next-jax trace` does: counted first, so that
only the visits which are shown are looked at.
"""

import argparse
import ast
from collections.abc import Callable
import contextlib
import gc
import io
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
import types

from next_jax.tracing.recording import counted
from next_jax.tracing.recording import recorder

_SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data" / "mbpp.jsonl"
_BUDGET = recorder.Budget(max_steps=10**8, max_seconds=60.0)

_OWN = """
def f(values):
  result, best = [], None
  for index, value in enumerate(values):
    if value > {number}:
      result.append(value * index)
    if best is None or value > best:
      best = value
  return result, best
"""
_LOOP = """
def f(n):
  total = 0
  for i in range(n):
    if i % 3:
      total += i
  return total
"""

Program = tuple[str, str]  # source, call


def programs(path: pathlib.Path | None) -> list[Program]:
  if path is None:
    return [(_OWN.format(number=number), "f([1, 5, 9]), f([]), f(list(range(30)))") for number in range(300)]
  found = []
  with open(path, encoding="utf-8") as file:
    for line in file:
      row = json.loads(line)
      tests = [ast.parse(test).body[-1] for test in row["test_list"]]
      call = ", ".join(ast.unparse(test.test) for test in tests if isinstance(test, ast.Assert))
      found.append((row["test_setup_code"] + "\n" + row["code"], f"({call},)"))
  return found


def _timed(run: Callable[[], object]) -> float:
  """CPU seconds."""
  gc.disable()
  try:
    start = time.process_time_ns()
    run()
    return (time.process_time_ns() - start) / 1e9
  finally:
    gc.enable()


def _module(source: str, call: str, folder: pathlib.Path) -> tuple[dict, types.CodeType, str]:
  """Peers read the source again to print it, so it stands in a file, a new one each time."""
  path = folder / f"program_{next(_NUMBERS)}.py"
  path.write_text(source, encoding="utf-8")
  namespace = {"__name__": recorder.MODULE_NAME, "__file__": str(path)}
  exec(compile(source, str(path), "exec"), namespace)
  return namespace, compile(call, "<call>", "eval"), str(path)


def untraced(source: str, call: str, folder: pathlib.Path) -> float:
  namespace, code, _ = _module(source, call, folder)
  return _timed(lambda: eval(code, namespace))


def ours(watcher: type) -> Callable[[str, str, pathlib.Path], float]:
  def run(source: str, call: str, folder: pathlib.Path) -> float:
    prepared, traces = recorder.prepare(source, call, budget=_BUDGET, watcher=watcher), []
    taken = _timed(lambda: traces.append(prepared()))
    if traces[0].outcome == "truncated":
      raise TimeoutError(traces[0].detail)
    return taken

  return run


def only_shown(source: str, call: str, folder: pathlib.Path) -> float:
  """A counted recording: three runs of the module and the copying of it are part of the figure."""
  traces = []
  taken = _timed(lambda: traces.append(counted.record(source, call, budget=_BUDGET)))
  if not any(step.changes == counted.SKIPPED for step in traces[0].steps):
    raise RuntimeError("nothing was skipped: the loop is too short")
  return taken


def decorating(decorator: Callable) -> Callable[[str, str, pathlib.Path], float]:
  """For tracers of single functions: all functions of the module are decorated, before the clock starts."""

  def run(source: str, call: str, folder: pathlib.Path) -> float:
    namespace, code, path = _module(source, call, folder)
    for name, value in list(namespace.items()):
      if isinstance(value, types.FunctionType) and value.__code__.co_filename == path:
        namespace[name] = decorator(value)
    return _timed(lambda: eval(code, namespace))

  return run


def with_pysnooper():
  import pysnooper

  return decorating(lambda function: pysnooper.snoop(io.StringIO(), color=False)(function))


def with_snoop():
  import snoop

  return decorating(lambda function: snoop.Config(out=io.StringIO(), color=False).snoop(function))


def with_hunter():
  import hunter

  def run(source: str, call: str, folder: pathlib.Path) -> float:
    namespace, code, path = _module(source, call, folder)

    def traced():
      with hunter.trace(filename=path, action=hunter.VarsSnooper(stream=io.StringIO())):
        eval(code, namespace)

    return _timed(traced)

  return run


_PEERS = {"pysnooper": with_pysnooper, "hunter": with_hunter, "snoop": with_snoop}
_NUMBERS = itertools.count()


def _ways(peers: list[str]) -> dict[str, Callable]:
  ways = {"untraced": untraced}
  for watcher in recorder.WATCHERS:
    ways[f"ours, {watcher.__name__}"] = ours(watcher)
  for name in peers:
    try:
      ways[name] = _PEERS[name]()
    except ImportError:
      print(f"{name} is not installed: pip install {name}")
  return ways


def measure(items: list[Program], ways: dict[str, Callable], repeats: int, max_seconds: float, folder: pathlib.Path):
  """Way -> seconds of each program that all ways came through; and how many were left out."""
  taken = {name: [] for name in ways}
  left_out = 0
  for source, call in items:
    row = {}
    try:
      for name, way in ways.items():
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
          row[name] = min(way(source, call, folder) for _ in range(repeats))
        if row[name] > max_seconds:
          raise TimeoutError
    except Exception:  # of a peer, or the program's own: the figures are of what all can do
      left_out += 1
      continue
    for name, seconds in row.items():
      taken[name].append(seconds)
  return taken, left_out


def show(taken: dict[str, list[float]]) -> None:
  plain, reference = taken["untraced"], taken.get("pysnooper")
  print(f"{'':20}{'median us':>10}{'median x':>10}{'total x':>9}{'PySnooper / it, median':>24}{'total':>8}")
  for name, seconds in taken.items():
    ratios = [one / max(other, 1e-7) for one, other in zip(seconds, plain, strict=True)]
    line = f"{name:20}{1e6 * statistics.median(seconds):>10.1f}{statistics.median(ratios):>10.1f}"
    line += f"{sum(seconds) / sum(plain):>9.1f}"
    if reference:
      line += f"{statistics.median(one / other for one, other in zip(reference, seconds, strict=True)):>24.1f}"
      line += f"{sum(reference) / sum(seconds):>8.1f}"
    print(line)


def show_loop(rounds: int, folder: pathlib.Path) -> None:
  plain = untraced(_LOOP, f"f({rounds})", folder)
  print(f"\na loop of {rounds} rounds, {1e9 * plain / rounds:.0f} ns a round untraced")
  ways = {f"all visits, {watcher.__name__}": ours(watcher) for watcher in recorder.WATCHERS}
  for name, way in {**ways, "only those shown": only_shown}.items():
    seconds = way(_LOOP, f"f({rounds})", folder)
    print(f"{name:24}{seconds:>7.2f} s {1e9 * (seconds - plain) / (rounds * 8 / 3):>7.0f} ns a visit")


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--mbpp", metavar="FILE", type=pathlib.Path, help="mbpp.jsonl (default: where shared data is)")
  parser.add_argument("--peers", metavar="NAMES", default=",".join(_PEERS), help="(default: %(default)s)")
  parser.add_argument("--repeats", metavar="N", type=int, default=3, help="the best counts (default: %(default)s)")
  parser.add_argument("--max_seconds", metavar="S", type=float, default=2.0, help="(default: %(default)s)")
  parser.add_argument("--rounds", metavar="N", type=int, default=1_000_000, help="(default: %(default)s)")
  parser.add_argument("--limit", metavar="N", type=int, help="only so many programs")
  arguments = parser.parse_args()
  path = arguments.mbpp or (_SHARED_DATA if _SHARED_DATA.exists() else None)
  items = programs(path)[: arguments.limit]
  ways = _ways([name for name in arguments.peers.split(",") if name])
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    taken, left_out = measure(items, ways, arguments.repeats, arguments.max_seconds, folder)
    print(f"{len(taken['untraced'])} programs ({path.name if path else 'our own'}), {left_out} left out,", end=" ")
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}")
    show(taken)
    if arguments.rounds:
      show_loop(arguments.rounds, folder)


if __name__ == "__main__":
  main()
