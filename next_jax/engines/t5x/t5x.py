"""The engine on T5X: the native engine's network, tasks, rows and checkpoints, run by T5X."""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import os
from typing import Any
import zlib

from etils import epath
from flax import core
import jax
import numpy as np
import seqio
from t5x import utils as t5x_utils

from next_jax import errors
from next_jax import schema
from next_jax.engines import checkpoints
from next_jax.engines import chunks
from next_jax.engines import course as course_lib
from next_jax.engines import engine
from next_jax.engines import examples as examples_lib
from next_jax.engines import packing
from next_jax.engines import sharding
from next_jax.engines import truncation
from next_jax.engines import validator
from next_jax.engines.native import sampler
from next_jax.engines.native import trainer as native_trainer
from next_jax.engines.t5x import decoder
from next_jax.engines.t5x import partitioner as partitioner_lib
from next_jax.engines.t5x import trainer
from next_jax.models import transformer

_PROMPT_STEP = 64  # Prompts are padded to 1, 2, 3, 4, 6, 8, 12, ... of so many tokens.
_SCORE_LENGTH_STEP = 64
_SCORE_TOKENS = 4096  # Of a batch.


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5XEngine:
  """`engine.Engine` on T5X. What it compiles it keeps: use one engine for all iterations.

  Several processes train together, over the devices of all; each samples and scores its share by itself, over its own,
  where the network has to fit.

  Attributes:
    network: sizes of the network; checkpoints must be of these.
    model_parallelism: devices that share one copy of the network; the others split the batch.
    axis_rules: from logical axis names to the mesh axes "data" and "model".
    bidirectional_prompts: tokens of a prompt see one another, in training and in sampling.
    loss_on_targets_only: else prompts are learned too, as in ordinary language modelling.
    keep_optimizer_state: of a finished training, to go on with the moments; triples the size.
    sample_batch_size: rows decoded together, tasks times samples; a chunk has so many.
    max_chunk_tasks: tasks whose prompts are prefilled together, at most.
    write_summaries: TensorBoard scalars beside the checkpoints.
    compilation_cache: directory of compiled programs, so that only the first run compiles; None:
      none is kept.
  """

  changes_no_result = (  # see stages/settings.py
      "model_parallelism", "axis_rules", "keep_optimizer_state", "write_summaries", "compilation_cache",
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
    found = examples_lib.find_task(task, self.network.vocab_size)
    if tuning.share_prompts:
      raise errors.EngineError(
          "Tuning.share_prompts: found True, expected False with the T5X engine, whose model gives its network no"
          " decoder_completion_ids; --gin.Tuning.share_prompts=False"
      )

    def initial_params():
      if checkpoint is None:
        return native_trainer.random_parameters(transformer.Transformer(self.network), self.layout, seed)
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
    return self._trainer(tuning).train(course, initial_params)

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
    if not task_ids:
      return
    params = core.freeze(self._restore(checkpoint, self.network.one_by_one, self.own_layout))
    row_length = -(-int(examples.lengths.max()) // _SCORE_LENGTH_STEP) * _SCORE_LENGTH_STEP
    num_rows = self._whole_batch(max(1, _SCORE_TOKENS // row_length))
    score = self._partitioned("score", self._decoder.score_batch)
    for first in range(0, len(task_ids), num_rows):
      numbers = range(first, min(first + num_rows, len(task_ids)))
      rows = [[number] for number in numbers]
      scores = score(params, packing.make_batch(examples, rows, num_rows=num_rows, row_length=row_length))
      for number, log_probability in zip(numbers, np.asarray(scores)):
        target_length = int(examples.lengths[number] - examples.input_lengths[number])
        yield engine.Score(
            task_id=task_ids[number], log_probability=float(log_probability), token_count=target_length
        )

  @property
  def _completer(self) -> chunks.Completer:
    return chunks.Completer(rows=self.sample_batch_size, max_tasks=self.max_chunk_tasks, start=self._completing)

  def _completing(
      self, checkpoint: epath.PathLike, task: seqio.Task, *, chunk_tasks: int, num_samples: int,
      sampling: engine.Sampling, seed: int,
  ) -> chunks.Complete:
    """The function that completes prompts with the parameters of a checkpoint."""
    eos_id = task.output_features["targets"].vocabulary.eos_id
    step = functools.partial(
        self._decoder.sample,
        num_samples=num_samples,
        truncation=truncation.Truncation(
            temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
        ),
        max_steps=sampling.max_completion_length,
        eos_id=eos_id,
    )
    return functools.partial(
        _complete,
        self._partitioned((num_samples, sampling, eos_id), step),
        core.freeze(self._restore(checkpoint, self.network.one_by_one, self.own_layout)),
        num_rows=self._whole_batch(chunk_tasks),
        steps=sampling.max_completion_length,
        seed=seed,
        eos_id=eos_id,
    )

  @functools.cached_property
  def _partitioner(self) -> partitioner_lib.MeshPartitioner:
    return partitioner_lib.MeshPartitioner(self.own_layout)

  @functools.cached_property
  def _decoder(self) -> decoder.Decoder:
    return decoder.Decoder(self.network.one_by_one, None, None, bidirectional_prompts=self.bidirectional_prompts)

  @functools.cached_property
  def _initializer(self) -> t5x_utils.TrainStateInitializer:
    return t5x_utils.TrainStateInitializer(
        optimizer_def=None,
        init_fn=self._decoder.get_initial_variables,
        input_shapes={"decoder_input_tokens": (1, 2)},
        partitioner=self._partitioner,
    )

  @functools.cached_property
  def _kept(self) -> dict[Any, Any]:
    """What holds compiled programs, by what it was made for."""
    return {}

  def _trainer(self, tuning: engine.Tuning) -> trainer.Trainer:
    key = (tuning.optimizer, tuning.accumulation)
    if key not in self._kept:
      self._kept[key] = trainer.Trainer(
          self.network,
          self.layout,
          optimizer=tuning.optimizer,
          accumulation=tuning.accumulation,
          bidirectional_prompts=self.bidirectional_prompts,
          write_summaries=self.write_summaries,
      )
    return self._kept[key]

  def _partitioned(self, key: Any, step: Any) -> Any:
    """`step(params, batch)`, compiled by T5X's partitioner for the devices of this process.

    T5X's own `get_infer_fn` would have all processes meet at every batch.
    """
    if key not in self._kept:
      self._kept[key] = self._partitioner.partition(
          step,
          in_axis_resources=(self._initializer.train_state_axes.params, self._partitioner.data_partition_spec),
          out_axis_resources=None,
      )
    return self._kept[key]

  def _whole_batch(self, rows: int) -> int:
    """So many rows, or the few more that divide over the devices."""
    replicas = self.own_layout.mesh.shape["data"]
    return -(-rows // replicas) * replicas

  def _restore(
      self, checkpoint: epath.PathLike, network: transformer.TransformerConfig, layout: sharding.Layout
  ) -> Any:
    """Parameters of a checkpoint, laid out over devices."""
    model = transformer.Transformer(network)
    return checkpoints.restore(checkpoint, native_trainer.abstract_parameters(model, layout))[1]


def _complete(
    sample: Any, params: Any, prompts: Sequence[np.ndarray], task_ids: Sequence[str], *, num_rows: int, steps: int,
    seed: int, eos_id: int,
) -> chunks.Completions:
  # Shifted right by one, as in training: position 0 reads the 0 that begins every sequence.
  width = sampler.ladder(max(len(prompt) for prompt in prompts) + 1, _PROMPT_STEP) + steps
  tokens = np.zeros((num_rows, width), np.int32)
  in_prompt = np.zeros((num_rows, width), np.int32)
  hashes = np.zeros(num_rows, np.uint32)
  for row in range(num_rows):
    number = row % len(prompts)  # Rows that are left over complete the first prompts again.
    prompt = prompts[number]
    tokens[row, 1 : len(prompt) + 1] = prompt
    in_prompt[row, : len(prompt) + 1] = 1
    hashes[row] = zlib.crc32(task_ids[number].encode("utf-8"))
  completions, scores = sample(
      params,
      {
          "decoder_input_tokens": tokens,
          "decoder_causal_attention": in_prompt,
          "seed": np.full(num_rows, seed, np.uint32),
          "task_hash": hashes,
      },
  )
  completions = np.asarray(completions)[: len(prompts)].reshape(-1, width)[:, :steps]
  ended = completions == eos_id
  lengths = np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, steps)
  log_probabilities = np.asarray(scores["scores"])[: len(prompts)].reshape(-1)
  return chunks.Completions(tokens=completions, lengths=lengths, log_probabilities=log_probabilities)
