"""The engine that needs nothing but Flax, Optax and Orbax, from a laptop to several hosts."""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import os
from typing import Any

from etils import epath
import jax
import seqio

from next_jax import errors
from next_jax import schema
from next_jax.engines import checkpoints
from next_jax.engines import chunks
from next_jax.engines import course as course_lib
from next_jax.engines import engine
from next_jax.engines import examples as examples_lib
from next_jax.engines import sharding
from next_jax.engines import validator
from next_jax.engines.native import sampler
from next_jax.engines.native import scorer
from next_jax.engines.native import trainer
from next_jax.models import transformer


@dataclasses.dataclass(frozen=True, kw_only=True)
class NativeEngine:
  """`engine.Engine` over all devices.

  Several processes train together, over the devices of all; each samples and scores its share by itself, over its own,
  where the network has to fit, unless `sample_together` says otherwise.

  Attributes:
    network: sizes of the network; checkpoints must be of these.
    model_parallelism: devices that share one copy of the network; the others split the batch.
    axis_rules: from logical axis names to the mesh axes "data" and "model".
    bidirectional_prompts: tokens of a prompt see one another, in training and in sampling.
    loss_on_targets_only: else prompts are learned too, as in ordinary language modelling.
    tokens_at_once: of a micro-batch of training, on one device; see `trainer.Trainer`.
    keep_optimizer_state: of a finished training, for T5X to go on with the moments; triples the size.
    sample_batch_size: rows decoded together, tasks times samples; a chunk has so many.
    max_chunk_tasks: tasks whose prompts are prefilled together, at most.
    sample_together: several processes sample and score together too, with the parameters laid out over the devices of
      all by `model_parallelism` and `axis_rules`, for a network that does not fit in one process's. Then `sample` and
      `score` are called by all processes at once, as `finetune` is.
    write_summaries: TensorBoard scalars beside the checkpoints.
    compilation_cache: directory of compiled programs, so that only the first run compiles; None:
      none is kept.
  """

  changes_no_result = (  # see stages/settings.py
      "model_parallelism", "axis_rules", "keep_optimizer_state", "sample_together", "write_summaries",
      "compilation_cache",
  )

  network: transformer.TransformerConfig
  model_parallelism: int = 1
  axis_rules: Sequence[Sequence[str | None]] = sharding.DEFAULT_RULES
  bidirectional_prompts: bool = False
  loss_on_targets_only: bool = True
  tokens_at_once: int | None = None
  keep_optimizer_state: bool = False
  sample_batch_size: int = 256
  max_chunk_tasks: int = 64
  sample_together: bool = False
  write_summaries: bool = True
  compilation_cache: str | None = "~/.cache/next_jax/compiled"

  def __post_init__(self):
    if self.compilation_cache is not None:
      jax.config.update("jax_compilation_cache_dir", os.path.expanduser(self.compilation_cache))
      jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

  @functools.cached_property
  def layout(self) -> sharding.Layout:
    return sharding.Layout.over_all_devices(model_parallelism=self.model_parallelism, rules=self.axis_rules)

  @functools.cached_property
  def own_layout(self) -> sharding.Layout:
    """Where this process samples and scores."""
    if jax.process_count() == 1 or self.sample_together:
      return self.layout
    return sharding.Layout.over_own_devices(model_parallelism=self.model_parallelism, rules=self.axis_rules)

  def finetune(
      self, *, task: str, checkpoint: epath.PathLike | None, directory: epath.PathLike, tuning: engine.Tuning, seed: int
  ) -> tuple[epath.Path, dict[str, float]]:
    """See `engine.Engine.finetune`."""
    found = examples_lib.find_task(task, self.network.vocab_size)
    if tuning.share_prompts and self.bidirectional_prompts:
      raise errors.EngineError(
          "Tuning.share_prompts and NativeEngine.bidirectional_prompts: found both set, expected one of them: the last token"
          " of a shared prompt is read by its completions, and the prompt cannot see it"
      )

    def initial_params():
      if checkpoint is None:
        return trainer.random_parameters(transformer.Transformer(self.network), self.layout, seed)
      return self._restore(checkpoint, self.network, self.layout)

    course = course_lib.Course(
        examples=examples_lib.read_tokens(found, "train", tuning.sequence_length),
        tuning=tuning,
        seed=seed,
        directory=directory,
        loss_on_targets_only=self.loss_on_targets_only,
        keep_optimizer_state=self.keep_optimizer_state,
        validator=validator.of_training(
            tuning, directory, completer=self._completer, vocab_size=self.network.vocab_size, seed=seed,
            write_summaries=self.write_summaries,
        ),
    )
    return self._trainer.train(course, initial_params)

  def sample(
      self, *, task: str, split: str, checkpoint: epath.PathLike, num_samples: int, sampling: engine.Sampling,
      seed: int, skip: int = 0, step: int = 1,
  ) -> Iterator[list[schema.Sample]]:
    """See `engine.Engine.sample`."""
    found = examples_lib.find_task(task, self.network.vocab_size)
    return chunks.sample(
        found, split, completer=self._completer, checkpoint=checkpoint, num_samples=num_samples, sampling=sampling,
        seed=seed, skip=skip, step=step,
    )

  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[engine.Score]:
    """See `engine.Engine.score`."""
    found = examples_lib.find_task(task, self.network.vocab_size)
    examples, task_ids = examples_lib.read_with_ids(found, split)
    params = self._restore(checkpoint, self.network.one_by_one, self.own_layout)
    target_lengths = examples.lengths - examples.input_lengths
    for number, log_probability in enumerate(self._scorer.score(params, examples)):
      yield engine.Score(
          task_id=task_ids[number], log_probability=log_probability, token_count=int(target_lengths[number])
      )

  @property
  def _completer(self) -> chunks.Completer:
    return chunks.Completer(
        rows=self.sample_batch_size, max_tasks=self.max_chunk_tasks, start=self._completing,
        together=self.sample_together and jax.process_count() > 1,
    )

  def _completing(
      self, checkpoint: epath.PathLike, task: seqio.Task, *, chunk_tasks: int, num_samples: int,
      sampling: engine.Sampling, seed: int,
  ) -> chunks.Complete:
    """The function that completes prompts with the parameters of a checkpoint."""
    params = self._restore(checkpoint, self.network.one_by_one, self.own_layout)
    return lambda prompts, task_ids: self._sampler.complete(
        params,
        prompts=prompts,
        task_ids=task_ids,
        chunk_tasks=chunk_tasks,
        num_samples=num_samples,
        sampling=sampling,
        seed=seed,
        eos_id=task.output_features["targets"].vocabulary.eos_id,
    )

  @functools.cached_property
  def _trainer(self) -> trainer.Trainer:
    return trainer.Trainer(
        network=self.network,
        layout=self.layout,
        bidirectional_prompts=self.bidirectional_prompts,
        tokens_at_once=self.tokens_at_once,
        write_summaries=self.write_summaries,
    )

  @functools.cached_property
  def _sampler(self) -> sampler.Sampler:
    return sampler.Sampler(self.network.one_by_one, self.own_layout, bidirectional_prompts=self.bidirectional_prompts)

  @functools.cached_property
  def _scorer(self) -> scorer.Scorer:
    return scorer.Scorer(self.network.one_by_one, self.own_layout, bidirectional_prompts=self.bidirectional_prompts)

  def _restore(
      self, checkpoint: epath.PathLike, network: transformer.TransformerConfig, layout: sharding.Layout
  ) -> Any:
    """Parameters of a checkpoint, laid out over devices."""
    model = transformer.Transformer(network)
    return checkpoints.restore(checkpoint, trainer.abstract_parameters(model, layout))[1]
