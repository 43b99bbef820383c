"""Run by test_sigkill.py: runs the small loop in forks of itself, and kills them.

`python killed_run.py WORKDIR SECONDS...` runs WORKDIR once for each number of seconds after which
it is killed, and a last time to the end; prints how many of them were killed before their end, and
the seconds of the last. Forks, because importing TensorFlow for each would take most of the test.
"""

import os
import pathlib
import signal
import sys
import time
import traceback

import conftest


def main(workdir: pathlib.Path, seconds: list[float]) -> None:
  conftest.make_small_loop(workdir)  # writes the base; whatever is slow the first time happens here, before the forks
  killed = 0
  for limit in seconds:
    child = _start(workdir)
    time.sleep(limit)
    if os.waitpid(child, os.WNOHANG) == (0, 0):
      os.kill(child, signal.SIGKILL)
      os.waitpid(child, 0)
      killed += 1
  began = time.monotonic()
  _, status = os.waitpid(_start(workdir), 0)
  print(killed, time.monotonic() - began, flush=True)
  sys.exit(os.waitstatus_to_exitcode(status))


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
  main(pathlib.Path(sys.argv[1]), [float(argument) for argument in sys.argv[2:]])
