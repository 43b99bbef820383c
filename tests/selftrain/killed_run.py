"""Run by test_sigkill.py: runs the small loop in forks of itself, and kills them.

`python killed_run.py WORKDIR SEED KILLS` starts a run on WORKDIR and kills it a few new files and
milliseconds later, KILLS times, and then lets one run to the end; prints how many were killed before
their end. Forks, because importing TensorFlow for each would take most of the test.
"""

import os
import pathlib
import random
import signal
import sys
import time
import traceback

import conftest


def main(workdir: pathlib.Path, seed: int, kills: int) -> None:
  conftest.make_small_loop(workdir)  # writes the base; whatever is slow the first time happens before the forks
  dice = random.Random(seed)
  killed = sum(_start_and_kill(workdir, dice.randint(1, 5), dice.uniform(0.0, 0.03)) for _ in range(kills))
  _, status = os.waitpid(_start(workdir), 0)
  print(killed, flush=True)
  sys.exit(os.waitstatus_to_exitcode(status))


def _start_and_kill(workdir: pathlib.Path, new_files: int, seconds: float) -> bool:
  before = set(workdir.rglob("*"))
  seen = set()
  child = _start(workdir)
  while len(seen) < new_files:
    if os.waitpid(child, os.WNOHANG) != (0, 0):
      return False
    seen.update(path for path in _files(workdir) if path not in before)
    time.sleep(0.002)
  time.sleep(seconds)
  if os.waitpid(child, os.WNOHANG) != (0, 0):
    return False
  os.kill(child, signal.SIGKILL)
  os.waitpid(child, 0)
  return True


def _files(directory: pathlib.Path):
  for folder, _, names in os.walk(directory):  # unlike rglob, does not mind a folder that goes away meanwhile
    yield from (pathlib.Path(folder, name) for name in names)


def _start(workdir: pathlib.Path) -> int:
  child = os.fork()
  if child == 0:
    try:
      conftest.make_small_loop(workdir).run()
    except BaseException:  # pylint: disable=broad-except
      traceback.print_exc()
      os._exit(1)
    os._exit(0)
  return child


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
