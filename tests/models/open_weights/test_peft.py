"""Adapters go to `peft` and come back (see make_references.py for what `peft` computes with one)."""

import argparse
import json
import pathlib

from etils import epath
from flax import traverse_util
import imported_models
import jax
import numpy as np
import pytest
import random_models
import test_parity

from next_jax import errors
from next_jax.commands import export_model
from next_jax.engines import checkpoints
from next_jax.engines import lora
from next_jax.engines import streaming
from next_jax.models.open_weights import importing
from next_jax.models.open_weights import peft


@pytest.fixture
def model(directory):
  return imported_models.make("qwen2", directory)


@pytest.fixture
def adapter(tmp_path):
  return random_models.write_adapter(tmp_path / "adapter")


def imported(adapter, model, tmp_path):
  form, arrays = peft.read_adapter(adapter, model.network)
  named = lora.Adapter.on(lora.Lora(**form), model.directory / importing.CHECKPOINT)
  return checkpoints.save(tmp_path / "own", 0, traverse_util.unflatten_dict(arrays), None, {}, named)


def test_an_adapter_of_peft_computes_here_what_it_computes_there(adapter, model, tmp_path):
  checkpoint = imported(adapter, model, tmp_path)
  read = streaming.reader(checkpoint)
  params = traverse_util.unflatten_dict({
      path: read(path) for path in traverse_util.flatten_dict(model.params())
  })
  logits = test_parity.logits_of(model.network, jax.tree.map(np.asarray, params), model.tokens)
  np.testing.assert_allclose(
      logits[:, imported_models.COLUMNS], imported_models.REFERENCES["peft/logits"], atol=test_parity.TOLERANCE
  )
  assert np.abs(imported_models.REFERENCES["peft/logits"] - model.logits).max() > 0.1


def test_an_adapter_comes_back_as_it_went(adapter, model, tmp_path):
  checkpoint = imported(adapter, model, tmp_path)
  found = lora.Adapter.of(checkpoint)
  out = peft.export_adapter(
      model.network, streaming.ParameterReader(checkpoint).read, tmp_path / "out", rank=found.lora.rank,
      alpha=found.lora.alpha, targets=found.lora.targets, base="base", card="",
  )
  assert (out / peft.WEIGHTS).read_bytes() == (adapter / peft.WEIGHTS).read_bytes()
  written, expected = (json.loads((epath.Path(one) / peft.CONFIG).read_text()) for one in (out, adapter))
  for key in ("r", "lora_alpha", "peft_type"):
    assert written[key] == expected[key]
  assert set(written["target_modules"]) == set(expected["target_modules"])


def test_the_command_merges_an_adapter_into_its_base_or_writes_it_alone(adapter, model, tmp_path, capsys):
  checkpoint = imported(adapter, model, tmp_path)
  for options, file in (([], "model.safetensors"), (["--adapter"], peft.WEIGHTS)):
    out = tmp_path / f"out{len(options)}"
    parser = argparse.ArgumentParser()
    export_model.add_arguments(parser)
    assert export_model.main(parser.parse_args(
        [str(checkpoint), f"--out={out}", f"--model={model.directory}", *options]
    )) == 0
    assert (out / file).exists() and str(model.source) in (out / "README.md").read_text()
    assert "load it with" in capsys.readouterr().out


@pytest.mark.parametrize("settings, message", [
    ({"peft_type": "IA3"}, "peft_type: found 'IA3', expected 'LORA'"),
    ({"use_dora": True}, "use_dora: found True"),
    ({"target_modules": ["q_proj", "c_attn"]}, "target_modules: found .*c_attn"),
    ({"target_modules": "all-linear"}, "target_modules: found 'all-linear'"),
    ({"target_modules": ["q_proj"]}, "not expected; the adapter is of another model"),
    ({"r": 2}, r"lora_A.weight: found shape \[3, 32\], expected shape \[2, 32\]"),
])
def test_what_an_adapter_is_refused_for(adapter, model, settings, message):
  path = pathlib.Path(adapter) / peft.CONFIG
  path.write_text(json.dumps(json.loads(path.read_text()) | settings))
  with pytest.raises(errors.ModelError, match=message):
    peft.read_adapter(adapter, model.network)


def test_missing_and_damaged_weights(adapter, model):
  path = pathlib.Path(adapter) / peft.WEIGHTS
  path.write_bytes(path.read_bytes()[:50])
  with pytest.raises(errors.ModelError, match="adapter_model.safetensors: cannot be read"):
    peft.read_adapter(adapter, model.network)
  path.unlink()
  with pytest.raises(errors.ModelError, match="adapter_model.safetensors: no such file"):
    peft.read_adapter(adapter, model.network)
