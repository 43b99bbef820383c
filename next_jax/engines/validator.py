"""Measures the checkpoints of a training with SeqIO's evaluator."""

import functools
import os

from etils import epath
import jax
from jax.experimental import multihost_utils
import numpy as np
import seqio
import tensorflow as tf

from next_jax import errors
from next_jax.engines import chunks
from next_jax.engines import completions
from next_jax.engines import engine
from next_jax.engines import task_reader


class _TaskFeatures(seqio.PassThroughFeatureConverter):
  """Passes the task's features through unchanged; has the attributes that SeqIO's evaluator asks for."""

  TASK_FEATURES = {name: seqio.FeatureConverter.FeatureSpec(dtype=tf.int32) for name in ("inputs", "targets")}
  pack = False


class Validator:
  """Measures checkpoints as an `engine.Validation` says.

  Reads the examples when the first checkpoint is measured, and keeps them. In a run of several processes each completes
  its share, and process 0 runs the metric functions.
  """

  def __init__(
      self,
      validation: engine.Validation,
      *,
      completer: chunks.Completer,
      vocab_size: int,
      seed: int,
      summaries: epath.PathLike | None,
  ):
    """Makes a validator; raises EngineError if the task does not exist or does not fit the network.

    Args:
      validation: What to measure.
      completer: Completes the prompts. Each process completes its share, unless all complete each chunk together.
      vocab_size: Vocabulary size of the network.
      seed: Seed of the completions.
      summaries: Directory for TensorBoard scalars; None writes none.
    """
    self._validation = validation
    self._completer = completer
    self._task = task_reader.find_task(validation.task, vocab_size)
    self._seed = seed
    self._summaries = summaries
    self._shares = 1 if completer.together else jax.process_count()

  def measure(self, checkpoint: epath.Path, step: int) -> dict[str, float] | None:
    """Metrics of a checkpoint in process 0, None in the others.

    Raises:
      EngineError: The task cannot be measured, or has no such metric.
      UserError: A metric function raised it.
    """
    complete = self._completer.start(
        checkpoint, self._task, chunk_tasks=self._completer.chunk_tasks(1), num_samples=1,
        sampling=self._validation.sampling, seed=self._seed,
    )
    predict = functools.partial(self._predict, complete=complete)
    try:
      found, _ = self._evaluator.evaluate(compute_metrics=jax.process_index() == 0, step=step, predict_fn=predict)
    except ValueError as error:
      if isinstance(error.__cause__, errors.UserError):  # SeqIO wraps every error of a metric in a ValueError
        raise error.__cause__ from None
      raise
    if found.result() is None:
      return None
    (metrics,) = found.result().values()
    metrics = {name: float(getattr(value, "value", value)) for name, value in metrics.items()}
    if self._validation.metric not in metrics:
      raise errors.EngineError(
          f"Validation.metric: found {self._validation.metric!r}, expected one of those of SeqIO task"
          f" {self._validation.task!r}: {', '.join(metrics)}"
      )
    return metrics

  @functools.cached_property
  def _evaluator(self) -> seqio.Evaluator:
    validation = self._validation
    log_dir = None if self._summaries is None or jax.process_index() != 0 else os.fspath(self._summaries)
    evaluator = seqio.Evaluator(
        mixture_or_task_name=validation.task,
        feature_converter=_TaskFeatures(),
        eval_split=validation.split,
        sequence_length={
            "inputs": validation.sampling.max_prompt_length, "targets": validation.sampling.max_completion_length
        },
        num_examples=validation.num_examples,
        logger_cls=() if log_dir is None else (seqio.TensorBoardLogger,),
        log_dir=log_dir,
        async_compute_metrics=False,
    )
    if len(evaluator.eval_tasks) != 1:
      raise errors.EngineError(
          f"Validation.task: found {validation.task!r}, expected one SeqIO task with metric functions and the split"
          f" {validation.split!r}"
      )
    return evaluator

  def _predict(self, dataset: tf.data.Dataset, *, complete: completions.Complete) -> list[tuple[int, np.ndarray]]:
    """(number, completion) of each example; completions are `[max_completion_length]`, 0 after their end.

    Empty prompts are those that did not fit; they are not completed.
    """
    prompts = {int(number): example["inputs"].astype(np.int32) for number, example in dataset.as_numpy_iterator()}
    asked = sorted((number for number in prompts if len(prompts[number])), key=lambda number: len(prompts[number]))
    chunk_tasks = self._completer.chunk_tasks(1)
    parts = [asked[first : first + chunk_tasks] for first in range(0, len(asked), chunk_tasks)]
    tokens = np.zeros((len(prompts), self._validation.sampling.max_completion_length), np.int32)
    for part in parts[jax.process_index() % self._shares :: self._shares]:
      tokens[part] = complete([prompts[number] for number in part], [str(number) for number in part]).tokens
    if self._shares > 1:
      tokens = multihost_utils.process_allgather(tokens).sum(axis=0)
    return list(enumerate(tokens))


def of_training(
    tuning: engine.Tuning, directory: epath.PathLike, *, completer: chunks.Completer, vocab_size: int, seed: int,
    write_summaries: bool,
) -> Validator | None:
  """The validator of a training, as `tuning.validation` says; None if checkpoints are not measured."""
  if tuning.validation is None:
    return None
  return Validator(
      tuning.validation, completer=completer, vocab_size=vocab_size, seed=seed,
      summaries=epath.Path(directory) / "validation" if write_summaries else None,
  )
