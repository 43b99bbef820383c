"""One `next-jax` command in a child process, which ends when this process ends."""

from collections.abc import Sequence
import os
import signal
import subprocess
import sys

from etils import epath

from next_jax import errors
from next_jax.stages import progress

# The first argument is the parent's process id. The setting that prctl makes survives exec.
_START = """
import os, sys
if sys.platform == "linux":
  from next_jax.execution.confinement import confinement
  confinement.die_with_parent(int(sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-m", "next_jax.main", *sys.argv[2:]])
"""


def run(arguments: Sequence[str], *, log: epath.Path, name: str) -> None:
  """Runs `next-jax ARGUMENTS` to its end and prints its lines about stages ("[stage] ...").

  Args:
    arguments: Arguments of the command.
    log: File to which the whole output is appended. No log is kept if it is not on a local disk.
    name: Name of the run in error messages.

  Raises:
    SweepError: The run failed or was killed.
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
      # No need to wait for the run: wherever it is killed, it resumes and ends with the same bytes.
      child.kill()
      child.wait()
      child.stdout.close()
  if code:
    ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    where = f"; its whole output is in {os.fspath(log)}" if is_local else ""
    raise errors.SweepError(f"{name}: {error or ended}{where}; run the same command again to resume")
