"""How a proxy learns its part: to fix a program with the help of a rationale that does not say the fix.

A large model follows a rationale that it is given. A small one that was taught to write rationales and fixes copies
what its rationale says, and fixes next to nothing once the code in it is cut: then proxy-based evaluation measures
nothing. So such a proxy is tuned first, on tasks of a training split: the task, a right rationale with its code cut off
(`cutting`), or for some tasks none, and the reference to write.
"""

from collections.abc import Callable
import dataclasses
import random

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.engines import engine as engine_lib
from next_jax.prompts import example as example_lib
from next_jax.prompts import seqio_tasks
from next_jax.rationales import cutting
from next_jax.selftrain import build
from next_jax.selftrain import evaluate
from next_jax.selftrain import finetune
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import settings
from next_jax.stages import stage as stage_lib

EXAMPLES = "examples.jsonl"
NONE = "(none)"  # stands where no rationale is given


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProxyTraining:
  """Tunes a proxy, once for all evaluations of a run that have this training.

  Attributes:
    name: of its directory below the work directory.
    rationale: writes a right rationale, from a random generator and the task; such as
      `corpora.minirepair.rationales.of_reference`.
    tuning: of the proxy.
    split: of the task of the evaluation; not the one that is evaluated.
    num_tasks: how many of its tasks, chosen by `seed`; None takes all.
    none_share: of the tasks that are learned without a rationale, so that to be given none is nothing new.
    seed: of its own: the same proxy judges the runs of all seeds.
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
      raise errors.SelfTrainingError(f"proxy {self.name!r}: none_share={self.none_share}, expected a share from 0 to below 1")

  def run(
      self, task: str, checkpoint: epath.PathLike, engine: engine_lib.Engine, context: evaluate.Context
  ) -> None:
    """Runs the stages `<name>/examples` and `<name>/finetune`, unless they are done.

    Args:
      task: SeqIO task of the setting `proxy`, whose prompts are learned.
      checkpoint: to start from.
    """
    registration = seqio_tasks.registration(task)
    tasks, digest = build.read(task, self.split, context.digests)
    tasks = evaluate.subset(tasks, self.num_tasks, seeds.derive(self.seed, self.name, "tasks"))
    form = registration.prompt.with_shots(0).within(context.sampling.max_prompt_length, registration.vocabulary)
    stage = stage_lib.Stage(
        name=f"{self.name}/examples", workdir=context.workdir,
        settings={
            "task": task, "split": self.split, "num_tasks": self.num_tasks, "rationale": self.rationale,
            "none_share": self.none_share, "seed": self.seed, "prompt": registration.prompt,
            "max_prompt_length": context.sampling.max_prompt_length,
        },
        inputs={"tasks": digest},
    )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      given = {one.task_id: self._given(one) for one in tasks}
      prompt = dataclasses.replace(form, rationales=given.__getitem__)
      files.write_jsonl(directory / EXAMPLES, [
          example_lib.Example(
              task_id=one.task_id, inputs=prompt.render(one), targets=prompt.target("", one.reference_code)
          )
          for one in tasks
      ])
      return stage_lib.Outcome(counts={
          "examples": len(tasks), "without_rationale": sum(text == NONE for text in given.values()),
          "rationales_cut": sum(cutting.CUT in text for text in given.values()),
      })

    made = stage.run(work)
    progress.say(f"[{self.name}/examples] {made.counts['examples']:,} tasks with right rationales for the proxy")
    finetune.finetune(
        context.workdir, f"{self.name}/finetune", engine=engine, examples=stage.directory / EXAMPLES,
        num_examples=len(tasks), vocabulary=registration.vocabulary, checkpoint=checkpoint, tuning=self.tuning,
        seed=seeds.derive(self.seed, self.name, "finetune"),
        inputs={"examples": made.fingerprint, "checkpoint": settings.digest(checkpoint)},
    )

  def trained(self, workdir: epath.Path) -> tuple[epath.Path, str]:
    """The checkpoint that `run` has left, and the fingerprint of its stage."""
    directory = workdir / self.name / "finetune"
    manifest = stage_lib.read_manifest(directory)
    if manifest is None:
      raise errors.SelfTrainingError(f"proxy {self.name!r} is not trained: {directory}/{stage_lib.MANIFEST} is not there")
    return directory / manifest.metrics["checkpoint"], manifest.fingerprint

  def _given(self, task: schema.RepairTask) -> str:
    draw = random.Random(seeds.derive(self.seed, self.name, task.task_id))
    if draw.random() < self.none_share:
      return NONE
    return cutting.without_fix(self.rationale(draw, task), task, None) or NONE
