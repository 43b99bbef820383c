"""Emptying a program's directory when nothing of the program runs any more."""

import errno
import os


def empty(directory: int) -> None:
  """Removes whatever is in it, however deep and whatever its modes, and follows no link.

  directory: a descriptor that was opened before the program ran, so that it is what it was.

  Raises OSError when something cannot be removed.
  """
  if os.fstat(directory).st_mode & 0o777 != 0o700:
    os.fchmod(directory, 0o700)
  names = os.listdir(directory)
  # What lies deeper is moved up before it is removed: neither depth, nor the number of open files,
  # nor the length of a path is of any matter, and all takes linear time.
  taken = set(names) if names else ()
  number = 0
  while names:
    name = names.pop()
    if _is_removed(name, directory):
      continue
    os.chmod(name, 0o700, dir_fd=directory)
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    try:
      for inner in os.listdir(below):
        if _is_removed(inner, below):
          continue
        os.chmod(inner, 0o700, dir_fd=below)
        while (name_above := f"{number}") in taken:
          number += 1
        number += 1
        os.rename(inner, name_above, src_dir_fd=below, dst_dir_fd=directory)
        names.append(name_above)
    finally:
      os.close(below)
    os.rmdir(name, dir_fd=directory)


def _is_removed(name, directory):
  """Removes a file or an empty directory; False for a directory that is not empty."""
  try:
    os.unlink(name, dir_fd=directory)
    return True
  except (IsADirectoryError, PermissionError):  # PermissionError is macOS's answer for a directory
    pass
  try:
    os.rmdir(name, dir_fd=directory)
    return True
  except OSError as error:
    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
      raise
  return False
