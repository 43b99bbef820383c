"""The location of built corpora: DATA_DIR/<corpus>/<split>.jsonl.

SeqIO tasks are registered on import, before the location of the data is known, so they look it up here at each read. A
run sets it to a folder in its own work directory.
"""

import hashlib
import os

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema

ENVIRONMENT_VARIABLE = "NEXT_JAX_DATA_DIR"
DEFAULT = "~/next_jax_datasets"

_chosen: epath.Path | None = None


def set_data_dir(path: epath.PathLike | None) -> None:
  """Reads corpora from `path` from now on; None returns to the environment variable or the default."""
  global _chosen
  _chosen = None if path is None else epath.Path(path)


def data_dir() -> epath.Path:
  """The directory set by `set_data_dir`, else $NEXT_JAX_DATA_DIR, else ~/next_jax_datasets."""
  if _chosen is not None:
    return _chosen
  return epath.Path(os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT).expanduser()


def split_path(corpus: str, split: str) -> epath.Path:
  return data_dir() / corpus / f"{split}.jsonl"


def read_split(corpus: str, split: str) -> list[schema.RepairTask]:
  """The tasks of a split, in file order.

  Raises:
    CorpusError: The split was not built.
    FileError: The file is damaged; names file, line and key.
  """
  path = split_path(corpus, split)
  if not path.exists():
    found = sorted(p.stem for p in path.parent.glob("*.jsonl")) if path.parent.exists() else []
    raise errors.CorpusError(
        f"{os.fspath(path)}: split {split!r} of corpus {corpus!r} is not there (splits found:"
        f" {', '.join(found) or 'none'}); build the corpus, or set {ENVIRONMENT_VARIABLE}"
        " or data_dir.set_data_dir to where it was built"
    )
  return files.read_jsonl(path, schema.RepairTask)


def digest(directory: epath.PathLike) -> str:
  """sha256 over the file names and sha256 digests of a built corpus's splits, in order of name."""
  sha = hashlib.sha256()
  for path in sorted(epath.Path(directory).glob("*.jsonl"), key=os.fspath):
    sha.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
  return sha.hexdigest()
