"""The plan of a training: its rows and steps, the checkpoints it saves and the one it returns.

Both engines follow it, so that one can finish a training that the other began.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import typing
from typing import Any

from absl import logging
from etils import epath
import jax

from next_jax import errors
from next_jax import files
from next_jax.engines import checkpoints
from next_jax.engines import engine
from next_jax.engines import examples as examples_lib
from next_jax.engines import lora
from next_jax.engines import optimizers
from next_jax.engines import packing as packing_lib

if typing.TYPE_CHECKING:  # it needs SeqIO, and a trainer must run without SeqIO
  from next_jax.engines import validator as validator_lib

LOSS_AVERAGE_STEPS = 20  # The loss in the metrics is a running average over this many steps.
VALIDATION = "validation.json"  # In a checkpoint's directory, beside the state.


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingPlan:
  """One training, from its examples to its best checkpoint.

  Attributes:
    examples: The training examples.
    tuning: Settings of the training.
    seed: Seed of the order of examples and of dropout.
    directory: Directory of the checkpoints.
    loss_on_targets_only: Whether the model learns the targets only; if not, it learns the prompts too.
    keep_optimizer_state: Whether the last checkpoint keeps the optimiser's state; earlier ones always do.
    adapter: What is trained instead of the network, if `tuning.lora` says so, and on which base.
    validator: Measures the checkpoints, as `tuning.validation` says; None measures none.
  """

  examples: examples_lib.TokenExamples
  tuning: engine.Tuning
  seed: int
  directory: epath.PathLike
  loss_on_targets_only: bool
  keep_optimizer_state: bool
  adapter: lora.Adapter | None = None
  validator: "validator_lib.Validator | None" = None

  def __post_init__(self):
    tuning = self.tuning
    if tuning.accumulation < 1 or tuning.batch_size % tuning.accumulation:
      raise errors.EngineError(
          f"accumulation: found {tuning.accumulation}, expected a divisor of batch_size={tuning.batch_size}"
      )
    if tuning.num_epochs <= 0:
      raise errors.EngineError(f"num_epochs: found {tuning.num_epochs}, expected more than 0")
    if tuning.keep_checkpoints < 1:
      raise errors.EngineError(f"keep_checkpoints: found {tuning.keep_checkpoints}, expected 1 or more")
    if not self.num_steps:
      raise errors.EngineError(
          f"num_epochs: {tuning.num_epochs} passes over {len(self.examples)} examples give no example; raise it"
      )

  @functools.cached_property
  def packing(self) -> packing_lib.Packing:
    """The rows of the whole training."""
    tuning = self.tuning
    return packing_lib.pack(
        self.examples.lengths, row_length=tuning.sequence_length, num_epochs=tuning.num_epochs, seed=self.seed,
        sharing=self.examples if tuning.share_prompts else None,
    )

  @property
  def num_steps(self) -> int:
    return -(-len(self.packing) // self.tuning.batch_size)

  def learning_rate(self) -> Callable[[int], float]:
    """The schedule: step -> learning rate."""
    return optimizers.schedule(
        peak=self.tuning.learning_rate,
        num_steps=self.num_steps,
        warmup_fraction=self.tuning.warmup_fraction,
        decay_fraction=self.tuning.decay_fraction,
    )

  def begin(self) -> epath.Path | None:
    """The checkpoint to resume from; None if the training has not begun.

    Raises:
      CheckpointError: The directory holds a checkpoint of another training.
    """
    done = checkpoints.steps_of_training(self.directory, self.num_steps)
    if not done:
      tokens = self.num_steps * self.tuning.batch_size * self.tuning.sequence_length
      logging.info(
          "%d examples, %d too long for %d tokens; %d rows (%.0f%% full) in %d steps",
          len(self.examples), self.examples.too_long, self.tuning.sequence_length, len(self.packing),
          100 * self.examples.lengths[self.packing.ids].sum() / tokens, self.num_steps,
      )
      return None
    self._settle(done[-1])
    logging.info("resuming from %s", checkpoints.path_of(self.directory, done[-1]))
    return checkpoints.path_of(self.directory, done[-1])

  def is_ended(self, checkpoint: epath.Path | None) -> bool:
    """Whether a checkpoint that `begin` returned is the last one."""
    return checkpoint == checkpoints.path_of(self.directory, self.num_steps)

  def batch(self, step: int) -> packing_lib.Batch:
    """Features `[batch_size, sequence_length]` of a step."""
    first = step * self.tuning.batch_size
    rows = range(first, min(first + self.tuning.batch_size, len(self.packing)))
    return packing_lib.make_batch(
        self.examples,
        [self.packing.row(number) for number in rows],
        num_rows=self.tuning.batch_size,
        row_length=self.tuning.sequence_length,
        loss_on_targets_only=self.loss_on_targets_only,
        share_prompts=self.tuning.share_prompts,
    )

  def next_save(self, step: int) -> int:
    """The first number of steps above `step` at which a checkpoint is due."""
    return min((step // self.tuning.save_every + 1) * self.tuning.save_every, self.num_steps)

  def save(self, step: int, params: Any, opt_state: Any, *, tokens: int, loss: float) -> None:
    """Saves a checkpoint after `step` steps, measures it, and removes those that are not kept."""
    metrics = {
        "steps": step,
        "tokens": tokens,
        "rows": len(self.packing),
        "examples": len(self.examples),
        "examples_too_long": self.examples.too_long,
        "loss": loss,
    }
    if step == self.num_steps and not self.keep_optimizer_state:
      opt_state = None
    checkpoints.save(self.directory, step, params, opt_state, metrics, self.adapter)
    self._settle(step)

  def result(self) -> tuple[epath.Path, dict[str, float]]:
    """The checkpoint that the training returns, and its metrics."""
    step = self._ranked(checkpoints.steps(self.directory))[0]
    path = checkpoints.path_of(self.directory, step)
    metrics = checkpoints.metrics(path)
    if self.validator is not None:
      metrics |= {f"validation_{name}": value for name, value in _validation(path).items()}
    return path, metrics

  def _settle(self, step: int) -> None:
    """Measures the newest checkpoint, unless a killed run already has, and removes those that are not kept."""
    path = checkpoints.path_of(self.directory, step)
    if self.validator is not None and not (path / VALIDATION).exists():
      measured = self.validator.measure(path, step)
      if jax.process_index() == 0:
        files.write_json(path / VALIDATION, measured)
      checkpoints.barrier(f"{path} is measured")
    kept = self._ranked(checkpoints.steps(self.directory))[: self.tuning.keep_checkpoints]
    checkpoints.remove_all_but(self.directory, {*kept, step})

  def _ranked(self, steps: list[int]) -> list[int]:
    """The steps, best first; without validation, latest first."""
    validation = self.tuning.validation
    if validation is None:
      return sorted(steps, reverse=True)
    values = {step: _validation(checkpoints.path_of(self.directory, step))[validation.metric] for step in steps}
    return sorted(steps, key=lambda step: (-values[step], step))


def _validation(checkpoint: epath.Path) -> Mapping[str, float]:
  return files.read_json(checkpoint / VALIDATION)
