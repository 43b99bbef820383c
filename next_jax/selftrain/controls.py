"""Controls: models to compare the loop's own with, tuned on other examples and otherwise made like them.

`OtherFilters` is the same loop without its execution filter: how much of the gain is owed to the filter? `GoldFixes` is
tuned on the references, which the loop never sees: how far could supervised tuning get?
"""

from collections.abc import Callable
import dataclasses
import random

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import training_example
from next_jax.selftrain import filters as filters_lib
from next_jax.selftrain import loop as loop_lib
from next_jax.selftrain import run as run_lib
from next_jax.selftrain import training_set
from next_jax.selftrain.verbs import finetune
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib

EXAMPLES = "examples.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherFilters:
  """The same loop with other filters: by default without the execution filter.

  Iteration 1 filters the samples that iteration 1 of the loop has filtered too: the base wrote them for both. Every
  later iteration samples from the control's own last model. Filtering the loop's own later samples would be cheaper,
  but models that the execution filter has made wrote them: the control would profit from what it is to do without.

  Prompts, tuning and evaluations are the loop's. With `same_size` the number of examples in each iteration is the
  loop's too, though not the number for each task: which tasks are learned from is up to the filters. The ablation
  `ablations/no_filter.gin`, a run of its own, does not hold that number fixed.

  Attributes:
    name: The models are `control_<name>_01`, `control_<name>_02`, ...
    filters: Filters in place of the loop's.
    iterations: Number of iterations, at most as many as the loop made. None makes as many. Each after the first costs
      as much as an iteration of the loop.
    same_size: Iteration i keeps at most as many samples as iteration i of the loop: the newest, drawn by the seed.
  """

  name: str = "unfiltered"
  filters: tuple[filters_lib.Filter, ...] = (filters_lib.UniqueFix(), filters_lib.AtMost())
  iterations: int | None = 1
  same_size: bool = True

  def __post_init__(self):
    if self.iterations is not None and self.iterations < 1:
      raise errors.SelfTrainingError(
          f"control {self.name!r}: iterations={self.iterations}, expected 1 or more, or None for all"
      )

  def run(self, loop: loop_lib.SelfTraining, run: run_lib.Run, made: loop_lib.Iterations) -> None:
    sizes = made.num_kept[: self.iterations]
    started = dataclasses.replace(made, samples=made.samples[:2])
    loop.iterate(
        run, f"control_{self.name}", started, filters=self.filters,
        limits=sizes if self.same_size else [None] * len(sizes),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldFixes:
  """The base tuned on the reference fixes of D_H: supervised tuning on what self-training has to find by itself.

  The model learns from all tasks of D_H, solved or not, with the loop's prompts and tuning, and is evaluated like all
  others. `same_size` makes the number of examples comparable, and so the number of updates.

  Attributes:
    name: The model is `control_<name>`.
    rationale: Writes the text before the fix, from a random generator and the task, such as
      `corpora.minirepair.rationales.of_reference`. None leaves it empty: the model is still prompted for a rationale,
      and learns to write the fix at once. A model that was taught to explain first loses by that; right rationales,
      where they can be had, make the stricter ceiling.
    same_size: Repeat the tasks until there are as many examples as the loop's last iteration had, each time with
      another draw of the rationale. False has each task once.
  """

  name: str = "gold"
  rationale: Callable[[random.Random, schema.RepairTask], str] | None = None
  same_size: bool = True

  def run(self, loop: loop_lib.SelfTraining, run: run_lib.Run, made: loop_lib.Iterations) -> None:
    name, hard = f"control_{self.name}", made.hard
    prompt = hard.form.prompt.with_shots(0)
    turns = self._turns(made)
    seed = run.derive_seed("gold", name)
    stage = run.stage(
        f"{name}/examples",
        settings={
            "rationale": self.rationale, "prompt": prompt, "max_prompt_length": run.sampling.max_prompt_length,
            "num_examples": len(turns), "seed": seed,
        },
        inputs={"hard": hard.fingerprint},
    )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      form = prompt.within(run.sampling.max_prompt_length, hard.form.vocabulary)
      files.write_jsonl(directory / EXAMPLES, [self._example(form, task, turn, seed) for task, turn in turns])
      return stage_lib.Outcome(counts={"examples": len(turns), "tasks": len(hard.tasks)})

    manifest = stage.run(work)
    progress.say(f"[{stage.name}] {len(turns):,} examples: the references of {len(hard.tasks):,} tasks")
    examples = training_set.TrainingSet(
        path=stage.directory / EXAMPLES, count=len(turns), fingerprint=manifest.fingerprint
    )
    model = finetune.finetune(
        run, name, start=made.base, examples=examples, tuning=loop.tuning, vocabulary=hard.form.vocabulary,
        seed=run.derive_seed("finetune", name),
    )
    loop.evaluate(run, model, ("always",))

  def _turns(self, made: loop_lib.Iterations) -> list[tuple[schema.RepairTask, int]]:
    """The tasks in their order, each with how often it occurred before; repeated until there are enough."""
    tasks = made.hard.tasks
    count = len(tasks)
    if self.same_size and made.num_kept:
      count = max(count, made.num_kept[-1])
    return [(tasks[number % len(tasks)], number // len(tasks)) for number in range(count)]

  def _example(
      self, form: prompt_lib.Prompt, task: schema.RepairTask, turn: int, seed: int
  ) -> training_example.Example:
    rationale = ""
    if self.rationale is not None:
      rationale = self.rationale(random.Random(seeds.derive(seed, task.task_id, turn)), task)
    return training_example.Example(
        task_id=task.task_id, inputs=form.render(task), targets=form.target(rationale, task.reference_code)
    )
