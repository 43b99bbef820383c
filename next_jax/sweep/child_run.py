"""One `next-jax` command in a process of its own, which ends when this one does."""

from collections.abc import Sequence
import os
import signal
import subprocess
import sys

from etils import epath

from next_jax import errors
from next_jax.stages import progress

# The number of the parent stands in the first argument. What prctl sets survives exec.
_START = """
import os, sys
if sys.platform == "linux":
  from next_jax.execution.confinement import confinement
  confinement.die_with_parent(int(sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-m", "next_jax.main", *sys.argv[2:]])
"""


def run(arguments: Sequence[str], *, log: epath.Path, name: str) -> None:
  """Runs `next-jax ARGUMENTS` to its end, and says here what it says of its stages ("[stage] ...").

  Args:
    log: gets all that it writes, after what is there; a log that is not on this machine's disks is not kept.
    name: for messages.

  Raises:
    SweepError: it failed, or was killed.
  """
  is_local = "://" not in os.fspath(log)
  if is_local:
    log.parent.mkdir(parents=True, exist_ok=True)
  with open(log if is_local else os.devnull, "ab") as file:
    child = subprocess.Popen(
        [sys.executable, "-c", _START, str(os.getpid()), *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    assert child.stdout is not None  # a pipe
    error = None
    try:
      for line in child.stdout:
        file.write(line)
        file.flush()
        text = line.decode("utf-8", "replace").rstrip()
        if text.startswith("["):
          progress.say(f"  {text}")
        elif text.startswith("next-jax: "):
          error = text.removeprefix("next-jax: ")
      code = child.wait()
    finally:
      # A run that is killed anywhere resumes with the same bytes; nothing is gained by waiting for it.
      child.kill()
      child.wait()
      child.stdout.close()
  if code:
    ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    where = f"; all it said is in {os.fspath(log)}" if is_local else ""
    raise errors.SweepError(f"{name}: {error or ended}{where}; the same command goes on from where it was")
