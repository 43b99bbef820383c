"""Where built corpora lie: DATA_DIR/<corpus>/<split>.jsonl.

SeqIO tasks are registered when a module is imported, before anybody knows where the data is, so
they ask here each time they read. A run points it at its own work directory.
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
  """From now on corpora are read from `path`; None goes back to the environment's."""
  global _chosen
  _chosen = None if path is None else epath.Path(path)


def data_dir() -> epath.Path:
  """What `set_data_dir` chose, else $NEXT_JAX_DATA_DIR, else ~/next_jax_datasets."""
  if _chosen is not None:
    return _chosen
  return epath.Path(os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT).expanduser()


def split_path(corpus: str, split: str) -> epath.Path:
  return data_dir() / corpus / f"{split}.jsonl"


def read_split(corpus: str, split: str) -> list[schema.RepairTask]:
  """Raises CorpusError when it was not built, FileError with file, line and key when it is damaged."""
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
  """sha256 of a built corpus: of the names and the sha256 of its splits, in the order of the names."""
  sha = hashlib.sha256()
  for path in sorted(epath.Path(directory).glob("*.jsonl"), key=os.fspath):
    sha.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
  return sha.hexdigest()
