"""An imported network computes what `transformers` computes, however it is called (see make_references.py)."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import imported_models
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import random_models

from next_jax.engines import engine
from next_jax.engines import sharding
from next_jax.engines.native import sampler
from next_jax.models import attention
from next_jax.models import transformer

TOLERANCE = 1e-4
SAMPLING = engine.Sampling(temperature=0.0, max_completion_length=random_models.NEW_TOKENS)


def logits_of(network, params, tokens, **options):
  apply = jax.jit(
      lambda params, tokens, options: transformer.Transformer(network).apply(
          {"params": params}, tokens, enable_dropout=False, **options
      )
  )
  return apply(params, tokens, options)[0]


def close(logits, model):
  np.testing.assert_allclose(np.asarray(logits)[:, imported_models.COLUMNS], model.logits, atol=TOLERANCE)


def greedy(network, params, prompt, layout=None):
  found = sampler.Sampler(network, layout or sharding.Layout.over_all_devices(), segment=4).complete(
      params, prompts=[np.asarray(prompt, np.int32)] * 2, task_ids=["a", "b"], chunk_tasks=2, num_samples=2,
      sampling=SAMPLING, seed=0, eos_id=random_models.START + 1,
  )
  return found.tokens.tolist()


def test_logits_are_those_of_transformers(model):
  close(logits_of(model.network, model.params(), model.tokens), model)


def test_without_a_start_token_a_sequence_begins_with_its_own_first_token(model):
  network = dataclasses.replace(model.network, start_id=None)
  tokens = np.concatenate([[[0, random_models.START]], model.tokens[:, 1:]], axis=1).astype(np.int32)
  close(logits_of(network, model.params(), tokens)[1:], model)


def test_packed_rows_have_the_logits_of_each_sequence(model):
  length = model.tokens.shape[1]
  packed = np.concatenate([model.tokens[:, :7], model.tokens, np.zeros((1, 3), np.int32)], axis=1)
  segments = np.array([[1] * 7 + [2] * length + [0] * 3])
  positions = np.array([[*range(7), *range(length), 0, 0, 0]])
  logits = logits_of(
      model.network, model.params(), packed, decoder_segment_ids=segments, decoder_positions=positions
  )
  close(logits[7 : 7 + length], model)


def test_completions_of_a_shared_prompt_have_their_own_logits(model):
  prompt, rest = model.tokens[:, :14], model.tokens[:, 14:]
  row = np.concatenate([prompt, rest, rest], axis=1)
  length, end = 14, model.tokens.shape[1]
  logits = logits_of(
      model.network, model.params(), row, decoder_positions=np.array([[*range(end), *range(length, end)]]),
      decoder_completion_ids=np.array([[0] * length + [1] * (end - length) + [2] * (end - length)]),
  )
  close(np.concatenate([logits[:length], logits[end:]]), model)


def test_scanned_layers_give_the_same(model):
  network = dataclasses.replace(model.network, scan_layers=True, rematerialize=True)
  close(logits_of(network, model.params(network), model.tokens), model)


def empty(path, leaf):
  """A cache for the tokens of four rows that share a prompt, from the prompt's."""
  name = path[-1].key
  if name == "cache_index":
    return jnp.zeros((), jnp.int32)
  sizes = {"batch": 4, "length": 1 + random_models.PROMPT_LENGTH}
  return jnp.zeros([sizes.get(axis, old) for axis, old in zip(attention.CACHED_AXES[name], leaf.shape)], leaf.dtype)


@pytest.mark.parametrize("prefilled", [9])
def test_prefill_and_decoding_steps_give_the_same(model, prefilled):
  network, params = transformer.Transformer(model.network), model.params()
  tokens, end = model.tokens, model.tokens.shape[1]
  padded = np.pad(tokens[:, :prefilled], ((0, 0), (0, 3)))
  fill = jax.jit(lambda params, tokens, lengths: network.apply(
      {"params": params}, tokens, enable_dropout=False, prefill=True, prefill_lengths=lengths, mutable=["cache"]
  ))
  prefix = fill(params, padded, jnp.array([prefilled]))[1]["cache"]
  cache = jax.tree_util.tree_map_with_path(empty, prefix)
  step = jax.jit(lambda cache, token: network.apply(
      {"params": params, "cache": cache, "prefix": prefix}, token, enable_dropout=False, decode=True, mutable=["cache"]
  ))
  logits = []
  for position in range(prefilled, end):
    one, variables = step(cache, np.repeat(tokens[:, position : position + 1], 4, axis=0))
    cache = variables["cache"]
    logits.append(one[3, 0])
  np.testing.assert_allclose(
      np.stack(logits)[:, imported_models.COLUMNS], model.logits[prefilled:], atol=TOLERANCE
  )


def test_greedy_samples_are_those_of_transformers(model):
  assert greedy(model.network, model.params(), model.tokens[0, 1:]) == [model.greedy] * 4


def test_greedy_samples_without_a_start_token_begin_with_the_first_token(model):
  network = dataclasses.replace(model.network, start_id=None)
  prompt = [random_models.START, *model.tokens[0, 1:]]
  assert greedy(network, model.params(), prompt) == [model.greedy] * 4


@pytest.mark.slow
def test_two_devices_give_the_same(directory):
  made = {family: str(imported_models.make(family, directory).directory) for family in random_models.CONFIGS}
  environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
  script = pathlib.Path(__file__).parent / "two_devices.py"
  done = subprocess.run(
      [sys.executable, script, directory], env=environment, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr[-2000:]
  assert json.loads(done.stdout.splitlines()[-1]) == {
      family: [imported_models.REFERENCES[f"{family}/greedy"].tolist()] * 4 for family in made
  }
