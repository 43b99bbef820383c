"""The network computes the same function however it is called."""

import dataclasses
import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from next_jax import errors
from next_jax.models import transformer

CONFIG = transformer.TransformerConfig(
    vocab_size=40, embed_dim=16, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, mlp_dim=32
)


@pytest.fixture(scope="module")
def model():
  return transformer.Transformer(CONFIG)


@pytest.fixture(scope="module")
def params(model):
  variables = model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32), enable_dropout=False)
  return nn.unbox(variables["params"])


def random_tokens(*shape, seed=0):
  return jnp.asarray(np.random.default_rng(seed).integers(1, CONFIG.vocab_size, shape), jnp.int32)


@functools.cache
def jitted(model):
  static = ("enable_dropout", "decode", "max_decode_length", "prefill", "mutable")
  return jax.jit(lambda variables, tokens, **kwargs: model.apply(variables, tokens, **kwargs), static_argnames=static)


def full(model, params, tokens, **kwargs):
  return np.asarray(jitted(model)({"params": params}, tokens, enable_dropout=False, **kwargs))


def empty_cache(model, params, rows, length):
  """Made as T5X makes it, by a full-length call."""
  ones = jnp.ones((rows, length), jnp.int32)
  _, variables = jitted(model)({"params": params}, ones, enable_dropout=False, decode=True, mutable=("cache",))
  return variables["cache"]


def decode_steps(model, params, cache, tokens, **collections):
  """Logits `[batch, steps, vocab]` of feeding `tokens` `[batch, steps]` one by one."""
  logits = []
  for position in range(tokens.shape[1]):
    step, variables = jitted(model)(
        {"params": params, "cache": cache, **collections},
        tokens[:, position : position + 1],
        enable_dropout=False,
        decode=True,
        mutable=("cache",),
    )
    cache = variables["cache"]
    logits.append(step[:, 0])
  return np.stack(logits, axis=1)


def prefill(model, params, tokens, lengths, **kwargs):
  _, variables = jitted(model)(
      {"params": params}, tokens, enable_dropout=False, prefill=True, prefill_lengths=jnp.asarray(lengths),
      mutable=("cache",), **kwargs,
  )
  return variables["cache"]


def test_parameters_are_float32_and_carry_axis_names(model):
  boxed = model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32), enable_dropout=False)["params"]
  assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(boxed))
  specs = nn.get_partition_spec(boxed)
  attention = specs["layers_0"]["attention"]
  assert tuple(attention["query"]["kernel"]) == ("embed", "heads", "kv")
  assert tuple(attention["key"]["kernel"]) == ("embed", "kv_heads", "kv")
  assert tuple(attention["out"]["kernel"]) == ("heads", "kv", "embed")
  assert tuple(specs["layers_1"]["mlp"]["down"]["kernel"]) == ("mlp", "embed")
  assert tuple(specs["token_embedder"]["embedding"]) == ("vocab", "embed")
  assert tuple(specs["logits"]["kernel"]) == ("embed", "vocab")


def test_a_token_does_not_see_those_after_it(model, params):
  tokens = random_tokens(2, 12)
  changed = tokens.at[:, 7].set((tokens[:, 7] + 1) % CONFIG.vocab_size)
  before, after = full(model, params, tokens), full(model, params, changed)
  np.testing.assert_allclose(before[:, :7], after[:, :7], atol=1e-6)
  assert np.abs(before[:, 7:] - after[:, 7:]).max() > 1e-3


def test_packed_examples_do_not_see_one_another(model, params):
  first, second = random_tokens(1, 5, seed=1), random_tokens(1, 6, seed=2)
  packed = jnp.concatenate([first, second, jnp.zeros((1, 3), jnp.int32)], axis=1)
  segments = jnp.array([[1] * 5 + [2] * 6 + [0] * 3])
  positions = jnp.array([[*range(5), *range(6), 0, 0, 0]])
  logits = full(model, params, packed, decoder_segment_ids=segments, decoder_positions=positions)
  np.testing.assert_allclose(logits[:, :5], full(model, params, first), atol=1e-5)
  np.testing.assert_allclose(logits[:, 5:11], full(model, params, second), atol=1e-5)
  assert np.isfinite(logits).all()


def test_a_prompt_given_as_causal_attention_is_seen_in_both_directions(model, params):
  tokens = random_tokens(1, 8)
  changed = tokens.at[0, 3].set((tokens[0, 3] + 1) % CONFIG.vocab_size)
  mask = jnp.array([[1, 1, 1, 1, 0, 0, 0, 0]])
  before = full(model, params, tokens, decoder_causal_attention=mask)
  after = full(model, params, changed, decoder_causal_attention=mask)
  assert np.abs(before[0, 0] - after[0, 0]).max() > 1e-4  # Position 0 sees position 3.
  late = tokens.at[0, 6].set((tokens[0, 6] + 1) % CONFIG.vocab_size)
  np.testing.assert_allclose(
      before[:, :6], full(model, params, late, decoder_causal_attention=mask)[:, :6], atol=1e-6
  )


@pytest.mark.parametrize("block", [2, 4, 8, 5])
def test_attention_in_blocks_changes_nothing(params, block):
  tokens = random_tokens(2, 8)
  whole = full(transformer.Transformer(CONFIG), params, tokens)
  blocks = transformer.Transformer(dataclasses.replace(CONFIG, attention_block=block))
  np.testing.assert_allclose(full(blocks, params, tokens), whole, atol=1e-5)


def test_decoding_from_an_empty_cache_gives_the_logits_of_a_full_pass(model, params):
  tokens = random_tokens(3, 9)
  cache = empty_cache(model, params, 3, 9)
  assert cache["layers_0"]["attention"]["cache_index"].shape == ()
  assert not np.asarray(cache["layers_1"]["attention"]["cached_key"]).any()
  np.testing.assert_allclose(
      decode_steps(model, params, cache, tokens), full(model, params, tokens), atol=1e-5
  )


def test_decoding_after_a_prefill_of_padded_prompts_gives_the_logits_of_a_full_pass(model, params):
  lengths = [3, 6, 1]
  tokens = random_tokens(3, 10)
  prompts = jnp.where(jnp.arange(10) < jnp.array(lengths)[:, None], tokens, 0)
  _, variables = jitted(model)(
      {"params": params, "cache": empty_cache(model, params, 3, 10)}, prompts, enable_dropout=False, prefill=True,
      prefill_lengths=jnp.array(lengths), mutable=("cache",),
  )
  assert variables["cache"]["layers_0"]["attention"]["cache_index"].tolist() == lengths
  following = jnp.stack([tokens[row, length : length + 4] for row, length in enumerate(lengths)])
  decoded = decode_steps(model, params, variables["cache"], following)
  expected = full(model, params, tokens)
  for row, length in enumerate(lengths):
    np.testing.assert_allclose(decoded[row], expected[row, length : length + 4], atol=1e-5)


def test_every_cache_leaf_can_be_expanded_over_decodes_on_its_first_axis(model, params):
  lengths = jnp.array([3, 5])
  tokens = random_tokens(2, 8)
  _, variables = jitted(model)(
      {"params": params}, tokens[:, :6], enable_dropout=False, prefill=True, prefill_lengths=lengths,
      max_decode_length=8, mutable=("cache",),
  )
  expanded = jax.tree.map(lambda leaf: jnp.repeat(leaf, 3, axis=0), variables["cache"])
  following = jnp.stack([tokens[row, int(length) :][:2] for row, length in enumerate(lengths)])
  decoded = decode_steps(model, params, expanded, jnp.repeat(following, 3, axis=0))
  expected = full(model, params, tokens)
  for row in range(6):
    length = int(lengths[row // 3])
    np.testing.assert_allclose(decoded[row], expected[row // 3, length : length + 2], atol=1e-5)


def test_rows_that_share_a_prefix_decode_as_if_each_had_its_own(model, params):
  lengths = [2, 5]
  prompts = random_tokens(2, 6, seed=3)
  prefix = prefill(model, params, prompts, lengths)
  following = random_tokens(6, 4, seed=4)  # Three rows for each prompt.
  decoded = decode_steps(model, params, empty_cache(model, params, 6, 4), following, prefix=prefix)
  for row in range(6):
    length = lengths[row // 3]
    alone = jnp.concatenate([prompts[row // 3, :length], following[row]])[None]
    np.testing.assert_allclose(decoded[row], full(model, params, alone)[0, length:], atol=1e-5)


def test_bfloat16_computes_close_to_float32(params):
  tokens = random_tokens(2, 8)
  half = transformer.Transformer(dataclasses.replace(CONFIG, dtype="bfloat16"))
  logits = half.apply({"params": params}, tokens, enable_dropout=False)
  assert logits.dtype == jnp.float32
  np.testing.assert_allclose(logits, full(transformer.Transformer(CONFIG), params, tokens), atol=0.15)


def test_rematerialisation_keeps_less_for_the_same_gradient(params):
  config = dataclasses.replace(CONFIG, dropout_rate=0.5)
  tokens = random_tokens(2, 16)

  def gradient_and_kept(rematerialize):
    model = transformer.Transformer(dataclasses.replace(config, rematerialize=rematerialize))

    def loss(params):
      logits = model.apply({"params": params}, tokens, enable_dropout=True, rngs={"dropout": jax.random.key(1)})
      return jnp.mean(jnp.square(logits))

    _, pullback = jax.vjp(loss, params)
    return pullback(1.0)[0], sum(leaf.nbytes for leaf in jax.tree.leaves(pullback))

  expected, all_kept = gradient_and_kept(False)
  found, kept = gradient_and_kept(True)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), found, expected)
  assert kept < 0.5 * all_kept


def test_a_rematerialising_network_has_the_same_parameters_and_decodes(params):
  model = transformer.Transformer(dataclasses.replace(CONFIG, rematerialize=True))
  variables = model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32), enable_dropout=False)
  jax.tree.map(np.testing.assert_array_equal, nn.unbox(variables["params"]), params)
  tokens = random_tokens(2, 5)
  decoded = decode_steps(model, params, empty_cache(model, params, 2, 5), tokens)
  np.testing.assert_allclose(decoded, full(model, params, tokens), atol=1e-4)


def scanned(params, **settings):
  """A scanned network, and these parameters as it has them."""
  layers = [params[f"layers_{number}"] for number in range(CONFIG.num_layers)]
  others = {name: value for name, value in params.items() if not name.startswith("layers_")}
  stacked = {**others, "layers": jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)}
  return transformer.Transformer(dataclasses.replace(CONFIG, scan_layers=True, **settings)), stacked


def test_scanned_layers_have_an_axis_for_their_number(params):
  model, stacked = scanned(params)
  boxed = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32), enable_dropout=False))
  shapes = jax.tree.map(jnp.shape, nn.unbox(boxed["params"]))
  assert shapes == jax.tree.map(jnp.shape, stacked)
  layers = nn.get_partition_spec(boxed["params"])["layers"]
  assert tuple(layers["mlp"]["down"]["kernel"]) == ("layers", "mlp", "embed")
  assert tuple(layers["attention"]["out"]["kernel"]) == ("layers", "heads", "kv", "embed")


@pytest.mark.parametrize(("settings", "tolerance"), [({}, 1e-5), ({"rematerialize": True, "dtype": "bfloat16"}, 0.1)])
def test_scanned_layers_give_the_same_logits_and_gradients(params, model, settings, tolerance):
  scanning, stacked = scanned(params, **settings)
  tokens = random_tokens(2, 6)

  @functools.partial(jax.jit, static_argnums=0)
  def logits_and_gradient(model, params):
    def loss(params):
      logits = model.apply({"params": params}, tokens, enable_dropout=False)
      return jnp.mean(jnp.square(logits)), logits

    return jax.grad(loss, has_aux=True)(params)

  gradient, logits = logits_and_gradient(model, params)
  found_gradient, found_logits = logits_and_gradient(scanning, stacked)
  np.testing.assert_allclose(found_logits, logits, atol=tolerance)
  jax.tree.map(
      lambda found, expected: np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max()),
      found_gradient, scanned(gradient)[1],
  )


def test_scanned_layers_decode_after_a_prefill(params):
  model, stacked = scanned(params)
  tokens = random_tokens(2, 7)
  cache = prefill(model, stacked, tokens[:, :4], [4, 3], max_decode_length=7)
  rows = cache["layers"]["attention"]["cached_key"].shape[1]  # T5X expands caches of scanned layers on this axis.
  assert rows == 2
  short = jnp.concatenate([tokens[1:, :3], tokens[1:, 4:]], axis=1)  # the second row, without what was padding
  decoded = decode_steps(model, stacked, cache, tokens[:, 4:])
  np.testing.assert_allclose(decoded[0], full(model, stacked, tokens)[0, 4:], atol=1e-4)
  np.testing.assert_allclose(decoded[1], full(model, stacked, short)[0, 3:], atol=1e-4)


def test_tied_embeddings_have_no_output_layer():
  model = transformer.Transformer(dataclasses.replace(CONFIG, tie_embeddings=True))
  params = nn.unbox(model.init(jax.random.key(0), jnp.zeros((1, 2), jnp.int32), enable_dropout=False)["params"])
  assert "logits" not in params
  assert full(model, params, random_tokens(1, 4)).shape == (1, 4, CONFIG.vocab_size)


def test_dropout_acts_only_when_enabled(params):
  model = transformer.Transformer(dataclasses.replace(CONFIG, dropout_rate=0.5))
  tokens = random_tokens(1, 6)
  still = full(model, params, tokens)
  np.testing.assert_array_equal(still, full(transformer.Transformer(CONFIG), params, tokens))
  noisy = model.apply({"params": params}, tokens, enable_dropout=True, rngs={"dropout": jax.random.key(1)})
  assert np.abs(np.asarray(noisy) - still).max() > 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"num_heads": 3, "num_kv_heads": 2}, "num_kv_heads: found 2"), ({"head_dim": 5}, "head_dim: found 5")],
)
def test_sizes_that_make_no_network_are_refused(settings, message):
  with pytest.raises(errors.ModelError, match=message):
    transformer.TransformerConfig(vocab_size=8, **settings)


def test_completions_that_share_a_prompt_have_the_logits_that_each_has_with_its_own(model, params):
  prompt, completions = random_tokens(7, seed=1), [random_tokens(length, seed=length) for length in (5, 3, 4)]
  shared, ids, positions = [prompt], [0] * 7, [*range(7)]
  for number, completion in enumerate(completions, 1):
    shared.append(completion)
    ids += [number] * len(completion)
    positions += range(7, 7 + len(completion))
  together = full(
      model, params, jnp.concatenate(shared)[None], decoder_completion_ids=jnp.array([ids]),
      decoder_positions=jnp.array([positions]), decoder_segment_ids=jnp.ones((1, len(ids)), jnp.int32),
  )[0]
  start = 7
  for completion in completions:
    alone = full(model, params, jnp.concatenate([prompt, completion])[None])[0]
    np.testing.assert_allclose(together[start : start + len(completion)], alone[7:], atol=1e-5)
    np.testing.assert_allclose(together[:7], alone[:7], atol=1e-5)
    start += len(completion)
