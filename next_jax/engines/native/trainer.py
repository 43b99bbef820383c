"""Training on packed examples: one jitted step, and the loop around it."""

from collections.abc import Callable
import dataclasses
import sys
from typing import Any

from clu import metric_writers
from etils import epath
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from next_jax.engines import engine
from next_jax.engines.native import checkpoints
from next_jax.engines.native import course as course_lib
from next_jax.engines.native import packing
from next_jax.engines.native import sharding
from next_jax.models import transformer

_LOSS_AVERAGE_STEPS = 20  # The loss in the metrics is an average that forgets over so many steps.
_STEPS_BETWEEN_SUMMARIES = 20
_TOKENS_AT_ONCE_ON_CPU = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trainer:
  """Trains a network from given parameters on given examples.

  Attributes:
    bidirectional_prompts: tokens of a prompt see one another (a prefix LM); else all is causal.
    tokens_at_once: a step's batch is split into micro-batches of so many tokens a device at most,
      beyond what `Tuning.accumulation` asks for; None: 1,024 on CPU, where larger ones fall out of
      the caches (40 % slower), no limit elsewhere.
    write_summaries: TensorBoard scalars in the training's directory.
  """

  network: transformer.TransformerConfig
  layout: sharding.Layout
  bidirectional_prompts: bool = False
  tokens_at_once: int | None = None
  write_summaries: bool = True

  def train(
      self, course: course_lib.Course, initial_params: Callable[[], Any]
  ) -> tuple[epath.Path, dict[str, float]]:
    """Trains to the end, from the last checkpoint of `course` when there is one.

    Raises:
      TrainingError: settings that cannot be used, or a loss that is no longer finite.
      CheckpointError: a checkpoint in the directory that is not of this training.
    """
    reached = course.begin()
    if course.is_ended(reached):
      return course.result()
    tuning, num_steps = course.tuning, course.num_steps

    optimizer = tuning.optimizer(learning_rate=course.learning_rate())
    start, params, opt_state, progress = self._start(reached, initial_params, optimizer)
    tuning = dataclasses.replace(tuning, accumulation=self._accumulation(tuning))
    step_function = self._step_function(optimizer, params, opt_state)
    # Made where it will lie: `device_put` takes no key to the devices of other processes.
    dropout_key = jax.jit(jax.random.key, static_argnums=0, out_shardings=self.layout.replicated())(course.seed)
    writer = None
    if self.write_summaries and jax.process_index() == 0:
      writer = metric_writers.SummaryWriter(str(course.directory))

    tokens = int(progress["tokens"])
    # What goes in lies as what comes out: else the second step would compile again.
    average = jax.device_put(np.float32(progress["loss"]), self.layout.replicated())
    previous = None  # The step before: reading its loss does not hold up the step under way.
    bar = tqdm.tqdm(
        total=num_steps, initial=start, desc="training", unit="step", file=sys.stderr, mininterval=1.0,
        disable=jax.process_index() != 0,
    )  # fmt: skip
    with bar:
      for step in range(start, num_steps):
        batch, batch_tokens = self._batch(course, step, tuning.accumulation)
        with self.layout.active():
          params, opt_state, average, scalars = step_function(
              params, opt_state, average, np.int32(step), dropout_key, batch
          )
        tokens += batch_tokens
        if previous is not None:
          self._report(bar, writer, *previous)
        previous = (step + 1, scalars)
        bar.update(1)
        if step + 1 == course.next_save(step):
          self._report(bar, writer, *previous)
          previous = None
          course.save(step + 1, params, opt_state, tokens=tokens, loss=float(average))
    if writer is not None:
      writer.close()
    return course.result()

  def _accumulation(self, tuning: engine.Tuning) -> int:
    """Micro-batches of a step: the fewest, of those that divide its rows, that hold few enough tokens."""
    limit = self.tokens_at_once
    if limit is None:
      limit = _TOKENS_AT_ONCE_ON_CPU if self.layout.mesh.devices.flat[0].platform == "cpu" else None
    if limit is None:
      return tuning.accumulation
    replicas = self.layout.mesh.shape["data"]
    for accumulation in range(tuning.accumulation, tuning.batch_size + 1):
      rows = tuning.batch_size // accumulation
      if tuning.batch_size % accumulation or (tuning.batch_size % replicas == 0 and rows % replicas):
        continue  # Uneven, or rows that no longer divide over the devices.
      if rows * tuning.sequence_length <= limit * replicas:
        return accumulation
    return max(tuning.accumulation, tuning.batch_size // replicas if tuning.batch_size % replicas == 0 else 1)

  def _start(self, reached, initial_params, optimizer):
    """(step, params, optimiser state, progress) at which training starts or goes on."""
    model = transformer.Transformer(self.network)
    shardings = parameter_shardings(model, self.layout)
    if reached is None:
      params = initial_params()
      state_shardings = self._state_shardings(optimizer, params, shardings)
      opt_state = jax.jit(optimizer.init, out_shardings=state_shardings)(params)
      return 0, params, opt_state, {"tokens": 0, "loss": 0.0}
    params = abstract_parameters(model, self.layout)
    state_shardings = self._state_shardings(optimizer, params, shardings)
    opt_state = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        jax.eval_shape(optimizer.init, params),
        state_shardings,
    )
    step, params, opt_state = checkpoints.restore(reached, params, opt_state)
    return step, params, opt_state, checkpoints.metrics(reached)

  def _state_shardings(self, optimizer, params, shardings):
    return self.layout.like_parameters(jax.eval_shape(optimizer.init, params), params, shardings)

  def _step_function(self, optimizer: optax.GradientTransformation, params: Any, opt_state: Any) -> Callable:
    model = transformer.Transformer(self.network)

    def summed_loss(params, batch, key):
      causal_attention = batch["decoder_causal_attention"] if self.bidirectional_prompts else None
      logits = model.apply(
          {"params": params},
          batch["decoder_input_tokens"],
          batch["decoder_target_tokens"],
          batch["decoder_segment_ids"],
          batch["decoder_positions"],
          causal_attention,
          enable_dropout=self.network.dropout_rate > 0,
          rngs={"dropout": key},
      )
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["decoder_target_tokens"])
      return jnp.sum(losses * batch["decoder_loss_weights"])

    def step_function(params, opt_state, average, step, key, batch):
      key = jax.random.fold_in(key, step)
      accumulation = batch["decoder_input_tokens"].shape[0]
      value_and_grad = jax.value_and_grad(summed_loss)
      if accumulation == 1:
        loss, gradients = value_and_grad(params, jax.tree.map(lambda x: x[0], batch), key)
      else:

        def add(total, numbered):
          number, micro_batch = numbered
          new = value_and_grad(params, micro_batch, jax.random.fold_in(key, number))
          return jax.tree.map(jnp.add, total, new), None

        zeros = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        (loss, gradients), _ = jax.lax.scan(add, zeros, (jnp.arange(accumulation), batch))
      weight = jnp.maximum(1, jnp.sum(batch["decoder_loss_weights"]))
      loss = loss / weight
      gradients = jax.tree.map(lambda x: x / weight, gradients)
      updates, opt_state = optimizer.update(gradients, opt_state, params)
      params = optax.apply_updates(params, updates)
      rate = jnp.maximum(2 / (step + 2), 1 / _LOSS_AVERAGE_STEPS)
      average = average + rate * (loss - average)
      return params, opt_state, average, {"loss": loss, "gradient_norm": optax.global_norm(gradients)}

    out_shardings = (
        jax.tree.map(lambda x: x.sharding, params), jax.tree.map(lambda x: x.sharding, opt_state),
        self.layout.replicated(), self.layout.replicated(),
    )  # fmt: skip
    return jax.jit(step_function, donate_argnums=(0, 1), out_shardings=out_shardings)

  def _batch(self, course, step, accumulation) -> tuple[packing.Batch, int]:
    batch = course.batch(step)
    tokens = int(np.count_nonzero(batch["decoder_segment_ids"]))
    split = {name: value.reshape(accumulation, -1, value.shape[1]) for name, value in batch.items()}
    return {name: self.layout.put_batch(value, axis=1) for name, value in split.items()}, tokens

  def _report(self, bar, writer, step, scalars) -> None:
    loss = float(scalars["loss"])
    if not np.isfinite(loss):
      raise course_lib.TrainingError(f"step {step}: the loss is {loss}; lower the learning rate, or warm up longer")
    bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
    if writer is not None and (step % _STEPS_BETWEEN_SUMMARIES == 0 or step == bar.total):
      writer.write_scalars(step, {"loss": loss, "gradient_norm": float(scalars["gradient_norm"])})


def boxed_shapes(model: transformer.Transformer) -> Any:
  """Tree of parameter shapes in boxes that carry axis names."""
  tokens = jax.ShapeDtypeStruct((1, 2), jnp.int32)
  return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, enable_dropout=False), tokens)["params"]


def parameter_shardings(model: transformer.Transformer, layout: sharding.Layout) -> Any:
  return layout.of_parameters(boxed_shapes(model))


def abstract_parameters(model: transformer.Transformer, layout: sharding.Layout) -> Any:
  """Tree of `jax.ShapeDtypeStruct` with shardings."""
  shapes = nn.unbox(boxed_shapes(model))
  return jax.tree.map(
      lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where),
      shapes,
      parameter_shardings(model, layout),
  )


def random_parameters(model: transformer.Transformer, layout: sharding.Layout, seed: int) -> Any:
  """Parameters of an untrained network, made where they will lie."""

  def init(key):
    return nn.unbox(model.init(key, jnp.zeros((1, 2), jnp.int32), enable_dropout=False)["params"])

  return jax.jit(init, out_shardings=parameter_shardings(model, layout))(jax.random.key(seed))
