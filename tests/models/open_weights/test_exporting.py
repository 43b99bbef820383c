"""Models come out as they came in, or as a family that computes the same."""

import dataclasses
import json

import imported_models
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy
import test_parity

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import streaming
from next_jax.models import transformer
from next_jax.models.open_weights import exporting
from next_jax.models.open_weights import importing

OWN = transformer.TransformerConfig(
    vocab_size=320, embed_dim=16, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, mlp_dim=32
)


def tensors_of(directory):
  found = {}
  for path in sorted(directory.glob("*.safetensors")):
    found |= safetensors_numpy.load_file(str(path))
  return found


def export(network, checkpoint, out, **options):
  return exporting.export_model(network, streaming.ParameterReader(checkpoint).read, out, card="# A model", **options)


def test_what_was_imported_is_exported_bit_for_bit(model, tmp_path):
  out = export(
      model.network, model.directory / importing.CHECKPOINT, tmp_path / "out", imported=model.directory
  )
  expected, found = tensors_of(model.source), tensors_of(out)
  assert found.keys() == expected.keys()
  for name, tensor in expected.items():
    assert found[name].tobytes() == tensor.tobytes() and found[name].shape == tensor.shape
  assert json.loads((out / "config.json").read_text()) | {"torch_dtype": None} == (
      json.loads((model.source / "config.json").read_text()) | {"torch_dtype": None}
  )
  assert (out / "tokenizer.json").read_text() == (model.source / "tokenizer.json").read_text()
  assert (out / "README.md").read_text() == "# A model"


def test_bfloat16_comes_and_goes_as_it_is(directory, tmp_path):
  model = imported_models.make("qwen2", directory)
  source = tmp_path / "source"
  source.mkdir()
  for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
    (source / name).write_text((model.source / name).read_text())
  half = {name: tensor.astype(jnp.bfloat16) for name, tensor in tensors_of(model.source).items()}
  safetensors_numpy.save_file(half, source / "model.safetensors")
  imported = importing.import_model(str(source), tmp_path / "imported", save=streaming.save)
  out = export(
      imported.network, imported.directory / importing.CHECKPOINT, tmp_path / "out", imported=imported.directory
  )
  found = tensors_of(out)
  for name, tensor in half.items():
    assert found[name].astype(np.float32).tobytes() == tensor.astype(np.float32).tobytes()
    assert found[name].dtype == (jnp.bfloat16 if tensor.ndim > 1 else np.float32)


@pytest.mark.parametrize("settings", [
    {}, {"tie_embeddings": True}, {"qkv_bias": True}, {"qk_norm": True}, {"scan_layers": True},
    {"sliding_window": 5}, {"start_id": None},
])
def test_a_network_of_ours_is_exported_as_a_family_that_computes_the_same(settings, tmp_path):
  network = dataclasses.replace(OWN, **settings)
  params = parameters.random(transformer.Transformer(network), sharding.Layout.over_all_devices(), seed=1)
  params = jax.tree.map(lambda leaf: leaf + 0.01, params)
  checkpoint = checkpoints.save(tmp_path, 3, params, None, {})
  out = export(network, checkpoint, tmp_path / "out")
  read = tensors_of(out)
  source = tmp_path / "with_tokenizer"
  source.mkdir()
  config = json.loads((out / "config.json").read_text())
  (source / "config.json").write_text(json.dumps(config))
  safetensors_numpy.save_file(read, source / "model.safetensors")
  (source / "tokenizer.json").write_text(imported_models.random_models.tokenizer())
  (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))
  again = importing.import_model(str(source), tmp_path / "again", save=streaming.save)
  back = dataclasses.replace(again.network, start_id=network.start_id)
  layout = sharding.Layout.over_all_devices()
  restored = checkpoints.restore(
      again.directory / importing.CHECKPOINT, parameters.abstract(transformer.Transformer(back), layout)
  )[1]
  tokens = np.array([[0, *range(5, 25)]], np.int32)
  np.testing.assert_allclose(
      test_parity.logits_of(back, restored, tokens), test_parity.logits_of(network, params, tokens), atol=1e-5
  )


def test_a_network_that_no_family_has_says_what_stands_against_it(tmp_path):
  network = dataclasses.replace(OWN, qkv_bias=True, qk_norm=True)
  with pytest.raises(errors.ModelError, match="a Llama has no qkv_bias=True, qk_norm=True"):
    exporting.export_model(network, lambda path: np.zeros(1), tmp_path / "out", card="")
  assert not list(tmp_path.iterdir())


def test_a_directory_that_exists_is_left_alone(tmp_path):
  (tmp_path / "out").mkdir()
  with pytest.raises(errors.UserError, match="exists; give another directory"):
    exporting.export_model(OWN, lambda path: np.zeros(1), tmp_path / "out", card="")


def test_nothing_half_written_stays(tmp_path):
  def read(path):
    raise errors.EngineError("unreadable")

  with pytest.raises(errors.EngineError):
    exporting.export_model(OWN, read, tmp_path / "out", card="")
  assert not list(tmp_path.iterdir())
