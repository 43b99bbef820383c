"""Adapters are trained, saved and merged; the base stays as it is."""

import dataclasses
import json
import shutil

import conftest
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import lora
from next_jax.engines import parameters
from next_jax.engines.native import native
from next_jax.models import transformer

RANK = 4
TUNING = dataclasses.replace(
    conftest.TUNING, lora=lora.Lora(rank=RANK, alpha=8.0), num_epochs=8, save_every=6, learning_rate=0.02
)


def make(**settings) -> native.NativeEngine:
  settings.setdefault("network", conftest.NETWORK)
  return native.NativeEngine(write_summaries=False, compilation_cache=None, **settings)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
  engine = make()
  params = parameters.random(transformer.Transformer(engine.network), engine.layout, 0)
  return checkpoints.save(tmp_path_factory.mktemp("base"), 0, params, None, {})


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory):
  task = conftest.register("engine_pairs", conftest.PAIRS)
  return make().finetune(task=task, checkpoint=base, directory=tmp_path_factory.mktemp("tuned"), tuning=TUNING, seed=0)


def adapters(checkpoint, network=conftest.NETWORK):
  engine = make(network=network)
  template = TUNING.lora.abstract(transformer.Transformer(network), engine.layout)
  return checkpoints.restore(checkpoint, template)[1]


def scores(engine, checkpoint):
  return [score.log_probability for score in engine.score(task="engine_pairs", split="dev", checkpoint=checkpoint)]


def test_a_checkpoint_holds_the_adapter_alone_and_names_its_base(base, tuned):
  checkpoint, metrics = tuned
  found = jax.tree.leaves(adapters(checkpoint))
  assert sum(leaf.size for leaf in found) < 0.5 * sum(
      leaf.size for leaf in jax.tree.leaves(make()._restore_to_sample(base))
  )
  assert metrics["steps"] > 6 and np.isfinite(metrics["loss"])
  named = json.loads((checkpoint / "adapter.json").read_text())
  assert named["base"] == str(base) and named["rank"] == RANK and len(named["base_digest"]) == 16


def test_training_raises_the_probability_of_the_targets_and_leaves_the_base(base, tuned):
  before, after = scores(make(), base), scores(make(), tuned[0])
  assert sum(after) > sum(before) + 5
  assert scores(make(), base) == before


def test_merged_and_added_adapters_give_the_same_logits(base, tuned):
  model = transformer.Transformer(conftest.NETWORK)
  tokens = jnp.arange(24).reshape(2, 12) % 50
  added = model.apply(
      {"params": make()._restore_to_sample(base), "lora": TUNING.lora.scaled(adapters(tuned[0]))}, tokens,
      enable_dropout=False,
  )
  merged = model.apply({"params": make()._restore_to_sample(tuned[0])}, tokens, enable_dropout=False)
  np.testing.assert_allclose(added, merged, atol=2e-5)


def test_new_adapters_change_nothing(base):
  engine = make()
  model = transformer.Transformer(engine.network)
  fresh = TUNING.lora.random(model, engine.layout, 0)
  params = engine._restore_to_sample(base)
  tokens = jnp.arange(10)[None]
  plain = model.apply({"params": params}, tokens, enable_dropout=False)
  np.testing.assert_array_equal(
      model.apply({"params": params, "lora": TUNING.lora.scaled(fresh)}, tokens, enable_dropout=False), plain
  )
  assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(fresh))


@pytest.mark.parametrize("settings", [
    {"tuning": {"accumulation": 2}}, {"network": {"scan_layers": True, "rematerialize": True}},
    {"tuning": {"share_prompts": True}},
])
def test_other_ways_to_train_give_the_same_adapters(settings, base, same_prompts, tmp_path):
  def train(name, network=conftest.NETWORK, **tuning):
    return make(network=network).finetune(
        task=same_prompts, checkpoint=base, directory=tmp_path / name, seed=0,
        tuning=dataclasses.replace(TUNING, optimizer=optax.sgd, **tuning),
    )[0]

  network = dataclasses.replace(conftest.NETWORK, **settings.get("network", {}))
  if settings.get("tuning", {}).get("share_prompts"):  # other rows: an epoch has other steps, so only that it learns
    other = train("other", **settings["tuning"])
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(adapters(other)))
    return
  plain, other = train("plain"), train("other", network=network, **settings.get("tuning", {}))
  first = scores_of(plain, conftest.NETWORK, same_prompts)
  np.testing.assert_allclose(scores_of(other, network, same_prompts), first, atol=1e-3)


def scores_of(checkpoint, network, task):
  engine = make(network=network)
  return [score.log_probability for score in engine.score(task=task, split="dev", checkpoint=checkpoint)]


def test_a_killed_training_goes_on_to_the_same_adapters(base, tuned, tmp_path):
  part = dataclasses.replace(TUNING, keep_checkpoints=10)
  engine = make(keep_optimizer_state=True)
  whole = engine.finetune(task="engine_pairs", checkpoint=base, directory=tmp_path, tuning=part, seed=0)[0]
  shutil.rmtree(whole)  # as if it had been killed after the checkpoint before
  again = engine.finetune(task="engine_pairs", checkpoint=base, directory=tmp_path, tuning=part, seed=0)[0]
  assert again == whole
  for found, expected in zip(jax.tree.leaves(adapters(again)), jax.tree.leaves(adapters(tuned[0])), strict=True):
    np.testing.assert_array_equal(found, expected)


def test_adapters_are_trained_further_on_the_same_base(base, tuned, tmp_path):
  further, _ = make().finetune(
      task="engine_pairs", checkpoint=tuned[0], directory=tmp_path, tuning=TUNING, seed=1
  )
  assert json.loads((further / "adapter.json").read_text())["base"] == str(base)
  assert sum(scores(make(), further)) > sum(scores(make(), tuned[0]))


def test_adapters_of_another_form_are_not_trained_further(tuned, tmp_path):
  other = dataclasses.replace(TUNING, lora=lora.Lora(rank=2))
  with pytest.raises(errors.EngineError, match="adapter.json: found .*rank=4.*set the same Lora"):
    make().finetune(task="engine_pairs", checkpoint=tuned[0], directory=tmp_path, tuning=other, seed=1)


def test_a_base_that_is_gone_or_changed_is_named(tuned, tmp_path):
  checkpoint = tmp_path / "checkpoint_9"
  shutil.copytree(tuned[0], checkpoint)
  named = json.loads((checkpoint / "adapter.json").read_text())
  (checkpoint / "adapter.json").write_text(json.dumps(named | {"base": str(tmp_path / "gone")}))
  with pytest.raises(errors.EngineError, match="gone, which does not exist"):
    scores(make(), checkpoint)
  (checkpoint / "adapter.json").write_text(json.dumps(named | {"base_digest": "0" * 16}))
  with pytest.raises(errors.EngineError, match="is not the base that the adapters were trained on"):
    scores(make(), checkpoint)


def test_only_chosen_projections_have_adapters_and_unknown_ones_are_refused():
  model = transformer.Transformer(conftest.NETWORK)
  layer = lora.Lora(targets=("query", "out")).boxed(model)["layers_0"]
  assert {name: sorted(part) for name, part in layer.items()} == {"attention": ["out", "query"]}
  assert layer["attention"]["out"]["a"].value.shape == (4, 8, 16)
  assert layer["attention"]["out"]["b"].names == (None, "embed")
  assert hash(lora.Lora(targets=["query"])) == hash(lora.Lora(targets=("query",)))  # a list in gin
  with pytest.raises(errors.EngineError, match="Lora.targets: found q_proj"):
    lora.Lora(targets=("q_proj",))
  with pytest.raises(errors.EngineError, match="Lora.rank: found 0"):
    lora.Lora(rank=0)


def test_adapters_need_a_base(tmp_path):
  conftest.register("engine_pairs", conftest.PAIRS)
  with pytest.raises(errors.EngineError, match="Tuning.lora: found adapters and no checkpoint"):
    make().finetune(task="engine_pairs", checkpoint=None, directory=tmp_path, tuning=TUNING, seed=0)
