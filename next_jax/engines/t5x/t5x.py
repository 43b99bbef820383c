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
from t5x import train_state as train_state_lib
from t5x import utils as t5x_utils
import tensorflow as tf

from next_jax import schema
from next_jax.engines import engine
from next_jax.engines.native import checkpoints
from next_jax.engines.native import chunks
from next_jax.engines.native import examples as examples_lib
from next_jax.engines.native import packing
from next_jax.engines.native import sampler
from next_jax.engines.native import sharding
from next_jax.engines.native import trainer as native_trainer
from next_jax.engines.native import truncation
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

  Attributes:
    network: sizes of the network; checkpoints must be of these.
    model_parallelism: devices that share one copy of the network; the others split the batch.
    axis_rules: from logical axis names to the mesh axes "data" and "model".
    bidirectional_prompts: tokens of a prompt see one another, in training and in sampling.
    loss_on_targets_only: else prompts are learned too, as in ordinary language modelling.
    keep_optimizer_state: of a finished training, to go on with the moments; triples the size.
    keep_checkpoints: how many of the last checkpoints of a training are kept.
    sample_batch_size: rows decoded together, tasks times samples; a chunk has so many.
    max_chunk_tasks: tasks whose prompts are prefilled together, at most.
    write_summaries: TensorBoard scalars beside the checkpoints.
    compilation_cache: directory of compiled programs, so that only the first run compiles; None:
      none is kept.
  """

  changes_no_result = (  # see selftrain/settings.py
      "model_parallelism", "axis_rules", "keep_optimizer_state", "keep_checkpoints", "write_summaries",
      "compilation_cache",
  )  # fmt: skip

  network: transformer.TransformerConfig
  model_parallelism: int = 1
  axis_rules: Sequence[Sequence[str | None]] = sharding.DEFAULT_RULES
  bidirectional_prompts: bool = False
  loss_on_targets_only: bool = True
  keep_optimizer_state: bool = False
  keep_checkpoints: int = 1
  sample_batch_size: int = 256
  max_chunk_tasks: int = 64
  write_summaries: bool = True
  compilation_cache: str | None = "~/.cache/next_jax/compiled"

  def __post_init__(self):
    if self.keep_checkpoints < 1:
      raise native_trainer.TrainingError(f"keep_checkpoints: found {self.keep_checkpoints}, expected 1 or more")
    if self.compilation_cache is not None:
      jax.config.update("jax_compilation_cache_dir", os.path.expanduser(self.compilation_cache))
      jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

  @functools.cached_property
  def layout(self) -> sharding.Layout:
    if jax.process_count() > 1:
      raise sharding.MeshError(
          f"T5XEngine: found {jax.process_count()} processes, expected one; with several, use"
          " gin_configs/engines/native.gin"
      )
    return sharding.Layout.over_all_devices(model_parallelism=self.model_parallelism, rules=self.axis_rules)

  def finetune(
      self, *, task: str, checkpoint: epath.PathLike | None, directory: epath.PathLike, tuning: engine.Tuning, seed: int
  ) -> tuple[epath.Path, dict[str, float]]:
    """See `engine.Engine.finetune`."""
    found = examples_lib.find_task(task, self.network.vocab_size)

    def initial_params():
      if checkpoint is None:
        return native_trainer.random_parameters(transformer.Transformer(self.network), self.layout, seed)
      return self._restore_params(checkpoint)

    return self._trainer(tuning).train(
        examples=examples_lib.read_tokens(found, "train", tuning.sequence_length),
        initial_params=initial_params,
        directory=directory,
        tuning=tuning,
        seed=seed,
    )

  def sample(
      self, *, task: str, split: str, checkpoint: epath.PathLike, num_samples: int, sampling: engine.Sampling,
      seed: int, skip: int = 0, step: int = 1,
  ) -> Iterator[list[schema.Sample]]:  # fmt: skip
    """See `engine.Engine.sample`."""
    found = examples_lib.find_task(task, self.network.vocab_size)
    chunk_tasks = max(1, min(self.sample_batch_size // num_samples, self.max_chunk_tasks))
    eos_id = found.output_features["targets"].vocabulary.eos_id

    def start() -> chunks.Complete:
      infer = self._infer_samples(chunk_tasks, num_samples, sampling, eos_id)
      state = self._restore(checkpoint)
      return lambda prompts, task_ids: _complete(
          infer, state, prompts, task_ids, steps=sampling.max_completion_length, seed=seed, eos_id=eos_id
      )

    return chunks.sample(
        found, split, chunk_tasks=chunk_tasks, num_samples=num_samples, sampling=sampling, seed=seed, skip=skip,
        step=step, start=start,
    )  # fmt: skip

  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[engine.Score]:
    """See `engine.Engine.score`."""
    found = examples_lib.find_task(task, self.network.vocab_size)
    examples, task_ids = examples_lib.read_with_ids(found, split)
    if not task_ids:
      return
    state = self._restore(checkpoint)
    row_length = -(-int(examples.lengths.max()) // _SCORE_LENGTH_STEP) * _SCORE_LENGTH_STEP
    num_rows = self._whole_batch(max(1, _SCORE_TOKENS // row_length))
    infer = self._infer_scores(num_rows)
    for first in range(0, len(task_ids), num_rows):
      numbers = range(first, min(first + num_rows, len(task_ids)))
      rows = [[number] for number in numbers]
      batch = packing.make_batch(examples, rows, num_rows=len(rows), row_length=row_length)
      scores = [score for _, score in infer(_dataset(batch), state)]
      for number, score in zip(numbers, scores, strict=True):
        target_length = int(examples.lengths[number] - examples.input_lengths[number])
        yield engine.Score(task_id=task_ids[number], log_probability=score, token_count=target_length)

  @functools.cached_property
  def _partitioner(self) -> partitioner_lib.MeshPartitioner:
    return partitioner_lib.MeshPartitioner(self.layout)

  @functools.cached_property
  def _decoder(self) -> decoder.Decoder:
    return decoder.Decoder(self.network, None, None, bidirectional_prompts=self.bidirectional_prompts)

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
          loss_on_targets_only=self.loss_on_targets_only,
          keep_optimizer_state=self.keep_optimizer_state,
          keep_checkpoints=self.keep_checkpoints,
          write_summaries=self.write_summaries,
      )
    return self._kept[key]

  def _infer_samples(self, chunk_tasks: int, num_samples: int, sampling: engine.Sampling, eos_id: int) -> Any:
    step = functools.partial(
        self._decoder.sample,
        num_samples=num_samples,
        truncation=truncation.Truncation(
            temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
        ),
        max_steps=sampling.max_completion_length,
        eos_id=eos_id,
    )
    return self._infer((chunk_tasks, num_samples, sampling, eos_id), step, self._whole_batch(chunk_tasks))

  def _infer_scores(self, num_rows: int) -> Any:
    return self._infer(num_rows, self._decoder.score_batch, num_rows)

  def _infer(self, key: Any, step: Any, batch_size: int) -> Any:
    """T5X's function from a dataset and a state to results, in order."""
    if key not in self._kept:
      self._kept[key] = t5x_utils.get_infer_fn(
          step, batch_size, self._initializer.train_state_axes, self._partitioner, keep_aux_as_numpy=True
      )
    return self._kept[key]

  def _whole_batch(self, rows: int) -> int:
    """So many rows, or the few more that divide over the devices."""
    replicas = self.layout.mesh.shape["data"]
    return -(-rows // replicas) * replicas

  def _restore_params(self, checkpoint: epath.PathLike) -> Any:
    """Parameters of a checkpoint, laid out over the devices."""
    model = transformer.Transformer(self.network)
    return checkpoints.restore(checkpoint, native_trainer.abstract_parameters(model, self.layout))[1]

  def _restore(self, checkpoint: epath.PathLike) -> train_state_lib.InferenceState:
    return train_state_lib.InferenceState(step=None, params=core.freeze(self._restore_params(checkpoint)))


def _complete(
    infer: Any, state: Any, prompts: Sequence[np.ndarray], task_ids: Sequence[str], *, steps: int, seed: int, eos_id: int
) -> chunks.Completions:
  # Shifted right by one, as in training: position 0 reads the 0 that begins every sequence.
  width = sampler.ladder(max(len(prompt) for prompt in prompts) + 1, _PROMPT_STEP) + steps
  tokens = np.zeros((len(prompts), width), np.int32)
  in_prompt = np.zeros((len(prompts), width), np.int32)
  for row, prompt in enumerate(prompts):
    tokens[row, 1 : len(prompt) + 1] = prompt
    in_prompt[row, : len(prompt) + 1] = 1
  found, scores = infer(
      _dataset({
          "decoder_input_tokens": tokens,
          "decoder_causal_attention": in_prompt,
          "seed": np.full(len(prompts), seed, np.uint32),
          "task_hash": np.array([zlib.crc32(task_id.encode("utf-8")) for task_id in task_ids], np.uint32),
      }),
      state,
  )
  completions = np.array([rows for _, rows in found], np.int32).reshape(-1, width)[:, :steps]
  ended = completions == eos_id
  lengths = np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, steps)
  log_probabilities = np.array(scores["scores"], np.float32).reshape(-1)
  return chunks.Completions(tokens=completions, lengths=lengths, log_probabilities=log_probabilities)


def _dataset(features: dict[str, np.ndarray]) -> tf.data.Dataset:
  """Numbered rows, as T5X's inference wants them."""
  return tf.data.Dataset.from_tensor_slices(features).enumerate()
