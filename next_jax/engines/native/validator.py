"""Measuring the checkpoints of a training by SeqIO's evaluator."""

from collections.abc import Callable
import functools
import os

from etils import epath
import jax
from jax.experimental import multihost_utils
import numpy as np
import seqio
import tensorflow as tf

from next_jax import errors
from next_jax.engines import engine
from next_jax.engines.native import chunks
from next_jax.engines.native import examples as examples_lib


class _TaskFeatures(seqio.PassThroughFeatureConverter):
  """The features of the task as they are; SeqIO's own class lacks what its evaluator asks for."""

  TASK_FEATURES = {name: seqio.FeatureConverter.FeatureSpec(dtype=tf.int32) for name in ("inputs", "targets")}
  pack = False


class Validator:
  """The examples of an `engine.Validation`, read when the first checkpoint is measured, and kept.

  Of several processes each completes its share, and process 0 runs the metric functions.
  """

  def __init__(
      self,
      validation: engine.Validation,
      *,
      chunk_tasks: int,
      start: Callable[[epath.Path], chunks.Complete],
      summaries: epath.PathLike | None,
      together: bool = False,
  ):
    """Makes a validator.

    Args:
      validation: what is measured.
      chunk_tasks: prompts that are completed together, at most.
      start: gives the function that completes (prompts, ids) once each, with the parameters of a checkpoint.
      summaries: directory for TensorBoard scalars; None: none are written.
      together: completing takes all processes; else each completes a share of the prompts.
    """
    self._validation = validation
    self._chunk_tasks = chunk_tasks
    self._start = start
    self._summaries = summaries
    self._shares = 1 if together else jax.process_count()

  def measure(self, checkpoint: epath.Path, step: int) -> dict[str, float] | None:
    """Metrics of a checkpoint; None in all processes but process 0.

    Raises:
      TaskError: the task cannot be measured, or has no such metric.
      UserError: whatever the metric functions raise.
    """
    predict = functools.partial(self._predict, complete=self._start(checkpoint))
    try:
      found, _ = self._evaluator.evaluate(compute_metrics=jax.process_index() == 0, step=step, predict_fn=predict)
    except ValueError as error:
      if isinstance(error.__cause__, errors.UserError):  # SeqIO makes all errors of a metric ValueErrors
        raise error.__cause__ from None
      raise
    if found.result() is None:
      return None
    (metrics,) = found.result().values()
    metrics = {name: float(getattr(value, "value", value)) for name, value in metrics.items()}
    if self._validation.metric not in metrics:
      raise examples_lib.TaskError(
          f"Validation.metric: found {self._validation.metric!r}, expected one of those of SeqIO task"
          f" {self._validation.task!r}: {', '.join(metrics)}"
      )
    return metrics

  @functools.cached_property
  def _evaluator(self) -> seqio.Evaluator:
    validation = self._validation
    loggers = (seqio.TensorBoardLogger,) if self._summaries is not None and jax.process_index() == 0 else ()
    evaluator = seqio.Evaluator(
        mixture_or_task_name=validation.task,
        feature_converter=_TaskFeatures(),
        eval_split=validation.split,
        sequence_length={
            "inputs": validation.sampling.max_prompt_length, "targets": validation.sampling.max_completion_length
        },
        num_examples=validation.num_examples,
        logger_cls=loggers,
        log_dir=os.fspath(self._summaries) if loggers else None,
        async_compute_metrics=False,
    )
    if len(evaluator.eval_tasks) != 1:
      raise examples_lib.TaskError(
          f"Validation.task: found {validation.task!r}, expected one SeqIO task with metric functions and the split"
          f" {validation.split!r}"
      )
    return evaluator

  def _predict(self, dataset: tf.data.Dataset, *, complete: chunks.Complete) -> list[tuple[int, np.ndarray]]:
    """(number, completion `[max_completion_length]`, 0 behind its end) of each example.

    A prompt that is empty, because it did not fit, is not asked.
    """
    prompts = {int(number): example["inputs"].astype(np.int32) for number, example in dataset.as_numpy_iterator()}
    asked = sorted((number for number in prompts if len(prompts[number])), key=lambda number: len(prompts[number]))
    parts = [asked[first : first + self._chunk_tasks] for first in range(0, len(asked), self._chunk_tasks)]
    tokens = np.zeros((len(prompts), self._validation.sampling.max_completion_length), np.int32)
    for part in parts[jax.process_index() % self._shares :: self._shares]:
      tokens[part] = complete([prompts[number] for number in part], [str(number) for number in part]).tokens
    if self._shares > 1:
      tokens = multihost_utils.process_allgather(tokens).sum(axis=0)
    return list(enumerate(tokens))
