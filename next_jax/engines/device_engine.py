"""The base of the engines that run a network on JAX's devices: native and T5X."""

import abc
from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import os
from typing import Any, ClassVar

from etils import epath
import jax

from next_jax import errors
from next_jax import schema
from next_jax.engines import checkpoints
from next_jax.engines import chunks
from next_jax.engines import engine
from next_jax.engines import lora
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import task_reader
from next_jax.engines import training_plan
from next_jax.engines import validator
from next_jax.models import transformer


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceEngine(abc.ABC):
  """`engine.Engine`, except for how a subclass trains, completes and scores.

  In a run of several processes, all train together over the devices of all. Each samples and scores its share alone,
  over its own devices, which must hold the network.

  Attributes:
    network: Sizes of the network; checkpoints must match them.
    model_parallelism: Number of devices that share one copy of the network; the others split the batch.
    axis_rules: Rules from logical axis names to the mesh axes "data" and "model".
    bidirectional_prompts: Whether the tokens of a prompt see one another, in training and in sampling.
    loss_on_targets_only: Whether the model learns the targets only. If not, it learns the prompts too, as a plain
      language model does.
    keep_optimizer_state: Whether the last checkpoint of a training keeps the moments, which triples its size.
    sample_batch_size: Number of rows decoded together in a chunk: tasks times samples.
    max_chunk_tasks: Maximum number of tasks whose prompts are prefilled together.
    write_summaries: Whether to write TensorBoard scalars beside the checkpoints.
    compilation_cache: Directory that keeps compiled programs, so that only the first run compiles. None keeps none.
  """

  changes_no_result: ClassVar[tuple[str, ...]] = (  # see stages/settings.py
      "model_parallelism", "axis_rules", "keep_optimizer_state", "sample_together", "write_summaries",
      "compilation_cache",
  )

  network: transformer.TransformerConfig
  model_parallelism: int = 1
  axis_rules: Sequence[Sequence[str | None]] = sharding.DEFAULT_RULES
  bidirectional_prompts: bool = False
  loss_on_targets_only: bool = True
  keep_optimizer_state: bool = False
  sample_batch_size: int = 256
  max_chunk_tasks: int = 64
  write_summaries: bool = True
  compilation_cache: str | None = "~/.cache/next_jax/compiled"

  def __post_init__(self):
    if self.compilation_cache is not None:
      jax.config.update("jax_compilation_cache_dir", os.path.expanduser(self.compilation_cache))
      jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

  @functools.cached_property
  def layout(self) -> sharding.Layout:
    """Where the network is trained."""
    return sharding.Layout.over_all_devices(model_parallelism=self.model_parallelism, rules=self.axis_rules)

  @functools.cached_property
  def own_layout(self) -> sharding.Layout:
    """Where this process samples and scores."""
    if jax.process_count() == 1:
      return self.layout
    return sharding.Layout.over_own_devices(model_parallelism=self.model_parallelism, rules=self.axis_rules)

  def finetune(
      self, *, task: str, checkpoint: epath.PathLike | None, directory: epath.PathLike, tuning: engine.Tuning, seed: int
  ) -> tuple[epath.Path, dict[str, float]]:
    """See `engine.Engine.finetune`."""
    found = task_reader.find_task(task, self.network.vocab_size)
    self._check(tuning)
    adapter = None
    if tuning.lora is not None:
      if checkpoint is None:
        raise errors.EngineError("Tuning.lora: found adapters and no checkpoint to train them on; set it to None")
      adapter = lora.Adapter.on(tuning.lora, checkpoint)

    def initial_params() -> Any:
      model = transformer.Transformer(self.network)
      if checkpoint is None:
        return parameters.random(model, self.layout, seed)
      if adapter is None:
        return self._restore(checkpoint, parameters.abstract(model, self.layout))
      if lora.Adapter.of(checkpoint) is None:
        return adapter.lora.random(model, self.layout, seed)
      return checkpoints.restore(checkpoint, adapter.lora.abstract(model, self.layout))[1]

    plan = training_plan.TrainingPlan(
        examples=task_reader.read_tokens(found, "train", tuning.sequence_length),
        tuning=tuning,
        seed=seed,
        directory=directory,
        loss_on_targets_only=self.loss_on_targets_only,
        keep_optimizer_state=self.keep_optimizer_state,
        adapter=adapter,
        validator=validator.of_training(
            tuning, directory, completer=self._completer, vocab_size=self.network.vocab_size, seed=seed,
            write_summaries=self.write_summaries,
        ),
    )
    return self._train(plan, initial_params)

  def sample(
      self, *, task: str, split: str, checkpoint: epath.PathLike, num_samples: int, sampling: engine.Sampling,
      seed: int, skip: int = 0, step: int = 1,
  ) -> Iterator[list[schema.Sample]]:
    """See `engine.Engine.sample`."""
    found = task_reader.find_task(task, self.network.vocab_size)
    return chunks.sample(
        found, split, completer=self._completer, checkpoint=checkpoint, num_samples=num_samples, sampling=sampling,
        seed=seed, skip=skip, step=step,
    )

  @abc.abstractmethod
  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[engine.Score]:
    """See `engine.Engine.score`."""

  @abc.abstractmethod
  def _check(self, tuning: engine.Tuning) -> None:
    """Raises EngineError for settings that this engine does not support."""

  @abc.abstractmethod
  def _train(
      self, plan: training_plan.TrainingPlan, initial_params: Callable[[], Any]
  ) -> tuple[epath.Path, dict[str, float]]:
    """Trains to the end of the plan; see `Engine.finetune`."""

  @property
  @abc.abstractmethod
  def _completer(self) -> chunks.Completer:
    """How this engine completes prompts."""

  def _restore_to_sample(self, checkpoint: epath.PathLike) -> Any:
    """Parameters of a checkpoint for sampling and scoring.

    Matrices are stored in the type of products, so that no step casts them: half the memory in bfloat16.
    """
    template = parameters.abstract(
        transformer.Transformer(self.network.unscanned), self.own_layout, matrices=self.network.dtype
    )
    return self._restore(checkpoint, template)

  def _restore(self, checkpoint: epath.PathLike, template: Any) -> Any:
    """Parameters of the whole network, laid out as the template; adapters are merged into their base."""
    adapter = lora.Adapter.of(checkpoint)
    if adapter is None:
      return checkpoints.restore(checkpoint, template)[1]
    params = checkpoints.restore(adapter.base, template)[1]
    is_scanned = "layers" in template
    network = dataclasses.replace(self.network, scan_layers=is_scanned)
    layout = dataclasses.replace(self.layout, mesh=jax.tree.leaves(template)[0].sharding.mesh)
    adapters = checkpoints.restore(checkpoint, adapter.lora.abstract(transformer.Transformer(network), layout))[1]
    return adapter.lora.merged(params, adapters)
