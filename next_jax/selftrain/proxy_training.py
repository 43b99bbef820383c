"""How a proxy learns its part: to fix a program with the help of a rationale that does not dictate the fix.

A large model follows a rationale that it is given. A small one that was taught to write rationales and fixes copies
what its rationale says, and fixes next to nothing once the code in it is cut: proxy-based evaluation would measure
nothing. Such a proxy is tuned first, on tasks of a training split: it is given the task and a right rationale with its
code cut off (`cutting`), or for some tasks none, and learns to write the reference.
"""

from collections.abc import Callable
import dataclasses
import random

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.prompts import seqio_tasks
from next_jax.prompts import training_example
from next_jax.rationales import cutting
from next_jax.selftrain import model as model_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import task_set
from next_jax.selftrain import training_set
from next_jax.selftrain.verbs import build
from next_jax.selftrain.verbs import finetune
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib

EXAMPLES = "examples.jsonl"
NONE = "(none)"  # stands where no rationale is given


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProxyTraining:
  """Tunes a proxy, once for all evaluations of a run that share this training.

  Attributes:
    name: Directory below the work directory.
    rationale: Writes a right rationale, from a random generator and the task, such as
      `corpora.minirepair.rationales.of_reference`.
    tuning: How the proxy is tuned.
    split: Split to train on; not the one that is evaluated.
    num_tasks: Number of tasks, chosen by `seed`. None takes all.
    none_share: Share of the tasks that are learned without a rationale, so that the proxy knows this case.
    seed: The proxy's own seed: the same proxy judges the runs of all seeds.
  """

  name: str = "proxy"
  rationale: Callable[[random.Random, schema.RepairTask], str]
  tuning: engine_lib.Tuning
  split: str = "train"
  num_tasks: int | None = None
  none_share: float = 0.25
  seed: int = 0

  def __post_init__(self):
    if not 0.0 <= self.none_share < 1.0:
      raise errors.SelfTrainingError(
          f"proxy {self.name!r}: none_share={self.none_share}, expected a share from 0 to below 1"
      )

  def run(self, run: run_lib.Run, task: str, checkpoint: epath.PathLike, engine: engine_lib.Engine) -> None:
    """Runs the stages `<name>/examples` and `<name>/finetune`, unless they are finished.

    Args:
      task: SeqIO task of the setting `proxy`, whose prompts are learned.
      checkpoint: Where the training starts.
      engine: Trains the proxy.
    """
    form = seqio_tasks.registration(task)
    split, digest = build.read(task, self.split, run.digests)
    tasks = task_set.subset(split, self.num_tasks, seeds.derive(self.seed, self.name, "tasks"))
    stage = run.stage(
        f"{self.name}/examples",
        settings={
            "task": task, "split": self.split, "num_tasks": self.num_tasks, "rationale": self.rationale,
            "none_share": self.none_share, "seed": self.seed, "prompt": form.prompt,
            "max_prompt_length": run.sampling.max_prompt_length,
        },
        inputs={"tasks": digest},
    )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      given = {one.task_id: self._given(one) for one in tasks}
      prompt = form.prompt.with_shots(0).within(run.sampling.max_prompt_length, form.vocabulary)
      prompt = dataclasses.replace(prompt, rationales=given.__getitem__)
      files.write_jsonl(directory / EXAMPLES, [
          training_example.Example(
              task_id=one.task_id, inputs=prompt.render(one), targets=prompt.target("", one.reference_code)
          )
          for one in tasks
      ])
      return stage_lib.Outcome(counts={
          "examples": len(tasks), "without_rationale": sum(text == NONE for text in given.values()),
          "rationales_cut": sum(cutting.CUT in text for text in given.values()),
      })

    made = stage.run(work)
    progress.say(f"[{stage.name}] {made.counts['examples']:,} tasks with right rationales for the proxy")
    start = model_lib.Model(name="proxy_start", checkpoint=checkpoint, fingerprint=files.digest(checkpoint))
    finetune.finetune(
        run, self.name, start=start, tuning=self.tuning, vocabulary=form.vocabulary, engine=engine,
        examples=training_set.TrainingSet(
            path=stage.directory / EXAMPLES, count=len(tasks), fingerprint=made.fingerprint
        ),
        seed=seeds.derive(self.seed, self.name, "finetune"),
    )

  def trained(self, workdir: epath.Path) -> tuple[epath.Path, str]:
    """The checkpoint that `run` has made, and the fingerprint of its stage."""
    directory = workdir / self.name / "finetune"
    manifest = stage_lib.read_manifest(directory)
    if manifest is None:
      raise errors.SelfTrainingError(
          f"proxy {self.name!r} is not trained: {directory}/{stage_lib.MANIFEST} is not there"
      )
    return directory / manifest.metrics["checkpoint"], manifest.fingerprint

  def _given(self, task: schema.RepairTask) -> str:
    draw = random.Random(seeds.derive(self.seed, self.name, task.task_id))
    if draw.random() < self.none_share:
      return NONE
    return cutting.without_fix(self.rationale(draw, task), task, None) or NONE
