"""Optimisers that need to know the network; gin binds all others directly from Optax."""

from collections.abc import Callable

import jax
import optax

_EMBEDDING_LIKE = ("token_embedder", "logits")


def muon(
    learning_rate: optax.ScalarOrSchedule,
    *,
    adam_learning_rate_ratio: float = 0.5,
    adam_b1: float = 0.9,
    adam_b2: float = 0.95,
    weight_decay: float = 0.0,
    max_gradient_norm: float | None = 1.0,
    ns_steps: int = 5,
) -> optax.GradientTransformation:
  """Muon for the matrices inside layers; Adam for embeddings, output layer and norms.

  Muon (https://kellerjordan.github.io/posts/muon) makes every update an orthogonal matrix, which does not suit
  embeddings. Projections to and from heads count as matrices `[embed, heads * kv]`.

  Args:
    learning_rate: Muon's learning rate. The recipe in docs/method.md peaks at 0.02 from scratch, 0.01 when tuning.
    adam_learning_rate_ratio: Adam's learning rate divided by Muon's.
    adam_b1: Adam's decay rate of the first moment.
    adam_b2: Adam's decay rate of the second moment.
    weight_decay: Weight decay of Muon's matrices.
    max_gradient_norm: Global norm that gradients are clipped to; None does not clip.
    ns_steps: Number of Newton-Schulz iterations.
  """
  ratio = adam_learning_rate_ratio
  adam_learning_rate = (
      (lambda step: ratio * learning_rate(step)) if callable(learning_rate) else ratio * learning_rate
  )
  optimizer = optax.contrib.muon(
      learning_rate,
      ns_steps=ns_steps,
      weight_decay=weight_decay,
      adam_b1=adam_b1,
      adam_b2=adam_b2,
      adam_learning_rate=adam_learning_rate,
      muon_weight_dimension_numbers=matrix_dimensions,
  )
  if max_gradient_norm is None:
    return optimizer
  return optax.chain(optax.clip_by_global_norm(max_gradient_norm), optimizer)


def matrix_dimensions(params: optax.Params) -> optax.Params:
  """`MuonDimensionNumbers` for each parameter that is a matrix, None for the others.

  The first axis of scanned layers numbers them; each layer is a matrix of its own.
  """

  def dimensions(path: tuple[jax.tree_util.DictKey, ...], leaf: jax.Array):
    names = [str(getattr(key, "key", key)) for key in path]
    first = 1 if "layers" in names else 0
    if leaf is None or leaf.ndim < first + 2 or any(name in _EMBEDDING_LIKE for name in names):
      return None
    # The output projection `[heads, kv, embed]` sums over heads and kv, all others over embed.
    sums = leaf.ndim - 1 if "out" in names else first + 1
    return optax.contrib.MuonDimensionNumbers(tuple(range(first, sums)), tuple(range(sums, leaf.ndim)))

  return jax.tree_util.tree_map_with_path(dimensions, params)


def schedule(
    *, peak: float, num_steps: int, warmup_fraction: float, decay_fraction: float
) -> Callable[[int], float]:
  """Learning rate by step: linear warm-up, constant, linear decay to 0 (the "trapezoid" of arXiv 2405.18392)."""
  warmup = max(1.0, warmup_fraction * num_steps)
  decay = max(1.0, decay_fraction * num_steps)

  def learning_rate(step: int) -> float:
    return peak * max(0.0, min(1.0, (step + 1) / warmup, (num_steps - step) / decay))

  return learning_rate
