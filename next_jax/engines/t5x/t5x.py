"""The engine on T5X: the native engine's network, tasks, rows and checkpoints, run by T5X."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
from typing import Any
import zlib

from etils import epath
from flax import core
import numpy as np
import seqio
from t5x import utils as t5x_utils

from next_jax import errors
from next_jax.engines import chunks
from next_jax.engines import completions as completions_lib
from next_jax.engines import device_engine
from next_jax.engines import engine
from next_jax.engines import examples as examples_lib
from next_jax.engines import ladders
from next_jax.engines import packing
from next_jax.engines import stops
from next_jax.engines import task_reader
from next_jax.engines import training_plan
from next_jax.engines import training_report
from next_jax.engines import truncation
from next_jax.engines.t5x import decoder
from next_jax.engines.t5x import partitioner as partitioner_lib
from next_jax.engines.t5x import trainer

_SCORE_LENGTH_STEP = 64  # tokens
_SCORE_TOKENS = 4096  # Maximum tokens in a batch.


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5XEngine(device_engine.DeviceEngine):
  """`engine.Engine` on T5X; see `DeviceEngine` for the settings.

  It keeps its compiled programs, so use one engine for all iterations.
  """

  def score(self, *, task: str, split: str, checkpoint: epath.PathLike) -> Iterator[engine.Score]:
    """See `engine.Engine.score`."""
    found = task_reader.find_task(task, self.network.vocab_size)
    examples, task_ids = task_reader.read_with_ids(found, split)
    params = core.freeze(self._restore_to_sample(checkpoint))
    for number, log_probability in enumerate(self._log_probabilities(params, examples)):
      target_length = int(examples.lengths[number] - examples.input_lengths[number])
      yield engine.Score(task_id=task_ids[number], log_probability=log_probability, token_count=target_length)

  def _log_probabilities(self, params: Any, examples: examples_lib.TokenExamples) -> Iterator[float]:
    """Natural log-probability of each example's targets, summed over its tokens."""
    if not len(examples):
      return
    row_length = -(-int(examples.lengths.max()) // _SCORE_LENGTH_STEP) * _SCORE_LENGTH_STEP
    num_rows = self._whole_batch(max(1, _SCORE_TOKENS // row_length))
    score = self._partitioned("score", self._decoder.score_batch)
    for first in range(0, len(examples), num_rows):
      numbers = range(first, min(first + num_rows, len(examples)))
      rows = [[number] for number in numbers]
      scores = score(params, packing.make_batch(examples, rows, num_rows=num_rows, row_length=row_length))
      yield from (float(score) for score in np.asarray(scores)[: len(numbers)])

  def _check(self, tuning: engine.Tuning) -> None:
    if tuning.lora is not None:
      raise errors.EngineError(
          "Tuning.lora: found adapters, expected None with the T5X engine: T5X's trainer has one tree of parameters and"
          " trains all of it. Tune with the native engine; T5X samples its checkpoints, adapters merged"
      )
    if tuning.share_prompts:
      raise errors.EngineError(
          "Tuning.share_prompts: found True, expected False with the T5X engine, whose model gives its network no"
          " decoder_completion_ids; set --gin.Tuning.share_prompts=False"
      )

  def _train(
      self, plan: training_plan.TrainingPlan, initial_params: Callable[[], Any]
  ) -> tuple[epath.Path, dict[str, float]]:
    with training_report.TrainingReport(None) as report:  # T5X writes the scalars
      return self._trainer(plan.tuning).train(plan, initial_params, report)

  @property
  def _completer(self) -> chunks.Completer:
    return chunks.Completer(rows=self.sample_batch_size, max_tasks=self.max_chunk_tasks, start=self._completing)

  def _completing(
      self, checkpoint: epath.PathLike, task: seqio.Task, *, chunk_tasks: int, num_samples: int,
      sampling: engine.Sampling, seed: int,
  ) -> completions_lib.Complete:
    """The function that completes prompts with the parameters of a checkpoint."""
    vocabulary = task.output_features["targets"].vocabulary
    eos_id = vocabulary.eos_id
    step = functools.partial(
        self._decoder.sample,
        num_samples=num_samples,
        truncation=truncation.Truncation(
            temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
        ),
        max_steps=sampling.max_completion_length,
        eos_id=eos_id,
    )
    params = core.freeze(self._restore_to_sample(checkpoint))
    complete = functools.partial(
        _complete,
        # A stop rule acts afterwards.
        self._partitioned((num_samples, dataclasses.replace(sampling, stop=None), eos_id), step),
        params,
        num_rows=self._whole_batch(chunk_tasks),
        steps=sampling.max_completion_length,
        seed=seed,
        eos_id=eos_id,
    )
    ending = stops.of_vocabulary(sampling.stop, vocabulary)
    if ending is None:
      return complete
    return lambda prompts, task_ids: self._stopped(complete(prompts, task_ids), prompts, ending, params)

  def _stopped(
      self, completions: completions_lib.Completions, prompts: Sequence[np.ndarray], ending: stops.Ending, params: Any
  ) -> completions_lib.Completions:
    """Completions without what was written after their text had ended; T5X's loop cannot stop there."""
    num_samples = len(completions.tokens) // len(prompts)
    lengths = np.array(
        [ending.num_tokens(row[:length]) for row, length in zip(completions.tokens, completions.lengths, strict=True)]
    )
    cut = np.flatnonzero(lengths < completions.lengths).tolist()
    kept = examples_lib.collect(
        {"inputs": prompts[row // num_samples], "targets": completions.tokens[row, : lengths[row]]} for row in cut
    )
    log_probabilities = completions.log_probabilities.copy()
    log_probabilities[cut] = list(self._log_probabilities(params, kept))
    tokens = np.where(np.arange(completions.tokens.shape[1]) < lengths[:, None], completions.tokens, 0)
    return completions_lib.Completions(tokens=tokens, lengths=lengths, log_probabilities=log_probabilities)

  @functools.cached_property
  def _partitioner(self) -> partitioner_lib.MeshPartitioner:
    return partitioner_lib.MeshPartitioner(self.own_layout)

  @functools.cached_property
  def _decoder(self) -> decoder.Decoder:
    return decoder.Decoder(self.network.unscanned, None, None, bidirectional_prompts=self.bidirectional_prompts)

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
    """Trainers and functions that hold compiled programs, by the settings they were made for."""
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

    T5X's own `get_infer_fn` would make all processes wait for one another at every batch.
    """
    if key not in self._kept:
      self._kept[key] = self._partitioner.partition(
          step,
          in_axis_resources=(self._initializer.train_state_axes.params, self._partitioner.data_partition_spec),
          out_axis_resources=None,
      )
    return self._kept[key]

  def _whole_batch(self, rows: int) -> int:
    """`rows`, rounded up to a number that divides over the devices."""
    replicas = self.own_layout.mesh.shape["data"]
    return -(-rows // replicas) * replicas


def _complete(
    sample: Any, params: Any, prompts: Sequence[np.ndarray], task_ids: Sequence[str], *, num_rows: int, steps: int,
    seed: int, eos_id: int,
) -> completions_lib.Completions:
  # Shifted right by one, as in training: position 0 reads the 0 that starts every sequence.
  width = ladders.ladder(max(len(prompt) for prompt in prompts) + 1, ladders.PROMPT_STEP) + steps
  tokens = np.zeros((num_rows, width), np.int32)
  in_prompt = np.zeros((num_rows, width), np.int32)
  hashes = np.zeros(num_rows, np.uint32)
  for row in range(num_rows):
    number = row % len(prompts)  # Surplus rows complete the first prompts again.
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
  return completions_lib.Completions(tokens=completions, lengths=lengths, log_probabilities=log_probabilities)
