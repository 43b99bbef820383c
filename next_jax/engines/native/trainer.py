"""Training on packed examples: one jitted step, and the loop around it."""

from collections.abc import Callable
import dataclasses
import functools
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

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import course as course_lib
from next_jax.engines import engine
from next_jax.engines import packing
from next_jax.engines import sharding
from next_jax.engines import stacking
from next_jax.models import transformer

_LOSS_AVERAGE_STEPS = 20  # The loss in the metrics is an average that forgets over so many steps.
_STEPS_BETWEEN_SUMMARIES = 20
_TOKENS_AT_ONCE_ON_CPU = 1024

MakeOptimizer = Callable[..., optax.GradientTransformation]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Functions:
  """What is compiled for an optimiser, whatever the length, the learning rate and the seed of a training.

  Attributes:
    init: from parameters to the optimiser's state.
    step: see `Trainer._step_function`.
    opt_state: shapes and shardings of the optimiser's state.
  """

  init: Callable[..., Any]
  step: Callable[..., Any]
  opt_state: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trainer:
  """Trains a network from given parameters on given examples; keeps what it compiles between trainings.

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

    functions, learning_rate = self._functions(tuning.optimizer), course.learning_rate()
    start, params, opt_state, progress = self._start(reached, initial_params, functions)
    tuning = dataclasses.replace(tuning, accumulation=self._accumulation(tuning))
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
    )
    with bar:
      for step in range(start, num_steps):
        batch, batch_tokens = self._batch(course, step, tuning.accumulation)
        with self.layout.active():
          params, opt_state, average, scalars = functions.step(
              params, opt_state, average, np.int32(step), np.float32(learning_rate(step)), np.uint32(course.seed), batch
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

  def _start(self, reached, initial_params, functions):
    """(step, params, optimiser state, progress) at which training starts or goes on."""
    if reached is None:
      params = initial_params()
      return 0, params, functions.init(params), {"tokens": 0, "loss": 0.0}
    params = abstract_parameters(transformer.Transformer(self.network), self.layout)
    step, params, opt_state = checkpoints.restore(reached, params, functions.opt_state)
    return step, params, opt_state, checkpoints.metrics(reached)

  @functools.cached_property
  def _kept(self) -> dict[MakeOptimizer, Functions]:
    return {}

  def _functions(self, make_optimizer: MakeOptimizer) -> Functions:
    if make_optimizer not in self._kept:
      init = make_optimizer(learning_rate=lambda count: 0.0).init
      params = abstract_parameters(transformer.Transformer(self.network), self.layout)
      shapes = jax.eval_shape(init, params)
      shardings = jax.tree.map(lambda leaf: leaf.sharding, params)
      of_state = self.layout.like_parameters(shapes, params, shardings)
      replicated = self.layout.replicated()
      self._kept[make_optimizer] = Functions(
          init=jax.jit(init, out_shardings=of_state),
          step=jax.jit(
              self._step_function(make_optimizer), donate_argnums=(0, 1),
              out_shardings=(shardings, of_state, replicated, replicated),
          ),
          opt_state=jax.tree.map(
              lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), shapes, of_state
          ),
      )
    return self._kept[make_optimizer]

  def _step_function(self, make_optimizer: MakeOptimizer) -> Callable[..., Any]:
    """(params, opt_state, average loss, step, learning rate, seed, batch) -> the first three anew, and scalars.

    As constants, learning rate and seed would have it compiled again for each training.
    """
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
          decoder_completion_ids=batch.get("decoder_completion_ids"),
          enable_dropout=self.network.dropout_rate > 0,
          rngs={"dropout": key},
      )
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["decoder_target_tokens"])
      return jnp.sum(losses * batch["decoder_loss_weights"])

    def step_function(params, opt_state, average, step, learning_rate, seed, batch):
      optimizer = make_optimizer(learning_rate=lambda count: learning_rate)
      key = jax.random.fold_in(jax.random.key(seed), step)
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

    return step_function

  def _batch(self, course, step, accumulation) -> tuple[packing.Batch, int]:
    batch = course.batch(step)
    tokens = int(np.count_nonzero(batch["decoder_segment_ids"]))
    split = {name: value.reshape(accumulation, -1, value.shape[1]) for name, value in batch.items()}
    return {name: self.layout.put_batch(value, axis=1) for name, value in split.items()}, tokens

  def _report(self, bar, writer, step, scalars) -> None:
    loss = float(scalars["loss"])
    if not np.isfinite(loss):
      raise errors.EngineError(f"step {step}: the loss is {loss}; lower the learning rate, or warm up longer")
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
  """Parameters of an untrained network, made where they will lie; the same whether its layers are scanned or not."""
  one_by_one = transformer.Transformer(model.config.one_by_one)

  def init(key):
    params = nn.unbox(one_by_one.init(key, jnp.zeros((1, 2), jnp.int32), enable_dropout=False)["params"])
    return stacking.stack(params) if model.scan_layers else params

  return jax.jit(init, out_shardings=parameter_shardings(model, layout))(jax.random.key(seed))
