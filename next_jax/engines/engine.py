"""What an engine does: fine-tune, sample and score a network on a SeqIO task given by name.

An engine knows nothing of programs, traces or verdicts: it reads token features of a task,
`inputs` and `targets`, and the string feature `task_id` that says which example a sample is for.
"""

from collections.abc import Callable, Iterator
import dataclasses
from typing import Any, Protocol

from etils import epath

from next_jax import errors
from next_jax import schema


class CheckpointError(errors.EngineError):
  """A checkpoint that is missing or does not fit the network; the message says what differs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
  """How completions are drawn.

  Attributes:
    temperature: 0 is greedy.
    top_k: keep the k most probable tokens; 0 keeps all.
    top_p: keep the smallest set of tokens with this probability; 1.0 keeps all.
    max_prompt_length, max_completion_length: tokens. A longer prompt is not cut: its samples come
      back empty, with a refusal that says so.
  """

  temperature: float = 0.8
  top_k: int = 0
  top_p: float = 1.0
  max_prompt_length: int = 512
  max_completion_length: int = 160


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
  """How every checkpoint of a training is measured, by the metric functions that a SeqIO task has.

  Attributes:
    task: such as "minirepair_trace", whose metric runs the completions on the tests.
    split: of that task.
    num_examples: the first of the split; None takes all.
    metric: the highest chooses the checkpoint that the training gives, the earlier one of equals.
    sampling: of the one completion of each example.
  """

  task: str
  split: str = "dev"
  num_examples: int | None = None
  metric: str = "pass_at_1"
  sampling: Sampling = Sampling(temperature=0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuning:
  """How a network is fine-tuned, or trained from scratch.

  Attributes:
    optimizer: called with `learning_rate=<optax schedule>`, gives an optax transformation; any
      of Optax's own can be bound in gin, such as `@optax.adamw`.
    learning_rate: peak.
    warmup_fraction, decay_fraction: shares of the steps with linear warm-up and linear decay to 0.
    num_epochs: passes over the task's training examples.
    share_prompts: examples of a row with the same inputs, such as several kept samples of a task, share
      one copy of them. Each has the loss that it would have alone, for fewer tokens: fewer steps an
      epoch, with more examples in each. The native engine only.
    sequence_length: tokens of a packed row; longer examples are left out and counted.
    batch_size: packed rows of one optimiser step.
    accumulation: micro-batches that one step is split into.
    save_every: steps between checkpoints from which a killed run continues; the last step is
      always saved.
    keep_checkpoints: how many stay when the training has ended: the last ones, or with `validation`
      the best ones, and the last.
    validation: measures every checkpoint that is saved; None: the last one is taken as it is.
  """

  changes_no_result = ("keep_checkpoints",)  # see stages/settings.py

  optimizer: Callable[..., Any]
  learning_rate: float
  warmup_fraction: float = 0.05
  decay_fraction: float = 0.5
  num_epochs: float = 2.0
  share_prompts: bool = False
  sequence_length: int = 512
  batch_size: int = 8
  accumulation: int = 1
  save_every: int = 200
  keep_checkpoints: int = 1
  validation: Validation | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
  """Log-probability (natural, summed over the target's tokens) of an example's target."""

  task_id: str
  log_probability: float
  token_count: int


class Engine(Protocol):
  """Checkpoints are directories `.../checkpoint_N` in the layout that T5X reads as well."""

  def finetune(
      self, *, task: str, checkpoint: epath.PathLike | None, directory: epath.PathLike, tuning: Tuning, seed: int
  ) -> tuple[epath.Path, dict[str, float]]:
    """Trains on split "train" of `task`, with a fresh optimiser, from `checkpoint` (None: from scratch).

    The loss is on the targets only. Called again on the directory of a killed call, it goes on
    from the last checkpoint in it and ends with the same parameters.

    Returns:
      The last checkpoint, `directory/checkpoint_N`, or the best by `tuning.validation`; and metrics of the training
      up to it (`steps`, `tokens`, `examples`, `examples_too_long`, `loss` of the last steps, `validation_*`).
    """
    ...

  def sample(
      self, *, task: str, split: str, checkpoint: epath.PathLike, num_samples: int, sampling: Sampling, seed: int,
      skip: int = 0, step: int = 1,
  ) -> Iterator[list[schema.Sample]]:
    """Draws `num_samples` completions for every example, in chunks of whole tasks.

    The random key of a sample is folded from (seed, task_id, sample_index), so it does not depend
    on the batch. How examples fall into chunks depends on the other arguments only; `skip` leaves
    out that many chunks from the front, and of the rest every `step`-th is drawn: so several processes share the work,
    each on its own devices and without meeting the others, unless the engine is set to lay a network over the devices
    of all. `rationale` and `fix` of the samples are left None.
    """
    ...

  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[Score]:
    """Scores the targets of every example, in order."""
    ...
