"""A program's scratch directory: measures it, and empties it when nothing of the program runs any more."""

import errno
import os

_MOST_FILES = 10000
_BLOCK_BYTES = 512
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def used_bytes(path: str) -> float:
  """Bytes on disk of all files below `path`, which a program may be changing; infinity for too many to count."""
  total, count, directories = 0, 0, [path]
  while directories:
    try:
      with os.scandir(directories.pop()) as entries:
        for entry in entries:
          count += 1
          total += _BLOCK_BYTES * entry.stat(follow_symlinks=False).st_blocks
          if entry.is_dir(follow_symlinks=False):
            directories.append(entry.path)
          if count > _MOST_FILES:
            return float("inf")
    except OSError as error:
      if error.errno == errno.ENAMETOOLONG:
        return float("inf")
      # Otherwise it is gone, or closed to its owner, so that nothing can have been written into it since.
  return total


def empty(directory: int) -> None:
  """Removes everything in a directory, at any depth and with any modes, and follows no link.

  directory: Descriptor that was opened before the program ran, so that it still is the same directory.

  Raises OSError if something cannot be removed.
  """
  _permit_all(directory)
  names = os.listdir(directory)
  if not names:
    return
  # Only one directory is open at a time and none is named by its path, so no depth is too great.
  here = os.dup(directory)
  entered, remaining = [], [names]  # names of the directories down to here; what is left in each of them
  try:
    while remaining:
      if remaining[-1]:
        name = remaining[-1].pop()
        if not _is_removed(name, here):
          here = _replace(here, _open(name, here))
          entered.append(name)
          remaining.append(os.listdir(here))
      else:
        remaining.pop()
        if entered:
          here = _replace(here, os.open("..", _DIRECTORY, dir_fd=here))
          os.rmdir(entered.pop(), dir_fd=here)
  finally:
    os.close(here)


def _open(name, directory):
  try:
    below = os.open(name, _DIRECTORY, dir_fd=directory)
  except PermissionError:
    os.chmod(name, 0o700, dir_fd=directory)
    below = os.open(name, _DIRECTORY, dir_fd=directory)
  _permit_all(below)
  return below


def _permit_all(directory):
  if os.fstat(directory).st_mode & 0o700 != 0o700:
    os.fchmod(directory, 0o700)


def _replace(old, new):
  os.close(old)
  return new


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
