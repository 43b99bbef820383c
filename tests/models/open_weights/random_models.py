"""Small models of every family with random weights, the same wherever they are made; needs NumPy only."""

import json
import pathlib
import zlib

import numpy as np

VOCABULARY = 320
START = 257
_SHARED = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 10_000.0,
    "bos_token_id": START, "eos_token_id": START + 1, "tie_word_embeddings": False, "max_position_embeddings": 128,
}
_LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
CONFIGS = {
    "llama2": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_key_value_heads": 4},
    "llama3": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "rope_theta": 500_000.0, "rope_scaling": _LLAMA3,
    },
    "smollm2": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 24, "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "rope_theta": 100_000.0, "tie_word_embeddings": True,
    },
    "mistral": {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 6},
    "qwen2": {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "tie_word_embeddings": True,
        "rope_theta": 1_000_000.0, "use_sliding_window": False, "rms_norm_eps": 1e-6,
    },
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 12, "attention_bias": False},
    "gemma3": {
        "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "num_hidden_layers": 4, "head_dim": 16,
        "num_key_value_heads": 1, "hidden_activation": "gelu_pytorch_tanh", "hidden_act": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 24, "sliding_window": 6, "rope_local_base_freq": 10_000.0, "rope_theta": 1_000_000.0,
        "layer_types": ["sliding_attention", "full_attention"] * 2, "tie_word_embeddings": True,
        "rope_scaling": {"rope_type": "linear", "factor": 4.0}, "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
    },
}
PROMPT_LENGTH, NEW_TOKENS = 24, 8


def config(family: str) -> dict:
  """The config.json of a family's model."""
  return {**_SHARED, **CONFIGS[family]}


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """The tensor of this name, float32; large enough for logits of a few units."""
  values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
  if "norm" in name:
    return 1 + values / 8
  return values / 8 if name.endswith("bias") or "embed" in name else values / np.float32(np.sqrt(shape[-1]))


def prompt(family: str) -> np.ndarray:
  """Tokens `[PROMPT_LENGTH]` without the one that begins a text."""
  return np.random.default_rng(zlib.crc32(family.encode())).integers(3, 256, PROMPT_LENGTH)


def write(family: str, shapes: dict[str, tuple[int, ...]], directory: pathlib.Path) -> pathlib.Path:
  """Writes a model as Hugging Face has it, in two shards."""
  from safetensors import numpy as safetensors_numpy

  directory.mkdir(parents=True)
  (directory / "config.json").write_text(json.dumps(config(family)))
  (directory / "tokenizer.json").write_text(tokenizer())
  (directory / "tokenizer_config.json").write_text(
      json.dumps({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True})
  )
  names = sorted(shapes)
  where = {}
  for number, shard in enumerate((names[::2], names[1::2])):
    file = f"model-{number + 1:05}-of-00002.safetensors"
    safetensors_numpy.save_file({name: weight(name, shapes[name]) for name in shard}, directory / file)
    where |= dict.fromkeys(shard, file)
  (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
  return directory


def tokenizer() -> str:
  """A tokenizer of bytes, with tokens that begin and end a text."""
  import tokenizers
  from tokenizers import decoders
  from tokenizers import models
  from tokenizers import pre_tokenizers

  alphabet = {token: id for id, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
  made = tokenizers.Tokenizer(models.BPE({**alphabet, "un": 256}, [("u", "n")]))
  made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
  made.decoder = decoders.ByteLevel()
  made.add_special_tokens(["<s>", "</s>"])
  return made.to_str()


def write_adapter(directory: pathlib.Path) -> pathlib.Path:
  """Writes an adapter of `peft` for the model "qwen2", of rank 3 on four of its projections."""
  from safetensors import numpy as safetensors_numpy

  made = config("qwen2")
  width, hidden = made["hidden_size"], made["intermediate_size"]
  heads, kv = made["num_attention_heads"] * made["head_dim"], made["num_key_value_heads"] * made["head_dim"]
  sizes = {
      "self_attn.q_proj": (heads, width), "self_attn.v_proj": (kv, width), "self_attn.o_proj": (width, heads),
      "mlp.down_proj": (width, hidden),
  }
  tensors = {}
  for layer in range(made["num_hidden_layers"]):
    for name, (rows, columns) in sizes.items():
      stem = f"base_model.model.model.layers.{layer}.{name}"
      tensors[f"{stem}.lora_A.weight"] = weight(f"{stem}.a", (3, columns))
      tensors[f"{stem}.lora_B.weight"] = weight(f"{stem}.b", (rows, 3))
  directory.mkdir(parents=True)
  safetensors_numpy.save_file(tensors, directory / "adapter_model.safetensors", metadata={"format": "pt"})
  (directory / "adapter_config.json").write_text(json.dumps({
      "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "qwen2", "r": 3, "lora_alpha": 6,
      "target_modules": [name.partition(".")[2] for name in sizes], "lora_dropout": 0.0, "bias": "none",
      "fan_in_fan_out": False, "inference_mode": True,
  }))
  return directory
