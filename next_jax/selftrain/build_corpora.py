"""Building corpora and nothing else: what `next-jax build` runs."""

import collections
from collections.abc import Sequence
import dataclasses
import os
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import contamination
from next_jax.corpora import corpus as corpus_lib
from next_jax.corpora import data_dir
from next_jax.execution import executor as executor_lib
from next_jax.selftrain.verbs import build
from next_jax.stages import invocation as invocation_lib
from next_jax.stages import progress


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildCorpora:
  """Builds corpora into a work directory, and prints their statistics. A killed build resumes.

  With NEXT_JAX_DATA_DIR set to WORKDIR/corpus, SeqIO tasks read them. The loop builds its own, in its work directory.

  Attributes:
    workdir: The corpora are in WORKDIR/corpus/<name>.
    corpora: The corpora to build.
    executor: Runs bugs and references.
  """

  workdir: epath.PathLike
  corpora: tuple[corpus_lib.Corpus, ...]
  executor: executor_lib.Executor

  def prepare(self) -> None:
    """Checks names, and writes nothing; raises CorpusError."""
    names = [corpus.name for corpus in self.corpora]
    if not names or len(set(names)) != len(names):
      raise errors.CorpusError(f"BuildCorpora.corpora: found {', '.join(names) or 'none'}; expected each corpus once")

  def run(self, invocation: invocation_lib.Invocation = invocation_lib.Invocation()) -> None:
    with self.executor as executor:
      progress.say(f"[executor] {executor.confinement()}")
      digests = build.build(epath.Path(self.workdir), self.corpora, executor, invocation)
    root = epath.Path(self.workdir) / "corpus"
    for name, splits in digests.items():
      _say_what_came_out(root / name, list(splits))
    overlaps = contamination.overlaps({
        f"{name}/{split}": files.read_jsonl(root / name / f"{split}.jsonl", schema.RepairTask)
        for name, splits in digests.items()
        for split in splits
    })
    files.write_json(root / "contamination.json", overlaps)
    for entry in overlaps:
      if entry["repairs"] or entry["problems"]:
        shared = f"{entry['repairs']} repairs, {entry['problems']} problems"
        progress.say(f"[contamination] {' and '.join(entry['splits'])} share {shared}")
    progress.say(f"corpora: {os.fspath(root)} (set {data_dir.ENVIRONMENT_VARIABLE} to it)")

  def run_facts(self) -> dict[str, Any]:
    confined = self.executor.confined
    return {"program": type(self).__name__, "confinement": confined.to_json() if confined else None}


def _say_what_came_out(directory: epath.Path, splits: Sequence[str]) -> None:
  path = directory / "statistics.json"
  if not path.exists():
    return
  report = files.read_json(path)
  for split in splits:
    found, wanted = report["splits"][split], (report.get("aim") or {}).get(split)
    near = f"{found['tasks']:,}" + (f" of {wanted:,} tasks ({found['tasks'] / wanted:.1%})" if wanted else " tasks")
    mixes = "; ".join(
        ", ".join(f"{count:,} {name}" for name, count in collections.Counter(found[key]).most_common())
        for key in ("bug_origins", "shows")
        if found.get(key)
    )
    progress.say(f"[corpus/{directory.name}] {split}: {near}: {mixes}")
  page = directory / "statistics.md"
  if page.exists():
    progress.say(f"[corpus/{directory.name}] statistics: {os.fspath(page)}")
