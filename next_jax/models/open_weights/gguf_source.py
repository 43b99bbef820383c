"""A model in a GGUF file, as llama.cpp reads them; its tensors are dequantised."""

from collections.abc import Collection, Sequence
import functools
import os
import re
from typing import Any

from etils import epath
import gguf
import jax.numpy as jnp
import numpy as np

from next_jax import errors
from next_jax.models import rotary
from next_jax.models.open_weights import gguf_tokenizer
from next_jax.models.open_weights import source

_ARCHITECTURES = {
    "llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
}
_MODEL_TYPES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3": "gemma3_text"}
_NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_LAYER = re.compile(r"blk\.(\d+)\.(.+)")
_ROPE_FREQUENCIES = "rope_freqs.weight"
_COPY = 0.1  # Relative difference up to which an output layer is the embedding, quantised otherwise.


class File:
  """See `source.Source`."""

  def __init__(self, path: epath.Path):
    self._path = path
    try:
      self._reader = gguf.GGUFReader(os.fspath(path))
    except Exception as error:  # whatever a damaged file makes of offsets and counts
      raise errors.ModelError(
          f"{path}: cannot be read as GGUF ({type(error).__name__}: {error}); it is damaged or truncated: copy it again"
      ) from None
    if self._field("split.count", 1) > 1:
      raise errors.ModelError(f"{path}: is one file of several; join them with llama.cpp's llama-gguf-split --merge")
    self._architecture = self._field("general.architecture")
    if self._architecture not in _ARCHITECTURES:
      raise errors.ModelError(
          f"{path}, general.architecture: found {self._architecture!r}, expected one of {', '.join(_ARCHITECTURES)}"
      )
    self._tensors = {self._name(tensor.name): tensor for tensor in self._reader.tensors}
    self.config = self._config()
    self.texts = gguf_tokenizer.texts(self._field, path)

  def names(self) -> Collection[str]:
    """See `source.Source.names`."""
    return [name for name in self._tensors if name not in (_ROPE_FREQUENCIES, *self._copies)]

  def shape(self, name: str) -> tuple[int, ...]:
    """See `source.Source.shape`."""
    return tuple(int(size) for size in reversed(self._tensors[name].shape))

  def read(self, name: str) -> np.ndarray:
    """See `source.Source.read`."""
    if name == "model.embed_tokens.weight" and self._copies:
      name = "lm_head.weight"  # the finer of the two
    tensor = self._dequantised(name)
    if self._architecture == "llama" and re.search(r"\.[qk]_proj\.", name):
      heads = self.config["num_attention_heads" if ".q_proj." in name else "num_key_value_heads"]
      tensor = half_split(tensor, heads)
    if self._architecture == "gemma3" and "norm" in name:
      tensor = tensor - 1  # GGUF's scales of Gemma have the 1 added
    return tensor

  @functools.cached_property
  def digests(self) -> dict[str, str]:
    """File -> sha256."""
    return {self._path.name: source.sha256(self._path)}

  def _dequantised(self, name: str, rows: slice = slice(None)) -> np.ndarray:
    tensor = self._tensors[name]
    try:
      return gguf.quants.dequantize(tensor.data[rows], tensor.tensor_type)
    except NotImplementedError:
      raise errors.ModelError(
          f"{self._path}, tensor {tensor.name}: found quantisation {tensor.tensor_type.name}, which gguf cannot read;"
          " give a file in another one, such as Q8_0"
      ) from None

  @functools.cached_property
  def _copies(self) -> tuple[str, ...]:
    """The output layer, where it is the embedding once more: llama.cpp writes such a copy in a finer quantisation."""
    if "lm_head.weight" not in self._tensors:
      return ()
    rows = slice(0, 4096)
    output, embedding = (self._dequantised(name, rows) for name in ("lm_head.weight", "model.embed_tokens.weight"))
    difference = np.linalg.norm(output - embedding) / np.linalg.norm(output)
    return ("lm_head.weight",) if difference < _COPY else ()

  def _field(self, key: str, default: Any = None) -> Any:
    field = self._reader.get_field(key)
    return default if field is None else field.contents()

  def _name(self, name: str) -> str:
    """Name at Hugging Face."""
    layer = _LAYER.fullmatch(name)
    prefix, rest = (f"model.layers.{layer[1]}.", layer[2]) if layer else ("", name)
    stem, _, kind = rest.rpartition(".")
    if stem == "ffn_norm" and self._architecture == "gemma3":
      return f"{prefix}pre_feedforward_layernorm.{kind}"
    return f"{prefix}{_NAMES[stem]}.{kind}" if stem in _NAMES else name

  def _config(self) -> dict[str, Any]:
    def field(key, default=None):
      found = self._field(f"{self._architecture}.{key}", default)
      if found is None:
        raise errors.ModelError(
            f"{self._path}: found no {self._architecture}.{key}; the file is damaged: copy it again"
        )
      return found

    heads, width = field("attention.head_count"), field("embedding_length")
    config = {
        "architectures": [_ARCHITECTURES[self._architecture]],
        "model_type": _MODEL_TYPES[self._architecture],
        "max_position_embeddings": field("context_length"),
        "license": self._field("general.license"),
        "vocab_size": self.shape("model.embed_tokens.weight")[0],
        "hidden_size": width,
        "num_hidden_layers": field("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": field("attention.head_count_kv", heads),
        "head_dim": field("attention.key_length", width // heads),
        "intermediate_size": field("feed_forward_length"),
        # GGUF's float32 of 1e-6 is 9.99999997e-07.
        "rms_norm_eps": float(f"{field('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": float(field("rope.freq_base", 10_000.0)),
        "tie_word_embeddings": "lm_head.weight" not in self._tensors or bool(self._copies),
        "hidden_act": "silu",
        "bos_token_id": self._field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": self._field("tokenizer.ggml.eos_token_id"),
    }
    if self._architecture == "gemma3":
      config |= {
          "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
          "sliding_window": field("attention.sliding_window"), "query_pre_attn_scalar": config["head_dim"],
          "rope_local_base_freq": 10_000.0, "attn_logit_softcapping": None, "final_logit_softcapping": None,
          "layer_types": [
              "full_attention" if (layer + 1) % 6 == 0 else "sliding_attention"
              for layer in range(config["num_hidden_layers"])
          ],
      }
      if config["num_hidden_layers"] == 62:  # the 27B model, whose scale GGUF does not have
        config["query_pre_attn_scalar"] = width // heads
    kind = self._field(f"{self._architecture}.rope.scaling.type", "none")
    if kind != "none":
      config["rope_scaling"] = {"rope_type": kind, "factor": field("rope.scaling.factor")}
    if _ROPE_FREQUENCIES in self._tensors:
      config["rope_scaling"] = self._llama3_scaling(config)
    return config

  def _llama3_scaling(self, config: dict[str, Any]) -> dict[str, Any]:
    """Llama 3's scaling, of which GGUF has only the divisors of the frequencies."""
    divisors = self._dequantised(_ROPE_FREQUENCIES)
    scaling = rotary.Llama3Scaling(
        factor=float(divisors.max()), low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192
    )
    half = len(divisors)
    frequencies = config["rope_theta"] ** (-np.arange(half) / half)
    if not np.allclose(frequencies / np.asarray(scaling(jnp.asarray(frequencies))), divisors, rtol=1e-3):
      raise errors.ModelError(f"{self._path}, {_ROPE_FREQUENCIES}: is not the scaling of Llama 3.1 or later")
    return {
        "rope_type": "llama3", "factor": scaling.factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


def half_split(kernel: np.ndarray, heads: int) -> np.ndarray:
  """Rows of queries or keys in the order of half-split rotary positions; llama.cpp interleaves those of Llamas."""
  dim = kernel.shape[0] // heads
  return kernel.reshape(heads, dim // 2, 2, -1).swapaxes(1, 2).reshape(kernel.shape)


def join(parts: Sequence[epath.Path], path: epath.Path) -> epath.Path:
  """Joins the parts of a file, in their order."""
  with path.open("wb") as joined:
    for part in parts:
      with part.open("rb") as file:
        while block := file.read(1 << 24):
          joined.write(block)
  return path
