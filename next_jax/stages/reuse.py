"""Reuse of stages that another run has finished.

Two runs that differ only in their filters have the same corpus, base samples and D_H. A stage with the same name and
the same fingerprint (of settings and inputs) is the same stage. Its files are linked if both are on one disk, and
copied otherwise. The mark `taking.json` is written before the first file and removed after the manifest. A killed run
therefore never leaves a half-copied stage that looks finished: the next start empties it.
"""

from collections.abc import Callable, Iterator, Sequence
import errno
import os

from etils import epath

from next_jax import errors
from next_jax import files

MARK = "taking.json"
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)


def find(name: str, workdirs: Sequence[epath.Path], is_the_same: Callable[[epath.Path], bool]) -> epath.Path | None:
  """Returns the directory of stage `name` in the first work directory where it `is_the_same`, or None."""
  return next((path for workdir in workdirs if is_the_same(path := workdir / name)), None)


def take(source: epath.Path, directory: epath.Path, *, manifest: str, timing: str, passing: Sequence[str]) -> None:
  """Replaces the contents of `directory` with those of the finished stage `source`.

  Args:
    source: Directory of the finished stage.
    directory: Directory to fill; whatever it holds is deleted.
    manifest: Name of the file that is written last.
    timing: Name of the file that holds the seconds. The copy also says where the stage was "taken_from".
    passing: Names of files that do not belong to a finished stage.

  Raises:
    StageError: The bytes of a copy differ from its source, or the source changed during the copy.
  """
  files.write_json(directory / MARK, {"taken_from": os.fspath(source)})
  _empty(directory)
  text = (source / manifest).read_text()
  for path in _files(source):
    name = os.fspath(path.relative_to(source))
    if name not in (manifest, timing, MARK, *passing) and not path.name.endswith(".partial"):
      _link_or_copy(path, directory / name)
  seconds = files.read_json(source / timing) if (source / timing).exists() else {}
  files.write_json(directory / timing, {**seconds, "taken_from": os.fspath(source)})
  if (source / manifest).read_text() != text:
    raise errors.StageError(f"{os.fspath(source)}: was made again while it was reused; run the same command again")
  files.write_text(directory / manifest, text)
  (directory / MARK).unlink()


def clear(directory: epath.Path) -> None:
  """Empties a directory that a killed run had only half copied. Removes the mark last."""
  if (directory / MARK).exists():
    _empty(directory)
    (directory / MARK).unlink()


def _empty(directory: epath.Path) -> None:
  for path in directory.iterdir():
    if path.is_dir():
      path.rmtree()
    elif path.name != MARK:
      path.unlink()


def _files(directory: epath.Path) -> Iterator[epath.Path]:
  for path in sorted(directory.iterdir(), key=os.fspath):
    if path.is_dir():
      yield from _files(path)
    else:
      yield path


def _link_or_copy(source: epath.Path, target: epath.Path) -> None:
  """Links a file or copies it. A link is safe because files of a finished stage are never written to again."""
  target.parent.mkdir(parents=True, exist_ok=True)
  if not any("://" in os.fspath(path) for path in (source, target)):
    try:
      os.link(source, target)
      return
    except OSError as error:
      if error.errno not in _NO_LINK:
        raise
  source.copy(target)
  if files.digest(source) != files.digest(target):
    raise errors.StageError(
        f"{os.fspath(target)}: is not the same as {os.fspath(source)} after it was copied; run again"
    )
