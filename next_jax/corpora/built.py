"""A corpus that `next-jax build` has built already, for runs that shall not build it again."""

import dataclasses
import os

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import data_dir
from next_jax.execution import executor as executor_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Built:
  """Copies the splits of another directory into the work directory of a run.

  Attributes:
    directory: of one corpus, such as WORKDIR/corpus/mbpp_r; its name is the name of the corpus.
    sha256: that `run.json` of the build has under "dataset_sha256"; None takes whatever is there.
  """

  directory: epath.PathLike
  sha256: str | None = None

  @property
  def name(self) -> str:
    return epath.Path(self.directory).name

  def build(self, directory: epath.PathLike, executor: executor_lib.Executor) -> dict[str, int]:
    """Raises FileError for a damaged split, CorpusError when there are none or their digest is another."""
    del executor  # whoever built it has proven its tasks
    paths = sorted(epath.Path(self.directory).glob("*.jsonl"), key=os.fspath)
    if not paths:
      raise errors.CorpusError(
          f"{os.fspath(self.directory)}: no splits there; expected what next-jax build has written,"
          " WORKDIR/corpus/<name>"
      )
    found = data_dir.digest(self.directory)
    if self.sha256 not in (None, found):
      raise errors.CorpusError(
          f"{os.fspath(self.directory)}: its sha256 is {found}, expected {self.sha256}; build it again with the"
          " settings of that time, or change Built.sha256"
      )
    counts = {path.stem: len(files.read_jsonl(path, schema.RepairTask)) for path in paths}
    for name in (*(path.name for path in paths), "statistics.json", "statistics.md"):
      source = epath.Path(self.directory) / name
      if source.exists():
        files.write_text(epath.Path(directory) / name, source.read_bytes().decode("utf-8"))
    return counts
