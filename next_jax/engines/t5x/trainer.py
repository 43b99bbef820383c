"""Trains with T5X's trainer, on the rows that the native engine packs.

Rows, schedule and checkpoints are those of the native engine. So one engine can finish a training that
the other began, with the same parameters up to rounding.
"""

from collections.abc import Callable, Iterator
import functools
import math
from typing import Any

from etils import epath
from flax import core
import jax
import jax.numpy as jnp
import numpy as np
from t5x import train_state as train_state_lib
from t5x import trainer as t5x_trainer
from t5x import utils as t5x_utils

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import sharding
from next_jax.engines import training_plan
from next_jax.engines.t5x import decoder
from next_jax.engines.t5x import optimizer as optimizer_lib
from next_jax.engines.t5x import partitioner as partitioner_lib
from next_jax.models import transformer

_STEPS_AT_ONCE = 20  # Steps between two checks of the loss.


class Trainer:
  """Trains one network with one optimiser; keeps the compiled step between trainings."""

  def __init__(
      self,
      network: transformer.TransformerConfig,
      layout: sharding.Layout,
      *,
      optimizer: Callable[..., Any],
      accumulation: int,
      bidirectional_prompts: bool,
      write_summaries: bool,
  ):
    """Makes a trainer; `accumulation` and `optimizer` come from `engine.Tuning`, the rest from the engine."""
    self._layout = layout
    self._write_summaries = write_summaries
    self._optimizer_def = optimizer_lib.OptaxOptimizer(optimizer)
    partitioner = partitioner_lib.MeshPartitioner(layout)
    model = decoder.Decoder(network, None, self._optimizer_def, bidirectional_prompts=bidirectional_prompts)
    initializer = t5x_utils.TrainStateInitializer(
        optimizer_def=self._optimizer_def,
        init_fn=model.get_initial_variables,
        input_shapes={"decoder_input_tokens": (1, 2)},
        partitioner=partitioner,
    )
    self._state_axes = initializer.train_state_axes
    self._state_shapes = initializer.global_train_state_shape
    self._create = partitioner.partition(
        self._create_function, in_axis_resources=(self._state_axes.params,), out_axis_resources=self._state_axes
    )
    self._trainer = _Trainer(
        model=model,
        train_state=None,
        partitioner=partitioner,
        eval_names=(),
        summary_dir=None,
        train_state_axes=self._state_axes,
        rng=jax.random.PRNGKey(0),
        learning_rate_fn=lambda step: 0.0,
        num_microbatches=accumulation,
    )

  def train(
      self, plan: training_plan.TrainingPlan, initial_params: Callable[[], Any], report: Callable[..., None]
  ) -> tuple[epath.Path, dict[str, float]]:
    """As `native.trainer.Trainer.train`, on T5X."""
    tuning, num_steps = plan.tuning, plan.num_steps
    replicas = self._layout.mesh.shape["data"]
    if (tuning.batch_size // tuning.accumulation) % replicas:
      raise errors.EngineError(
          f"batch_size / accumulation: found {tuning.batch_size} / {tuning.accumulation}, expected a multiple of the"
          f" {replicas} devices along 'data' (T5X splits every batch evenly); change one of them, or set"
          " model_parallelism"
      )
    reached = plan.begin()
    if plan.is_ended(reached):
      return plan.result()
    start, progress = self._start(reached, initial_params)
    counted = {"tokens": int(progress["tokens"])}
    batches = self._batches(plan, start, counted)
    average = float(progress["loss"])

    self._summaries_go_to(plan.directory if self._write_summaries else None)
    report(start, num_steps, {})
    step = start
    while step < num_steps:
      next_save = plan.next_save(step)
      steps = min(_STEPS_AT_ONCE, next_save - step)
      summary = self._trainer.train(batches, steps, start_step=step).result()
      step += steps
      loss = float(np.asarray(summary["loss"].value))
      if not math.isfinite(loss):
        raise errors.EngineError(
            f"step {step}: the loss is {loss}; lower the learning rate, or warm up longer"
        )
      rates = (max(2 / (done + 2), 1 / training_plan.LOSS_AVERAGE_STEPS) for done in range(step - steps, step))
      kept = math.prod(1 - rate for rate in rates)
      average = kept * average + (1 - kept) * loss
      report(step, num_steps, {"loss": loss})
      if step == next_save:
        state = self._trainer.train_state
        plan.save(step, core.unfreeze(state.params), state.param_states, tokens=counted["tokens"], loss=average)
    self._summaries_go_to(None)
    return plan.result()

  def _start(self, reached, initial_params) -> tuple[int, dict[str, float]]:
    """Sets the state from which training starts or resumes; returns its step and progress."""
    if reached is None:
      self._trainer.train_state = self._create(core.freeze(initial_params()))
      return 0, {"tokens": 0, "loss": 0.0}
    mesh = self._layout.mesh
    params = optimizer_lib.abstract(self._state_shapes.params, self._state_axes.params, mesh)
    states = optimizer_lib.abstract(self._state_shapes.param_states, self._state_axes.param_states, mesh)
    step, params, states = checkpoints.restore(reached, core.unfreeze(params), states)
    state = self._create(core.freeze(params))
    state_dict = state.state_dict()
    restored = optimizer_lib.OptaxOptimizer.state_dict(
        self._optimizer_def, core.freeze(params), state._optimizer.state.replace(param_states=states)  # pylint: disable=protected-access
    )
    state_dict["state"]["param_states"] = restored["state"]["param_states"]
    state_dict["state"]["step"] = jax.device_put(np.int32(step), self._layout.replicated())
    self._trainer.train_state = state.restore_state(state_dict)
    return step, checkpoints.metrics(reached)

  def _create_function(self, params) -> train_state_lib.FlaxOptimTrainState:
    return train_state_lib.FlaxOptimTrainState.create(
        self._optimizer_def, core.freeze({"params": params, "params_axes": self._state_shapes.params_axes})
    )

  def _batches(self, plan, start, counted) -> Iterator[dict[str, Any]]:
    schedule = plan.learning_rate()
    for step in range(start, plan.num_steps):
      batch = plan.batch(step)
      counted["tokens"] += int(np.count_nonzero(batch["decoder_segment_ids"]))
      # Weights of a whole batch sum to 1, because T5X adds up the losses of micro-batches without scaling.
      weights = batch["decoder_loss_weights"].astype(np.float32)
      batch["decoder_loss_weights"] = weights / max(1.0, weights.sum())
      yield {
          "features": {name: self._layout.put_batch(value) for name, value in batch.items()},
          "learning_rate": np.float32(schedule(step)),
          "key": np.asarray(jax.random.PRNGKey(plan.seed)),
      }

  def _summaries_go_to(self, directory: epath.PathLike | None) -> None:
    self._trainer.train_metrics_manager.close()
    self._trainer.train_metrics_manager = t5x_trainer.MetricsManager(
        "train", summary_dir=None if directory is None else str(directory)
    )


class _Trainer(t5x_trainer.Trainer):
  """T5X's trainer, but learning rate and random key come with the batch.

  As constants of the compiled step they would force a new compilation for another length or seed.
  """

  @functools.cached_property
  def _partitioned_train_step(self):
    def train_step(train_state, batch):
      return t5x_trainer.train_with_lr(
          train_state,
          batch["features"],
          learning_rate=jnp.asarray(batch["learning_rate"]),
          dropout_rng=jax.random.fold_in(batch["key"], train_state.step),
          model=self._model,
          num_microbatches=self._num_microbatches,
          data_partition_spec=self._partitioner.data_partition_spec,
      )

    of_batch = {"features": self._partitioner.data_partition_spec, "learning_rate": None, "key": None}
    return self._partitioner.partition(
        train_step,
        in_axis_resources=(self._train_state_axes, of_batch),
        out_axis_resources=(self._train_state_axes, None),
        donate_argnums=(0,),
    )
