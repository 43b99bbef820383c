"""Jumps: where a loop goes round on one line, for which Python 3.12 and later have no line event."""

import bisect
import dis
import sys
import types

_JUMP_BACKWARD = dis.opmap.get("JUMP_BACKWARD", -1)
_EXTENDED_ARG = dis.opmap["EXTENDED_ARG"]
_SIZE = 2 if sys.version_info < (3, 13) else 4  # bytes of a jump with its caches: it is relative to what follows


def on_one_line(code: types.CodeType) -> dict[int, int]:
  """Offset of each jump back that stays on its line -> the line."""
  instructions = code.co_code
  if _JUMP_BACKWARD not in instructions[::2]:
    return {}
  ranges = list(code.co_lines())
  starts = [start for start, _, _ in ranges]
  found = {}
  argument = 0
  for at in range(0, len(instructions), 2):
    argument |= instructions[at + 1]
    if instructions[at] == _JUMP_BACKWARD:
      target = at + _SIZE - 2 * argument
      line = ranges[bisect.bisect_right(starts, at) - 1][2]
      if line is not None and line == ranges[bisect.bisect_right(starts, target) - 1][2]:
        found[at] = line
    argument = argument << 8 if instructions[at] == _EXTENDED_ARG else 0
  return found
