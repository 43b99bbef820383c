"""A corpus that `next-jax build` has built before, for runs that do not build it again."""

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
    directory: Directory of one corpus, such as WORKDIR/corpus/mbpp_r; its name is the name of the corpus.
    sha256: Expected digest, as `run.json` of the build has it under "dataset_sha256"; None accepts any.
  """

  directory: epath.PathLike
  sha256: str | None = None

  @property
  def name(self) -> str:
    return epath.Path(self.directory).name

  def build(self, directory: epath.PathLike, executor: executor_lib.Executor) -> dict[str, int]:
    """Copies the splits and statistics; returns the number of tasks in each split.

    Raises:
      FileError: A split is damaged.
      CorpusError: There are no splits, or their digest is not `sha256`.
    """
    del executor  # the build has proven the tasks
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
