"""What a run prints while it works: lines about its stages, and a bar with rate and time left.

In a run of several processes only process 0 prints.
"""

import sys
import time

import tqdm

from next_jax.stages import processes


class Bar:
  """A progress bar on stderr that counts units of a stage; a context manager.

  In a terminal the bar moves. In a log file it prints a line at most every 30 seconds.

  Args:
    total: Number of units of the whole stage.
    unit: What is counted, in the plural, such as "tasks".
    done: Units that were done before; `rate` ignores them.
  """

  def __init__(self, total: int, unit: str, done: int = 0):
    in_terminal = sys.stderr.isatty()
    self._began = time.monotonic()
    self._count = 0
    self._bar = tqdm.tqdm(
        total=total, unit=f" {unit}", initial=done, mininterval=0.2 if in_terminal else 30.0, file=sys.stderr,
        ncols=None if in_terminal else 100, dynamic_ncols=in_terminal, leave=not in_terminal,
        disable=processes.current().index != 0,
        bar_format="  {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt}{unit}, {rate_fmt}, {remaining} left",
    )

  def __enter__(self):
    return self

  def __exit__(self, *unused_exception):
    self._bar.close()

  def advance(self, count: int) -> None:
    """Counts `count` more units as done."""
    self._count += count
    self._bar.update(count)

  def rate(self) -> float:
    """Units per second since the bar was made; units that were done before do not count."""
    return self._count / max(time.monotonic() - self._began, 1e-9)


def say(text: str) -> None:
  """Prints one line on stdout and flushes it."""
  if processes.current().index != 0:
    return
  tqdm.tqdm.write(text, file=sys.stdout)
  sys.stdout.flush()
