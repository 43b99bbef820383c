"""The base model P0: trained on demonstrations of an embedded corpus, then evaluated."""

from collections.abc import Iterator
import dataclasses
import os
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.corpora.minirepair import generated
from next_jax.engines import engine as engine_lib
from next_jax.execution import executor as executor_lib
from next_jax.prompts import seqio_tasks
from next_jax.prompts import training_example
from next_jax.selftrain import model as model_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import training_set
from next_jax.selftrain.verbs import build
from next_jax.selftrain.verbs import evaluate
from next_jax.selftrain.verbs import finetune
from next_jax.stages import invocation as invocation_lib
from next_jax.stages import parts
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib

EXAMPLES = "train.jsonl"
PART_SIZE = 2000  # demonstrations in a part; a killed run repeats at most this many


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretraining:
  """Trains a network on demonstrations, shown with and without trace; from scratch or from a checkpoint.

  Attributes:
    workdir: Everything the run writes is below it.
    corpus: Gives the demonstrations, and the tasks of the evaluations.
    task: SeqIO task whose prompt and vocabulary are used.
    engine: Trains and samples.
    executor: Runs the programs.
    checkpoint: Where the training starts. None trains from scratch.
    num_demonstrations: Number of demonstrations; each is one training example.
    num_workers: Number of processes that write demonstrations; 0 writes them in this process.
    share_with_trace: Share of the demonstrations that show the trace. The others don't, so that the model can be
      prompted both ways.
    tuning: How the network is trained.
    sampling: How the evaluations draw completions.
    evaluations: What the trained model is measured on; `when` does not matter.
    seed: Every other seed of the run is derived from it.
  """

  workdir: epath.PathLike
  corpus: generated.GeneratedCorpus
  task: str = "minirepair_trace"
  engine: engine_lib.Engine
  executor: executor_lib.Executor
  checkpoint: epath.PathLike | None = None
  num_demonstrations: int
  num_workers: int = 2
  share_with_trace: float = 0.7
  tuning: engine_lib.Tuning
  sampling: engine_lib.Sampling = engine_lib.Sampling()
  evaluations: tuple[evaluate.Evaluation, ...] = ()
  seed: int = 0

  def __post_init__(self):
    if self.num_demonstrations < 1:
      raise errors.SelfTrainingError(
          f"Pretraining.num_demonstrations: found {self.num_demonstrations}, expected 1 or more"
      )
    if not 0 <= self.share_with_trace <= 1:
      raise errors.SelfTrainingError(f"Pretraining.share_with_trace: found {self.share_with_trace}, expected 0 to 1")

  def prepare(self) -> None:
    """Checks names, and writes nothing; raises UserError."""
    seqio_tasks.registration(self.task)
    for evaluation in self.evaluations:
      build.check(evaluation.task, evaluation.split, [self.corpus.name])

  def run(self, invocation: invocation_lib.Invocation = invocation_lib.Invocation()) -> None:
    """Runs all stages that are not finished."""
    with self.executor as executor:
      workdir = epath.Path(self.workdir)
      run = run_lib.Run(
          workdir=workdir, engine=self.engine, executor=executor, sampling=self.sampling,
          digests=build.build(workdir, [self.corpus], executor, invocation), seed=self.seed, invocation=invocation,
      )
      model = finetune.finetune(
          run, "base", start=self._start(), examples=self._demonstrations(run), tuning=self.tuning,
          vocabulary=seqio_tasks.registration(self.task).vocabulary, seed=run.derive_seed("pretrain"),
      )
      for evaluation in self.evaluations:
        evaluate.evaluate(run, model, evaluation)
    progress.say(f"[base] {os.fspath(model.checkpoint)}")

  def run_facts(self) -> dict[str, Any]:
    manifest = stage_lib.read_manifest(epath.Path(self.workdir) / "corpus" / self.corpus.name)
    digests = {self.corpus.name: dict(manifest.metrics["digests"]) if manifest else None}
    return {"program": type(self).__name__, "seed": self.seed, "dataset_digests": digests}

  def _start(self) -> model_lib.Model | None:
    if self.checkpoint is None:
      return None
    return model_lib.Model(
        name="start", checkpoint=self.checkpoint, fingerprint=files.digest(self.checkpoint)
    )

  def _demonstrations(self, run: run_lib.Run) -> training_set.TrainingSet:
    """Runs the stage `demonstrations`."""
    form = seqio_tasks.registration(self.task)
    with_trace = dataclasses.replace(form.prompt, with_trace=True)
    without_trace = dataclasses.replace(form.prompt, with_trace=False)
    seed = run.derive_seed("demonstrations")
    stage = run.stage(
        "demonstrations",
        settings={
            "corpus": self.corpus, "num_demonstrations": self.num_demonstrations, "prompt": form.prompt,
            "share_with_trace": self.share_with_trace, "seed": seed,
        },
        inputs={},
    )

    def render(demonstration: generated.Demonstration) -> training_example.Example:
      task = demonstration.task
      # The rank is a uniform number in hexadecimal: the same demonstration is shown the same way always.
      traced = int(seeds.rank(seed, task.task_id)[:8], 16) < self.share_with_trace * 16**8
      prompt = with_trace if traced else without_trace
      return training_example.Example(
          task_id=task.task_id, inputs=prompt.render(task),
          targets=prompt.target(
              demonstration.rationale if traced else demonstration.rationale_without_trace, demonstration.fix
          ),
      )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      path = directory / EXAMPLES
      progress.say(f"[demonstrations] {self.num_demonstrations:,} demonstrations of {self.corpus.name}")
      with progress.Bar(self.num_demonstrations, "demonstrations", parts.count(path)) as bar:

        def chunks(skip: int, step: int) -> Iterator[list[training_example.Example]]:
          del step  # 1: not written together, the corpus has worker processes of its own
          start = skip * PART_SIZE
          demonstrations = self.corpus.demonstrations(
              max(0, self.num_demonstrations - start), start=start, num_workers=self.num_workers
          )
          part = []
          for demonstration in demonstrations:
            part.append(render(demonstration))
            bar.advance(1)
            if len(part) == PART_SIZE:
              yield part
              part = []
          if part:
            yield part

        written = parts.write(path, training_example.Example, chunks)
        return stage_lib.Outcome(
            metrics={"digest": files.digest(path)}, counts={"examples": len(written)},
            timing={"demonstrations_per_second": bar.rate()},
        )

    manifest = stage.run(work)
    return training_set.TrainingSet(
        path=stage.directory / EXAMPLES, count=manifest.counts["examples"], fingerprint=manifest.fingerprint
    )
