"""Files from their official sources, downloaded once, checked, and kept under DATA_DIR/downloads."""

from collections.abc import Callable
import contextlib
import dataclasses
import gzip
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
import uuid
import zlib

from etils import epath
import tqdm

from next_jax import errors
from next_jax.corpora import data_dir

_BLOCK = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Download:
  """A file of somebody else's.

  Attributes:
    url: where it comes from; pinned to a commit where the host allows that.
    file_name: under which it is kept.
    setting: what to bind to use a local copy instead, such as "MbppR.file"; for the error message.
    check: raises UserError when the file at a path is not the right one; called before it is kept.
    sha256: hexadecimal digest of the content (of a .gz file: unpacked, as packing is not the same everywhere), or None
      where none is known and `check` is what we have.
    max_bytes: a longer answer is not the file.
  """

  url: str
  file_name: str
  setting: str
  check: Callable[[epath.Path], None]
  sha256: str | None = None
  max_bytes: int = 64 << 20


def fetch(
    source: Download, directory: epath.PathLike | None = None, *, attempts: int = 3, timeout: float = 30.0
) -> epath.Path:
  """The path of the file, downloaded unless it is there already.

  The file gets its name when it is complete and has passed the checks; a partial or wrong one is never kept.

  Args:
    source: what to fetch.
    directory: where to keep it; DATA_DIR/downloads if None.
    attempts: how often to try when the network fails; a refusal (HTTP 4xx) is not tried again.
    timeout: seconds without a byte after which an attempt has failed.

  Raises:
    CorpusError: no network, a refusal, or a file that is not the expected one.
  """
  directory = data_dir.data_dir() / "downloads" if directory is None else epath.Path(directory)
  path = directory / source.file_name
  if path.exists():
    return path
  directory.mkdir(parents=True, exist_ok=True)
  # The name ends as the file's own, for who reads it goes by that.
  partial = directory / f".partial_{uuid.uuid4().hex[:8]}_{source.file_name}"
  try:
    _download(source, partial, attempts, timeout)
    digest = _digest(source, partial)
    if source.sha256 is not None and digest != source.sha256:
      raise _error(source, f"its sha256 is {digest}, expected {source.sha256}: the file at the source has changed")
    source.check(partial)
    partial.replace(path)
  finally:
    partial.unlink(missing_ok=True)
  return path


def _download(source: Download, partial: epath.Path, attempts: int, timeout: float) -> None:
  for attempt in range(attempts):
    try:
      _download_once(source, partial, timeout)
      return
    except urllib.error.HTTPError as error:
      reason = f"the server answered {error.code} {error.reason}"
      if error.code < 500:
        break
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
      reason = str(getattr(error, "reason", error)) or type(error).__name__
    if attempt + 1 < attempts:
      time.sleep(2.0**attempt)
  raise _error(source, reason)


def _download_once(source: Download, partial: epath.Path, timeout: float) -> None:
  request = urllib.request.Request(source.url, headers={"User-Agent": "next-jax"})
  with contextlib.ExitStack() as stack:
    response = stack.enter_context(urllib.request.urlopen(request, timeout=timeout))
    length = response.headers.get("Content-Length")
    expected = int(length) if length and length.isdigit() else None
    file = stack.enter_context(partial.open("wb"))
    bar = stack.enter_context(tqdm.tqdm(total=expected, unit="B", unit_scale=True, desc=source.file_name, leave=False))
    received = 0
    while block := response.read(_BLOCK):
      received += len(block)
      if received > source.max_bytes:
        raise _error(source, f"the answer is longer than {source.max_bytes} bytes, so it is not the file")
      file.write(block)
      bar.update(len(block))
  if expected is not None and received != expected:
    raise http.client.IncompleteRead(b"", expected - received)


def _digest(source: Download, path: epath.Path) -> str:
  content = path.read_bytes()
  if source.file_name.endswith(".gz"):
    try:
      content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
      raise _error(source, f"the answer is not a gzip file: {error}") from None
  return hashlib.sha256(content).hexdigest()


def _error(source: Download, reason: str) -> errors.CorpusError:
  return errors.CorpusError(
      f"{source.url}: could not be downloaded ({reason}); download it with another machine or browser and give its"
      f" path: {source.setting} = \"{os.path.join('path', 'to', source.file_name)}\""
  )
