"""What an import refuses, in one message that names file and key, and what it leaves: all or nothing."""

import json
import shutil

import gguf
import imported_models
import jax
import numpy as np
import pytest
import random_models
from safetensors import numpy as safetensors_numpy

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import streaming
from next_jax.models import transformer
from next_jax.models.open_weights import gguf_source
from next_jax.models.open_weights import importing

SHARD = "model-00002-of-00002.safetensors"


@pytest.fixture
def source(directory, tmp_path):
  """A copy of an importable model, to be damaged."""
  copy = tmp_path / "source"
  shutil.copytree(imported_models.make("qwen2", directory).source, copy)
  return copy


def run(source, tmp_path, **options):
  return importing.import_model(str(source), tmp_path / "out", save=streaming.save, **options)


def refused(source, tmp_path, message):
  before = sorted(tmp_path.iterdir())
  with pytest.raises(errors.UserError, match=message) as caught:
    run(source, tmp_path)
  assert "\n" not in str(caught.value)
  assert sorted(tmp_path.iterdir()) == before, "something half-written stayed"


def change(source, **settings):
  config = json.loads((source / "config.json").read_text()) | settings
  (source / "config.json").write_text(json.dumps(config))


def test_a_missing_shard(source, tmp_path):
  (source / SHARD).unlink()
  refused(source, tmp_path, f"{SHARD}: no such file, but model.safetensors.index.json names it")


def test_a_truncated_shard(source, tmp_path):
  (source / SHARD).write_bytes((source / SHARD).read_bytes()[:-100])
  refused(source, tmp_path, f"{SHARD}: cannot be read .*truncated")


@pytest.mark.parametrize("settings, message", [
    ({"architectures": ["GPT2LMHeadModel"]}, "architectures: found 'GPT2LMHeadModel', expected one of Llama"),
    ({"architectures": []}, "architectures: found \\[\\]"),
    ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_scaling: found 'yarn', expected linear, llama3"),
    ({"rope_scaling": {"rope_type": "llama3", "factor": 4.0}}, "rope_scaling: found no low_freq_factor, high"),
    ({"hidden_act": "relu"}, "hidden_act: found 'relu', expected silu or gelu_pytorch_tanh"),
    ({"use_sliding_window": True, "sliding_window": 8}, "use_sliding_window: found True"),
    ({"num_hidden_layers": 2}, "the weights do not fit config.json; model.layers.2.*: not expected"),
    ({"num_hidden_layers": 4}, "model.layers.3.*: missing"),
    ({"intermediate_size": 64}, r"mlp.gate_proj.weight: shape \[48, 32\], expected \[64, 32\]"),
    ({"vocab_size": 300}, r"embed_tokens.weight: shape \[320, 32\], expected \[300, 32\]"),
])
def test_a_config_that_is_unknown_or_does_not_fit(source, tmp_path, settings, message):
  change(source, **settings)
  refused(source, tmp_path, message)


def test_a_missing_size(source, tmp_path):
  config = json.loads((source / "config.json").read_text())
  del config["hidden_size"]
  (source / "config.json").write_text(json.dumps(config))
  refused(source, tmp_path, "config.json: found no key 'hidden_size'")


def test_the_tokenizer_of_another_model(source, tmp_path):
  tokenizer = json.loads((source / "tokenizer.json").read_text())
  tokenizer["added_tokens"][-1]["id"] = 1000
  tokenizer["model"]["vocab"]["</s>"] = 1000
  (source / "tokenizer.json").write_text(json.dumps(tokenizer))
  refused(source, tmp_path, "tokenizer.json: has 1001 tokens, but config.json has vocab_size=320; .* another model")


def test_a_missing_and_a_damaged_tokenizer(source, tmp_path):
  (source / "tokenizer.json").write_text("{")
  refused(source, tmp_path, "tokenizer.json: not a tokenizer")
  (source / "tokenizer.json").unlink()
  refused(source, tmp_path, "found neither tokenizer.json nor tokenizer.model")


def test_pickles(source, tmp_path):
  for path in source.glob("*.safetensors*"):
    path.unlink()
  (source / "pytorch_model.bin").write_bytes(b"\x80\x04")
  refused(source, tmp_path, "only pytorch_model.bin; unpickling runs code")
  (source / "config.json").unlink()
  refused(source, tmp_path, "found pickled weights and no config.json; unpickling runs code")


def test_quantised_safetensors(source, tmp_path):
  path = source / SHARD
  tensors = safetensors_numpy.load_file(path)
  name = next(name for name in tensors if tensors[name].ndim == 2)
  safetensors_numpy.save_file(tensors | {name: tensors[name].astype(np.int8)}, path)
  refused(source, tmp_path, f"tensor {name}: found type int8, expected float32, float16 or bfloat16")


def test_a_directory_that_exists_and_a_source_that_does_not(source, tmp_path):
  (tmp_path / "out").mkdir()
  with pytest.raises(errors.UserError, match="out: exists; give another directory"):
    run(source, tmp_path)
  (tmp_path / "out").rmdir()
  refused(tmp_path / "nothing", tmp_path, "nothing: no such file or directory")
  (tmp_path / "file").write_text("GGXX")
  refused(tmp_path / "file", tmp_path, "file that does not begin with GGUF")


def test_a_disk_that_is_full(source, tmp_path):
  def full(directory, paths, arrays):
    next(iter(arrays))
    raise OSError(28, "No space left on device")

  with pytest.raises(OSError) as caught:
    importing.import_model(str(source), tmp_path / "out", save=full)
  assert caught.value.filename == str(tmp_path / "out") and not (tmp_path / "out").exists()
  assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_the_hub_without_a_network_and_an_address_that_is_none(tmp_path, monkeypatch):
  monkeypatch.setenv("HF_HUB_OFFLINE", "1")
  refused("hf://only-a-name", tmp_path, "expected hf://ORG/NAME")
  refused("hf://nobody/nothing@main", tmp_path, "hf://nobody/nothing@main: cannot be downloaded")


# A GGUF file, written here: names, permuted queries and keys, and the tokenizer are its own.


def write_gguf(path, directory, *, architecture="llama", kind=gguf.GGMLQuantizationType.F32):
  """The model "smollm2" as llama.cpp has it."""
  source = imported_models.make("smollm2", directory).source
  config = random_models.config("smollm2")
  tensors = {}
  for file in source.glob("*.safetensors"):
    tensors |= safetensors_numpy.load_file(file)
  writer = gguf.GGUFWriter(str(path), architecture)
  writer.add_block_count(config["num_hidden_layers"])
  writer.add_context_length(128)
  writer.add_embedding_length(config["hidden_size"])
  writer.add_feed_forward_length(config["intermediate_size"])
  writer.add_head_count(config["num_attention_heads"])
  writer.add_head_count_kv(config["num_key_value_heads"])
  writer.add_rope_freq_base(config["rope_theta"])
  writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
  tokenizer = json.loads(random_models.tokenizer())
  vocabulary = tokenizer["model"]["vocab"] | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
  words = sorted(vocabulary, key=vocabulary.__getitem__)
  words += [f"[PAD{number}]" for number in range(len(words), random_models.VOCABULARY)]
  control = [gguf.TokenType.CONTROL if word in ("<s>", "</s>") else gguf.TokenType.NORMAL for word in words]
  writer.add_tokenizer_model("gpt2")
  writer.add_tokenizer_pre("gpt-2")
  writer.add_token_list(words)
  writer.add_token_types(control)
  writer.add_token_merges(["u n"])
  writer.add_bos_token_id(random_models.START)
  writer.add_eos_token_id(random_models.START + 1)
  writer.add_add_bos_token(True)
  names = {theirs: ours for ours, theirs in gguf_source._NAMES.items() if ours not in ("post_attention_norm",)}
  for name, tensor in tensors.items():
    stem, _, suffix = name.rpartition(".")
    layer = ""
    if stem.startswith("model.layers."):
      number, _, stem = stem.removeprefix("model.layers.").partition(".")
      layer = f"blk.{number}."
    for part, heads in (("q_proj", config["num_attention_heads"]), ("k_proj", config["num_key_value_heads"])):
      if part in name:  # interleaved, as llama.cpp's converter has them
        dim = tensor.shape[0] // heads
        tensor = tensor.reshape(heads, 2, dim // 2, -1).swapaxes(1, 2).reshape(tensor.shape)
    stored = gguf.quants.quantize(np.ascontiguousarray(tensor), kind) if tensor.ndim > 1 else tensor
    writer.add_tensor(f"{layer}{names[stem]}.{suffix}", stored, raw_dtype=kind if tensor.ndim > 1 else None)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()
  return path


def params_of(imported):
  template = parameters.abstract(transformer.Transformer(imported.network), sharding.Layout.over_all_devices())
  return checkpoints.restore(imported.directory / importing.CHECKPOINT, template)[1]


def test_a_gguf_file_gives_what_its_safetensors_give(directory, tmp_path):
  model = imported_models.make("smollm2", directory)
  imported = run(write_gguf(tmp_path / "model.gguf", directory), tmp_path)
  assert imported.network == model.network
  for found, expected in zip(jax.tree.leaves(params_of(imported)), jax.tree.leaves(model.params()), strict=True):
    np.testing.assert_array_equal(found, expected)


def test_parts_of_a_gguf_file_are_joined_in_their_order(directory, tmp_path):
  whole = write_gguf(tmp_path / "model.gguf", directory).read_bytes()
  parts = tmp_path / "parts"
  parts.mkdir()
  size = len(whole) // 11 + 1
  for number in range(11):
    (parts / f"part{number + 1}.bin").write_bytes(whole[number * size : (number + 1) * size])
  imported = run(parts, tmp_path)
  assert imported.num_parameters == sum(leaf.size for leaf in jax.tree.leaves(params_of(imported)))
  assert not (tmp_path / "out" / "scratch").exists()


@pytest.mark.parametrize("kind, tolerance", [("F16", 1e-3), ("BF16", 1e-2)])
def test_gguf_tensors_of_half_the_size_are_near_the_original(directory, tmp_path, kind, tolerance):
  model = imported_models.make("smollm2", directory)
  path = write_gguf(tmp_path / "model.gguf", directory, kind=gguf.GGMLQuantizationType[kind])
  found = params_of(run(path, tmp_path))["layers_0"]["mlp"]["down"]["kernel"]
  np.testing.assert_allclose(found, model.params()["layers_0"]["mlp"]["down"]["kernel"], atol=tolerance)


def test_damaged_and_unknown_gguf_files(directory, tmp_path):
  path = write_gguf(tmp_path / "model.gguf", directory)
  whole = path.read_bytes()
  path.write_bytes(whole[: len(whole) // 2])
  refused(path, tmp_path, "model.gguf: cannot be read as GGUF")
  write_gguf(path, directory, architecture="gptneox")
  refused(path, tmp_path, "general.architecture: found 'gptneox', expected one of llama, qwen2, qwen3, gemma3")
