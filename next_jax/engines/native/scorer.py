"""Scores examples: the log-probabilities of their targets."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from next_jax.engines import examples as examples_lib
from next_jax.engines import packing
from next_jax.engines import sharding
from next_jax.models import transformer

_TOKENS_OF_A_BATCH = 4096
_LENGTH_STEP = 64


class Scorer:
  """Scores examples with one network; keeps the compiled program between calls."""

  def __init__(
      self, network: transformer.TransformerConfig, layout: sharding.Layout, *, bidirectional_prompts: bool = False
  ):
    self._model = transformer.Transformer(network)
    self._layout = layout
    self._bidirectional_prompts = bidirectional_prompts
    self._log_probabilities = jax.jit(self._log_probabilities_function)

  def score(self, params: Any, examples: examples_lib.TokenExamples) -> Iterator[float]:
    """Yields the natural log-probability of each example's targets given its inputs, in order."""
    if not len(examples):
      return
    row_length = -(-int(examples.lengths.max()) // _LENGTH_STEP) * _LENGTH_STEP
    num_rows = max(1, _TOKENS_OF_A_BATCH // row_length)
    # Packed in order: a row ends when the next example does not fit.
    rows: list[list[int]] = []
    free = 0
    for example, length in enumerate(examples.lengths):
      if length > free:
        if len(rows) == num_rows:
          yield from self._score_rows(params, examples, rows, num_rows, row_length)
          rows = []
        rows.append([])
        free = row_length
      rows[-1].append(example)
      free -= int(length)
    yield from self._score_rows(params, examples, rows, num_rows, row_length)

  def _score_rows(
      self, params: Any, examples: examples_lib.TokenExamples, rows: Sequence[Sequence[int]], num_rows: int,
      row_length: int,
  ) -> Iterator[float]:
    batch = packing.make_batch(examples, rows, num_rows=num_rows, row_length=row_length)
    with self._layout.active():
      on_device = {name: self._layout.put_batch(value) for name, value in batch.items()}
      log_probabilities = self._layout.to_host(self._log_probabilities(params, on_device)).astype(np.float64)
    for number, row in enumerate(rows):
      for segment in range(1, len(row) + 1):
        yield float(log_probabilities[number, batch["decoder_segment_ids"][number] == segment].sum())

  def _log_probabilities_function(self, params, batch):
    """Log-probability of each target token, `[rows, length]`; 0 where there is no target."""
    logits = self._model.apply(
        {"params": params},
        batch["decoder_input_tokens"],
        batch["decoder_target_tokens"],
        batch["decoder_segment_ids"],
        batch["decoder_positions"],
        batch["decoder_causal_attention"] if self._bidirectional_prompts else None,
        enable_dropout=False,
    )
    chosen = jnp.take_along_axis(logits, batch["decoder_target_tokens"][..., None], axis=-1)[..., 0]
    return (chosen - jax.nn.logsumexp(logits, axis=-1)) * batch["decoder_loss_weights"]
