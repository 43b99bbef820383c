"""A TFDS builder over the repair tasks of a built corpus."""

from collections.abc import Iterator, Mapping
import os
from typing import Any, ClassVar

from etils import epath
import tensorflow_datasets as tfds

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import corpus as corpus_lib
from next_jax.corpora import data_dir
from next_jax.execution import executor as executor_lib
from next_jax.prompts import prompt as prompt_lib
from next_jax.tracing.annotation import inline

NEXT = """@inproceedings{ni2024next,
  title={{NExT}: Teaching Large Language Models to Reason about Code Execution},
  author={Ni, Ansong and Allamanis, Miltiadis and Cohan, Arman and Deng, Yinlin and Shi, Kensen and Sutton, Charles and
    Yin, Pengcheng},
  booktitle={ICML},
  year={2024}
}"""


class RepairBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # TFDS's own
  """Serves the tasks of a directory as `next-jax build` writes it; builds them first where they are not there.

  An example is a task: what the model may see, the tests, the traced buggy program, and where the bug is from. `task`
  holds the whole record as JSON, trace included, for `schema.RepairTask.from_json`.

  Args:
    directory: with the splits as JSONL; None for DATA_DIR/<corpus>, see `corpora.data_dir`.
    **kwargs: of `tfds.core.GeneratorBasedBuilder`.

  Raises:
    CorpusError: TFDS has this dataset already, prepared from another build than the one in `directory`.
  """

  CORPUS: ClassVar[corpus_lib.Corpus]  # built with these settings where nothing is built
  SPLITS: ClassVar[tuple[str, ...]]
  HOMEPAGE: ClassVar[str]
  CITATION: ClassVar[str]
  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First version."}

  def __init__(self, *, directory: epath.PathLike | None = None, **kwargs: Any):
    self._directory = epath.Path(directory) if directory is not None else data_dir.data_dir() / self.CORPUS.name
    super().__init__(**kwargs)
    prepared = (self.info.metadata or {}).get("sha256")
    if prepared and self._is_built and (found := data_dir.digest(self._directory)) != prepared:
      raise errors.CorpusError(
          f"{os.fspath(self.data_path)}: was prepared from a build with sha256 {prepared}, and the one in"
          f" {os.fspath(self._directory)} has {found}; delete the former, or give another data_dir"
      )

  def _info(self) -> tfds.core.DatasetInfo:
    text = tfds.features.Text
    return tfds.core.DatasetInfo(
        builder=self,
        description=type(self).__doc__,
        homepage=self.HOMEPAGE,
        citation=self.CITATION,
        features=tfds.features.FeaturesDict({
            "task_id": text(),
            "instruction": text(),
            "entry_point": text(),
            "setup_code": text(),
            "buggy_code": text(),
            "traced_code": text(doc="The buggy program with its trace as comments, as a prompt shows it."),
            "trace_call": text(doc="The call that was traced."),
            "trace_outcome": text(doc="returned, raised or truncated."),
            "reference_code": text(),
            "public_tests": tfds.features.Sequence(text()),
            "hidden_tests": tfds.features.Sequence(text()),
            "bug_kind": text(),
            "bug_origin": text(doc="mutant, model or benchmark."),
            "task": text(doc="The whole record as JSON."),
        }),
        metadata=tfds.core.MetadataDict({}),
    )

  @property
  def _is_built(self) -> bool:
    return (self._directory / "statistics.json").exists()

  def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> Mapping[str, Any]:
    del dl_manager  # corpora.downloads, which knows the right digests
    if not self._is_built:
      with self._executor() as executor:
        self.CORPUS.build(self._directory, executor)
    self.info.metadata["sha256"] = data_dir.digest(self._directory)
    return {split: self._generate_examples(split) for split in self.SPLITS}

  def _executor(self) -> executor_lib.Executor:
    return executor_lib.Executor()

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for task in files.read_jsonl(self._directory / f"{split}.jsonl", schema.RepairTask):
      assert task.trace is not None, task.task_id
      yield task.task_id, {
          "task_id": task.task_id,
          "instruction": task.instruction,
          "entry_point": task.entry_point,
          "setup_code": task.setup_code,
          "buggy_code": task.buggy_code,
          "traced_code": inline.annotate(task.buggy_code, task.trace, prompt_lib.PROMPT_STYLE),
          "trace_call": task.trace.call,
          "trace_outcome": task.trace.outcome,
          "reference_code": task.reference_code,
          "public_tests": list(task.public_tests),
          "hidden_tests": list(task.hidden_tests),
          "bug_kind": task.bug_kind,
          "bug_origin": task.bug_origin,
          "task": files.dumps(task.to_json()),
      }
