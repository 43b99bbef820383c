"""Downloads files from their official sources once, checks them, and keeps them in DATA_DIR/downloads."""

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
  """A third-party file.

  Attributes:
    url: Address of the file, pinned to a commit if the host allows that.
    file_name: Name of the local copy.
    setting: Setting that takes the path of a local copy instead, such as "MbppR.file"; for the error message.
    check: Raises UserError if the file at a path is not the right one; called before the file is kept.
    sha256: Hexadecimal digest of the content, unpacked for a .gz file because packing varies between hosts. None if no
      digest is known; then only `check` decides.
    max_bytes: Maximum size of the download in bytes; a longer one is refused.
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
  """The path of the file, which is downloaded unless it is there already.

  The file gets its final name once it is complete and has passed the checks. A partial or wrong file is never kept.

  Args:
    source: The file to fetch.
    directory: Directory to keep it in; None means DATA_DIR/downloads.
    attempts: Maximum number of attempts when the network fails; a refusal (HTTP 4xx) is not retried.
    timeout: Seconds without a byte after which an attempt has failed.

  Raises:
    CorpusError: There is no network, the server refuses, or the file is not the expected one.
  """
  directory = data_dir.data_dir() / "downloads" if directory is None else epath.Path(directory)
  path = directory / source.file_name
  if path.exists():
    return path
  directory.mkdir(parents=True, exist_ok=True)
  # The name keeps the file's own ending, because readers choose the format by it.
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
