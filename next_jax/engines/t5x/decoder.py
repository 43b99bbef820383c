"""The network as a T5X model.

T5X's own scripts need only `Decoder`. T5X expects axis names in a collection `params_axes`. The network
carries them in boxes around its parameters, so that it need not know about T5X.
"""

from collections.abc import Mapping
from typing import Any

from flax import core
from flax import linen as nn
from flax import traverse_util
from flax.linen import partitioning as flax_partitioning
import jax
import jax.numpy as jnp
import seqio
from t5x import decoding
from t5x import models
from t5x import optimizers as t5x_optimizers

from next_jax.engines import truncation as truncation_lib
from next_jax.models import transformer


class Decoder(models.DecoderOnlyModel):
  """T5X's decoder-only model around `transformer.Transformer`."""

  def __init__(
      self,
      network: transformer.TransformerConfig,
      vocabulary: seqio.Vocabulary | None,
      optimizer_def: t5x_optimizers.OptimizerDefType | None,
      *,
      bidirectional_prompts: bool = False,
      feature_converter_cls: type[seqio.FeatureConverter] = seqio.PrefixLMFeatureConverter,
      **options: Any,
  ):
    """Makes a model.

    Args:
      network: Sizes of the network.
      vocabulary: Vocabulary of the tasks; None if only `sample` and `score_batch` are used.
      optimizer_def: Optimiser, which T5X calls an optimizer definition; None for a model that is not trained.
      bidirectional_prompts: Whether the tokens of a prompt see one another, in training and in sampling.
      feature_converter_cls: Feature converter; the default puts the loss on the targets only.
      **options: Options of `models.DecoderOnlyModel`: `loss_normalizing_factor`, `z_loss`, `label_smoothing`,
        `decode_fn`.
    """
    super().__init__(
        module=transformer.Transformer(network),
        vocabulary=vocabulary,
        optimizer_def=optimizer_def,
        inputs_bidirectional_attention=bidirectional_prompts,
        feature_converter_cls=feature_converter_cls,
        **options,
    )

  def get_initial_variables(
      self, rng: jax.Array, input_shapes: Mapping[str, Any], input_types: Mapping[str, Any] | None = None
  ) -> core.FrozenDict:
    """Initial `params`, and `params_axes` with the logical axis names of each."""
    del input_types  # Tokens are always integers.
    tokens = jnp.ones(input_shapes["decoder_input_tokens"], jnp.int32)
    boxed = self.module.init(rng, tokens, tokens, enable_dropout=False)["params"]
    return core.freeze({"params": nn.unbox(boxed), "params_axes": axes_of(boxed)})

  def sample(
      self,
      params: Any,
      batch: Mapping[str, jax.Array],
      *,
      num_samples: int,
      truncation: truncation_lib.Truncation,
      max_steps: int,
      eos_id: int,
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Draws samples in T5X's decoding loop.

    T5X's own drawing uses one key for all rows of a batch and cannot combine top-k with top-p. It also
    returns the samples of a task in ascending order of score, so that a sample's index would show how
    probable it is. Here each row has its own key, as in the native engine, and keeps its place. The loop
    runs greedily over logits that allow only the drawn token; the log-probabilities travel in the cache.

    Args:
      params: Parameters of the network.
      batch: Features `decoder_input_tokens` and `decoder_causal_attention`, `[tasks, length]`; `seed` and
        `task_hash`, `[tasks]`, from which the keys of a task are folded.
      num_samples: Number of samples per task.
      truncation: How a token is drawn.
      max_steps: Maximum tokens of a completion.
      eos_id: Id of the token that ends a completion.

    Returns:
      Completions `[tasks, num_samples, length]`, and `scores` `[tasks, num_samples]`: natural
      log-probabilities at temperature 1 and without truncation.
    """
    inputs = batch["decoder_input_tokens"] * batch["decoder_causal_attention"]
    tasks, length = inputs.shape
    network_cache, prompt_lengths = self._compute_kv_cache(params, inputs, batch["decoder_causal_attention"])

    def expand(leaf):
      return decoding.flat_batch_beam_expand(leaf, num_samples)

    def row_key(seed, task_hash, index):
      return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), task_hash), index)

    of_samples = jax.vmap(row_key, in_axes=(None, None, 0))
    keys = jax.vmap(of_samples, in_axes=(0, 0, None))(batch["seed"], batch["task_hash"], jnp.arange(num_samples))
    rows = tasks * num_samples
    cache = {
        "network": jax.tree.map(expand, core.unfreeze(network_cache)),
        "key": jax.random.key_data(keys).reshape(rows, -1),
        "position": jnp.zeros((), jnp.int32),
        "ended": jnp.zeros(rows, jnp.bool_),
        "log_probability": jnp.zeros(rows, jnp.float32),
    }

    def draw(state: decoding.DecodingState):
      logits, network_cache = self._compute_logits_from_slice(
          state.replace(cache=state.cache["network"]), params=params, max_decode_length=length
      )
      keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(
          jax.random.wrap_key_data(state.cache["key"]), state.cache["position"]
      )
      token = truncation.draw(logits, keys)
      log_probability = jnp.take_along_axis(logits, token[:, None], axis=1)[:, 0]
      log_probability -= jax.nn.logsumexp(logits, axis=-1)
      running = ~state.cache["ended"]
      return jnp.where(jax.nn.one_hot(token, logits.shape[-1], dtype=jnp.bool_), 0.0, decoding.NEG_INF), {
          "network": core.unfreeze(network_cache),
          "key": state.cache["key"],
          "position": state.cache["position"] + 1,
          "ended": state.cache["ended"] | (token == eos_id) | (state.cache["position"] + 1 >= max_steps),
          "log_probability": state.cache["log_probability"] + jnp.where(running, log_probability, 0.0),
      }

    sequences, scores = decoding.temperature_sample(
        inputs=expand(inputs),
        cache=cache,
        tokens_to_logits=draw,
        eos_id=eos_id,
        temperature=0.0,
        topk=0,
        initial_index=expand(prompt_lengths),
        max_decode_steps=max_steps,
        rescale_log_probs=False,
        state_callback_fn=lambda state: state.replace(log_prob=state.cache["log_probability"]),
    )
    completions = models.remove_prefix(sequences[:, 0], expand(prompt_lengths))
    return completions.reshape(tasks, num_samples, -1), {"scores": scores.reshape(tasks, num_samples)}

  def _compute_metrics(self, *, mask: jax.Array, **arguments: Any):
    """T5X's metrics, with weights of 0 or 1: it counts tokens by loss weight, and the engine scales those."""
    return super()._compute_metrics(mask=mask > 0, **arguments)


def axes_of(boxed: Any) -> Any:
  """Axis names of boxed parameters in T5X's form: leaves such as `kernel_axes`, of type `AxisMetadata`."""
  flat = traverse_util.flatten_dict(boxed)
  return traverse_util.unflatten_dict(
      {
          (*path[:-1], f"{path[-1]}_axes"): flax_partitioning.AxisMetadata(names=tuple(box.names))
          for path, box in flat.items()
      }
  )
