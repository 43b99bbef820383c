"""The verb `build`: corpora into WORKDIR/corpus, where the SeqIO tasks of the run read them."""

from collections.abc import Mapping, Sequence

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import corpus as corpus_lib
from next_jax.corpora import data_dir
from next_jax.execution import executor as executor_lib
from next_jax.prompts import seqio_tasks
from next_jax.stages import invocation as invocation_lib
from next_jax.stages import progress
from next_jax.stages import stage as stage_lib


def build(
    workdir: epath.Path, corpora: Sequence[corpus_lib.Corpus], executor: executor_lib.Executor,
    invocation: invocation_lib.Invocation = invocation_lib.Invocation(),
) -> dict[str, dict[str, str]]:
  """Runs the stage `corpus/<name>` for each corpus, and points `data_dir` at them.

  Returns:
    Corpus -> split -> digest of its file.
  """
  digests = {}
  for corpus in corpora:
    stage = stage_lib.Stage(
        name=f"corpus/{corpus.name}", workdir=workdir, settings={"corpus": corpus}, inputs={}, invocation=invocation
    )

    def work(directory: epath.Path, corpus: corpus_lib.Corpus = corpus) -> stage_lib.Outcome:
      progress.say(f"[corpus/{corpus.name}] building: every bug is proven to fail, every trace recorded")
      counts = corpus.build(directory, executor)
      written = {split: files.digest(directory / f"{split}.jsonl") for split in counts}
      return stage_lib.Outcome(metrics={"digests": written}, counts=counts)

    manifest = stage.run(work)
    tasks = ", ".join(f"{count:,} {split}" for split, count in manifest.counts.items())
    progress.say(f"[corpus/{corpus.name}] repair tasks: {tasks}")
    digests[corpus.name] = dict(manifest.metrics["digests"])
  data_dir.set_data_dir(workdir / "corpus")
  return digests


def check(task: str, split: str, corpora: Sequence[str]) -> None:
  """Raises SelfTrainingError when the task has no such split, or its corpus is not among `corpora`."""
  form = seqio_tasks.registration(task)
  if split not in form.splits:
    raise errors.SelfTrainingError(f"task {task!r} has no split {split!r}; it has {', '.join(form.splits)}")
  if form.corpus not in corpora:
    raise errors.SelfTrainingError(
        f"task {task!r} needs corpus {form.corpus!r}, and the run builds {', '.join(corpora) or 'none'}; add it to"
        " `corpora`"
    )


def check_built(task: str, split: str, digests: Mapping[str, Mapping[str, str]]) -> None:
  """Raises SelfTrainingError when the corpus was built without the split, before hours are spent on earlier stages."""
  corpus = seqio_tasks.registration(task).corpus
  if split not in digests[corpus]:
    raise errors.SelfTrainingError(
        f"split {split!r} of task {task!r} is not there: corpus {corpus!r} was built with {', '.join(digests[corpus])};"
        f" give the corpus tasks of {split!r}"
    )


def read(task: str, split: str, digests: Mapping[str, Mapping[str, str]]) -> tuple[list[schema.RepairTask], str]:
  """The repair tasks of a split that was built, and the digest of its file.

  Raises SelfTrainingError when there are none.
  """
  check(task, split, list(digests))
  form = seqio_tasks.registration(task)
  tasks = list(form.read(split))
  if not tasks:
    raise errors.SelfTrainingError(f"split {split!r} of task {task!r} is empty; build a larger corpus")
  return tasks, digests[form.corpus][split]
