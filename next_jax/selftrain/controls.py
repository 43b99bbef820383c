"""Controls: models that the loop's own are compared with, tuned on other examples and otherwise made like them.

`OtherFilters` is the same loop without its execution filter: what does the gain owe to the filter? `GoldFixes` is tuned
on the references, which the loop never sees: how far could its training set have got at best?
"""

from collections.abc import Callable
import dataclasses
import random
from typing import Protocol

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.prompts import example as example_lib
from next_jax.prompts import prompt as prompt_lib
from next_jax.selftrain import filters as filters_lib
from next_jax.selftrain import walk as walk_lib
from next_jax.stages import progress
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib

EXAMPLES = "examples.jsonl"


class Control(Protocol):
  """Models below `control_<name>...` in the work directory."""

  name: str

  def run(self, walk: walk_lib.Walk) -> None:
    """Makes and evaluates the models."""
    ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherFilters:
  """The same loop with other filters, beside the loop's own: by default without the execution filter.

  It is a chain of its own: iteration 1 filters the very samples that the loop's iteration 1 has filtered, which the
  base wrote for both, and every later one samples from the control's own last model. Filtering the later samples of
  the loop itself would be cheaper, but those come from models that the execution filter has made: the control would
  profit from what it is to do without. Same prompts, tuning and evaluations, and with `same_size`
  as many examples at each iteration (not as many for each task: which tasks are learned from is the filter's doing).
  That size is what `ablations/no_filter.gin`, a run of its own, does not hold fixed.

  Attributes:
    name: its models are `control_<name>_01`, `control_<name>_02`, ...
    filters: in place of the loop's.
    iterations: how many, at most as many as the loop made; None is as many. After the first each costs what an
      iteration of the loop costs.
    same_size: iteration i keeps at most as many samples as iteration i of the loop, drawn by the seed from the newest.
  """

  name: str = "unfiltered"
  filters: tuple[filters_lib.Filter, ...] = (filters_lib.UniqueFix(), filters_lib.AtMost())
  iterations: int | None = 1
  same_size: bool = True

  def __post_init__(self):
    if self.iterations is not None and self.iterations < 1:
      raise errors.SelfTrainingError(f"control {self.name!r}: iterations={self.iterations}, expected 1 or more, or None for all")

  def run(self, walk: walk_lib.Walk) -> None:
    kept = walk.kept[: self.iterations]
    walk.chain(
        f"control_{self.name}", list(walk.sources[:2]), self.filters, kept if self.same_size else [None] * len(kept)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldFixes:
  """The base tuned on the reference fixes of D_H: supervised tuning on what self-training has to find for itself.

  All tasks of D_H are learned from, those too that no sample solved, with the loop's prompts and tuning, and the model
  is evaluated as all others are. What is comparable is the number of examples, and so of updates: see `same_size`.

  Attributes:
    name: its model is `control_<name>`.
    rationale: writes what stands before the fix, from a random generator and the task; such as
      `corpora.minirepair.rationales.of_reference`. None leaves it empty: the model is prompted for a rationale as ever,
      and learns to go on to the fix at once. That costs a model that was taught to explain first something of its own;
      where right explanations can be had, they make the stricter ceiling.
    same_size: with fewer tasks than the loop's last iteration had examples, go through them again until there are as
      many (each time with another draw of the rationale); False has each task once.
  """

  name: str = "gold"
  rationale: Callable[[random.Random, schema.RepairTask], str] | None = None
  same_size: bool = True

  def run(self, walk: walk_lib.Walk) -> None:
    name = f"control_{self.name}"
    turns = self._turns(walk)
    count = len(turns)
    seed = seeds.derive(walk.seed, "gold", name)
    stage = stage_lib.Stage(
        name=f"{name}/examples", workdir=walk.workdir,
        settings={
            "rationale": self.rationale, "prompt": walk.prompt, "max_prompt_length": walk.sampling.max_prompt_length,
            "num_examples": count, "seed": seed,
        },
        inputs={"hard": walk.hard_fingerprint},
    )

    def work(directory: epath.Path) -> stage_lib.Outcome:
      form = walk.form
      files.write_jsonl(directory / EXAMPLES, [self._example(form, task, turn, seed) for task, turn in turns])
      return stage_lib.Outcome(counts={"examples": count, "tasks": len(walk.hard)})

    manifest = stage.run(work)
    progress.say(f"[{name}/examples] {count:,} examples: the references of {len(walk.hard):,} tasks")
    model = walk.finetune(name, walk.base, stage.directory / EXAMPLES, count, manifest.fingerprint)
    walk.evaluate(model, ("always",))

  def _turns(self, walk: walk_lib.Walk) -> list[tuple[schema.RepairTask, int]]:
    """The tasks in their order, and how often each was there before; again and again until there are enough."""
    count = len(walk.hard)
    if self.same_size and walk.kept:
      count = max(count, walk.kept[-1])
    return [(walk.hard[number % len(walk.hard)], number // len(walk.hard)) for number in range(count)]

  def _example(self, form: prompt_lib.Prompt, task: schema.RepairTask, turn: int, seed: int) -> example_lib.Example:
    rationale = ""
    if self.rationale is not None:
      rationale = self.rationale(random.Random(seeds.derive(seed, task.task_id, turn)), task)
    return example_lib.Example(
        task_id=task.task_id, inputs=form.render(task), targets=form.target(rationale, task.reference_code)
    )
