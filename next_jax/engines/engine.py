"""What an engine does: fine-tune, sample and score a network on a SeqIO task given by name.

An engine knows nothing about programs, traces or verdicts. It reads two token features of a task,
`inputs` and `targets`, and the string feature `task_id`, which says which example a sample is for.
"""

from collections.abc import Callable, Iterator
import dataclasses
from typing import Any, Protocol

from etils import epath

from next_jax import errors
from next_jax import schema
from next_jax.engines import lora as lora_lib
from next_jax.engines import stops


class CheckpointError(errors.EngineError):
  """A checkpoint is missing or does not fit the network; the message says what differs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
  """How completions are drawn.

  Attributes:
    temperature: Divides the logits; 0 is greedy.
    top_k: Number of most probable tokens to keep; 0 keeps all.
    top_p: Probability of the smallest set of tokens to keep; 1.0 keeps all.
    max_prompt_length: Maximum tokens of a prompt. A longer prompt is not cut: its samples come back empty, with a
      refusal that says why.
    max_completion_length: Maximum tokens of a completion.
    stop: Where the text of a completion ends although the model goes on, such as `stops.Texts`; beside the rule that
      the form of a prompt has. None is no such rule.
  """

  temperature: float = 0.8
  top_k: int = 0
  top_p: float = 1.0
  max_prompt_length: int = 512
  max_completion_length: int = 160
  stop: stops.Stop | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
  """How every checkpoint of a training is measured: by the metric functions of a SeqIO task.

  Attributes:
    task: SeqIO task, such as "minirepair_trace", whose metric runs the completions on the tests.
    split: Split of that task.
    num_examples: Number of examples to measure, from the start of the split; None takes all.
    metric: Name of the metric that chooses the checkpoint the training returns: the highest value wins, and among
      equals the earliest checkpoint.
    sampling: How the one completion of each example is drawn.
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
    optimizer: Makes an Optax transformation when called with `learning_rate=<optax schedule>`. Optax's own
      optimisers can be bound in gin, such as `@optax.adamw`.
    learning_rate: Peak learning rate.
    warmup_fraction: Share of the steps with linear warm-up.
    decay_fraction: Share of the steps with linear decay to 0.
    num_epochs: Number of passes over the task's training examples.
    share_prompts: Whether examples in a row with the same inputs, such as several kept samples of a task, share one
      copy of them. Losses are unchanged; an epoch takes fewer steps, with more examples in each. Only the native
      engine can do it.
    lora: Low-rank adapters to train instead of the network, such as `@lora.Lora()`; None trains the network. Only the
      native engine can do it.
    sequence_length: Tokens in a packed row; longer examples are left out and counted.
    batch_size: Packed rows in an optimiser step.
    accumulation: Number of micro-batches that a step is split into.
    save_every: Steps between checkpoints, from which a killed run resumes. The last step is always saved.
    keep_checkpoints: Number of checkpoints kept after the training: the last ones, or with `validation` the best ones
      and the last.
    validation: How every saved checkpoint is measured. None measures none and returns the last checkpoint.
  """

  changes_no_result = ("keep_checkpoints",)  # see stages/settings.py

  optimizer: Callable[..., Any]
  learning_rate: float
  warmup_fraction: float = 0.05
  decay_fraction: float = 0.5
  num_epochs: float = 2.0
  share_prompts: bool = False
  lora: lora_lib.Lora | None = None
  sequence_length: int = 512
  batch_size: int = 8
  accumulation: int = 1
  save_every: int = 200
  keep_checkpoints: int = 1
  validation: Validation | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
  """Log-probability of an example's target: natural, summed over its tokens."""

  task_id: str
  log_probability: float
  token_count: int


class Engine(Protocol):
  """Fine-tunes, samples and scores a network.

  Checkpoints are directories `.../checkpoint_N` in a layout that T5X reads as well.
  """

  def finetune(
      self, *, task: str, checkpoint: epath.PathLike | None, directory: epath.PathLike, tuning: Tuning, seed: int
  ) -> tuple[epath.Path, dict[str, float]]:
    """Trains on split "train" of `task` with a fresh optimiser, from `checkpoint` or, if that is None, from scratch.

    The loss is on the targets only. A call on the directory of a killed call resumes from its last checkpoint and ends
    with the same parameters.

    Returns:
      The last checkpoint, `directory/checkpoint_N`, or the best one by `tuning.validation`; and the metrics of the
      training up to it (`steps`, `tokens`, `examples`, `examples_too_long`, `loss` of the last steps, `validation_*`).
    """
    ...

  def sample(
      self, *, task: str, split: str, checkpoint: epath.PathLike, num_samples: int, sampling: Sampling, seed: int,
      skip: int = 0, step: int = 1,
  ) -> Iterator[list[schema.Sample]]:
    """Draws `num_samples` completions for every example, in chunks of whole tasks.

    The random key of a sample is folded from (seed, task_id, sample_index), so it does not depend on the batch.

    The division into chunks depends on the other arguments only. `skip` leaves out the first chunks, and every
    `step`-th of the rest is drawn. So several processes share the work, each on its own devices and without waiting
    for the others, unless the engine is set to lay the network over the devices of all.

    `rationale` and `fix` of the samples are None.
    """
    ...

  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[Score]:
    """Scores the targets of every example, in order."""
    ...
