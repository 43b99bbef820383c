"""Limits: how much of the machine one program may use."""

import dataclasses

from next_jax import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
  """Limits of one program with all its tests.

  Time is limited in CPU seconds, so that a verdict does not depend on how busy the machine is.
  Wall-clock time counts only while a program waits and could not use a core.

  Attributes:
    cpu_seconds: CPU seconds of the program's processes. MBPP's slowest reference solution takes 2.5.
    wall_slack: Seconds that it may wait in all (sleep, ask for input, wait for a lock).
    judge_cpu_seconds: CPU seconds to decode and compare what one program returned.
    memory_bytes: Address space of the program's process; all its processes together may hold twice that.
    reply_bytes: Maximum length of one call's encoded result.
    file_bytes: Maximum size of a file that it writes. What it prints is thrown away.
    scratch_bytes: Maximum size of all its files, checked from time to time; a fast writer gets somewhat further.
    max_files: Maximum number of open files.
    max_processes: Maximum number of processes and threads, beyond those that the user already has.
  """

  cpu_seconds: float = 5.0
  wall_slack: float = 10.0
  judge_cpu_seconds: float = 5.0
  memory_bytes: int = 1 << 30
  reply_bytes: int = 32 << 20
  file_bytes: int = 16 << 20
  scratch_bytes: int = 128 << 20
  max_files: int = 256
  max_processes: int = 128

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if not value > 0:
        raise errors.ExecutionError(f"Limits.{field.name}: found {value!r}, expected a number above 0")
    if self.memory_bytes < 64 << 20:
      raise errors.ExecutionError(
          f"Limits.memory_bytes: found {self.memory_bytes}, expected at least {64 << 20} (64 MiB): the address space"
          " counts the interpreter's own mappings too"
      )


def longest_seconds(cpu_seconds: float, wall_slack: float) -> float:
  """Wall-clock seconds after which a program is ended that has neither used up its CPU time nor its waiting time.

  Such a program had less than a hundredth of a core; more likely something is wrong with the counting.
  """
  return 100 * cpu_seconds + wall_slack
