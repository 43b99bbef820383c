"""Trains on packed examples: one compiled step, and the loop around it."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any

from etils import epath
import jax
import jax.numpy as jnp
import numpy as np
import optax

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import engine
from next_jax.engines import lora
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import training_plan
from next_jax.models import projection
from next_jax.models import transformer

_TOKENS_AT_ONCE_ON_CPU = 1024

Report = Callable[[int, int, Mapping[str, float]], None]
MakeOptimizer = Callable[..., optax.GradientTransformation]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Functions:
  """The functions compiled for an optimiser; they serve every length, learning rate and seed of a training.

  Attributes:
    params: Shapes and shardings of what is trained.
    init: Makes the optimiser's state from parameters.
    step: One step of training; see `Trainer._step_function`.
    opt_state: Shapes and shardings of the optimiser's state.
  """

  params: Any
  init: Callable[..., Any]
  step: Callable[..., Any]
  opt_state: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trainer:
  """Trains a network from given parameters on given examples; keeps its compiled programs between trainings.

  Attributes:
    network: Sizes of the network.
    layout: Where parameters and batches lie.
    bidirectional_prompts: Whether the tokens of a prompt see one another (a prefix LM). If not, all attention is
      causal.
    tokens_at_once: Maximum tokens per device in a training micro-batch. A step's batch is split further than
      `Tuning.accumulation` asks for where needed. None is 1,024 on CPU, where larger micro-batches fall out of the
      caches (40 % slower), and no limit elsewhere.
  """

  network: transformer.TransformerConfig
  layout: sharding.Layout
  bidirectional_prompts: bool = False
  tokens_at_once: int | None = None

  def train(
      self, plan: training_plan.TrainingPlan, initial_params: Callable[[], Any], report: Report
  ) -> tuple[epath.Path, dict[str, float]]:
    """Trains to the end of the plan, from its last checkpoint if there is one.

    Args:
      plan: The training.
      initial_params: Returns the parameters to start from; called only if there is no checkpoint.
      report: Called as `report(step, num_steps, scalars)` before the first step and after each.

    Returns:
      The checkpoint that the training returns, and its metrics; see `engine.Engine.finetune`.

    Raises:
      EngineError: The settings cannot be used, or the loss is no longer finite.
      CheckpointError: The directory holds a checkpoint of another training.
    """
    reached = plan.begin()
    if plan.is_ended(reached):
      return plan.result()
    tuning, num_steps = plan.tuning, plan.num_steps

    functions, learning_rate = self._functions(tuning.optimizer, tuning.lora), plan.learning_rate()
    frozen = None if plan.adapter is None else self._frozen(plan.adapter)
    start, params, opt_state, progress = self._start(reached, initial_params, functions)
    tuning = dataclasses.replace(tuning, accumulation=self._accumulation(tuning))
    tokens = int(progress["tokens"])
    # The average goes in with the layout it comes out with; otherwise the second step would compile again.
    average = jax.device_put(np.float32(progress["loss"]), self.layout.replicated())
    previous = None  # The step before: reading its loss does not delay the running step.
    report(start, num_steps, {})
    for step in range(start, num_steps):
      batch, batch_tokens = self._batch(plan, step, tuning.accumulation)
      with self.layout.active():
        params, opt_state, average, scalars = functions.step(
            params, opt_state, frozen, average, np.int32(step), np.float32(learning_rate(step)),
            np.uint32(plan.seed), batch,
        )
      tokens += batch_tokens
      if previous is not None:
        self._report(report, num_steps, *previous)
      previous = (step + 1, scalars)
      if step + 1 == plan.next_save(step):
        self._report(report, num_steps, *previous)
        previous = None
        plan.save(step + 1, params, opt_state, tokens=tokens, loss=float(average))
    return plan.result()

  def _accumulation(self, tuning: engine.Tuning) -> int:
    """Number of micro-batches in a step: the smallest that divides its rows and keeps to `tokens_at_once`."""
    limit = self.tokens_at_once
    if limit is None:
      limit = _TOKENS_AT_ONCE_ON_CPU if self.layout.mesh.devices.flat[0].platform == "cpu" else None
    if limit is None:
      return tuning.accumulation
    replicas = self.layout.mesh.shape["data"]
    for accumulation in range(tuning.accumulation, tuning.batch_size + 1):
      rows = tuning.batch_size // accumulation
      if tuning.batch_size % accumulation or (tuning.batch_size % replicas == 0 and rows % replicas):
        continue  # Uneven, or its rows would no longer divide over the devices.
      if rows * tuning.sequence_length <= limit * replicas:
        return accumulation
    return max(tuning.accumulation, tuning.batch_size // replicas if tuning.batch_size % replicas == 0 else 1)

  def _start(self, reached, initial_params, functions):
    """(step, params, optimiser state, progress) from which training starts or resumes."""
    if reached is None:
      params = initial_params()
      return 0, params, functions.init(params), {"tokens": 0, "loss": 0.0}
    step, params, opt_state = checkpoints.restore(reached, functions.params, functions.opt_state)
    return step, params, opt_state, checkpoints.metrics(reached)

  @functools.cached_property
  def _kept(self) -> dict[Any, Functions]:
    return {}

  def _frozen(self, adapter: lora.Adapter) -> Any:
    """The parameters that adapters are trained on, in the type of products: they get no updates that need float32."""
    model = transformer.Transformer(self.network)
    template = parameters.abstract(model, self.layout, matrices=self.network.dtype)
    return checkpoints.restore(adapter.base, template)[1]

  def _functions(self, make_optimizer: MakeOptimizer, lora_form: lora.Lora | None) -> Functions:
    key = make_optimizer, lora_form
    if key not in self._kept:
      init = make_optimizer(learning_rate=lambda count: 0.0).init
      model = transformer.Transformer(self.network)
      if lora_form is None:
        params = parameters.abstract(model, self.layout)
      else:
        params = lora_form.abstract(model, self.layout)
      shapes = jax.eval_shape(init, params)
      shardings = jax.tree.map(lambda leaf: leaf.sharding, params)
      of_state = self.layout.like_parameters(shapes, params, shardings)
      replicated = self.layout.replicated()
      self._kept[key] = Functions(
          params=params,
          init=jax.jit(init, out_shardings=of_state),
          step=jax.jit(
              self._step_function(make_optimizer, lora_form), donate_argnums=(0, 1),
              out_shardings=(shardings, of_state, replicated, replicated),
          ),
          opt_state=jax.tree.map(
              lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), shapes, of_state
          ),
      )
    return self._kept[key]

  def _step_function(self, make_optimizer: MakeOptimizer, lora_form: lora.Lora | None) -> Callable[..., Any]:
    """(params, opt_state, frozen, average loss, step, learning rate, seed, batch) -> the new ones, and scalars.

    The new ones are params, opt_state and average.
    `params` are what is trained: the network's, or adapters on the frozen ones.
    Learning rate and seed are arguments: as constants they would force a new compilation for each training.
    """
    model = transformer.Transformer(self.network)

    def summed_loss(params, frozen, batch, key):
      variables = {"params": params}
      if lora_form is not None:
        variables = {"params": frozen, projection.LORA: lora_form.scaled(params)}
      causal_attention = batch["decoder_causal_attention"] if self.bidirectional_prompts else None
      logits = model.apply(
          variables,
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

    def step_function(params, opt_state, frozen, average, step, learning_rate, seed, batch):
      optimizer = make_optimizer(learning_rate=lambda count: learning_rate)
      key = jax.random.fold_in(jax.random.key(seed), step)
      accumulation = batch["decoder_input_tokens"].shape[0]
      value_and_grad = jax.value_and_grad(summed_loss)
      if accumulation == 1:
        loss, gradients = value_and_grad(params, frozen, jax.tree.map(lambda x: x[0], batch), key)
      else:

        def add(total, numbered):
          number, micro_batch = numbered
          new = value_and_grad(params, frozen, micro_batch, jax.random.fold_in(key, number))
          return jax.tree.map(jnp.add, total, new), None

        zeros = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        (loss, gradients), _ = jax.lax.scan(add, zeros, (jnp.arange(accumulation), batch))
      weight = jnp.maximum(1, jnp.sum(batch["decoder_loss_weights"]))
      loss = loss / weight
      gradients = jax.tree.map(lambda x: x / weight, gradients)
      updates, opt_state = optimizer.update(gradients, opt_state, params)
      params = optax.apply_updates(params, updates)
      rate = jnp.maximum(2 / (step + 2), 1 / training_plan.LOSS_AVERAGE_STEPS)
      average = average + rate * (loss - average)
      return params, opt_state, average, {"loss": loss, "gradient_norm": optax.global_norm(gradients)}

    return step_function

  def _batch(self, plan, step, accumulation) -> tuple[dict[str, jax.Array], int]:
    batch = plan.batch(step)
    tokens = int(np.count_nonzero(batch["decoder_segment_ids"]))
    split = {name: value.reshape(accumulation, -1, value.shape[1]) for name, value in batch.items()}
    return {name: self.layout.put_batch(value, axis=1) for name, value in split.items()}, tokens

  def _report(self, report, num_steps, step, scalars) -> None:
    values = {name: float(value) for name, value in scalars.items()}
    if not np.isfinite(values["loss"]):
      raise errors.EngineError(f"step {step}: the loss is {values['loss']}; lower the learning rate, or warm up longer")
    report(step, num_steps, values)
