"""Families of open models: what their `config.json` says of our network, and back.

A family is a set of settings of `transformer.TransformerConfig`. What a config asks for beyond them is refused, so that
no model is imported that would compute something else.
"""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

from next_jax import errors
from next_jax.models import rotary
from next_jax.models import transformer

Config = Mapping[str, Any]  # config.json

_ACTIVATIONS = {"silu": "silu", "gelu_pytorch_tanh": "gelu_tanh"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
  """One architecture of Hugging Face.

  Attributes:
    model_type: As in config.json.
    settings: Settings that every model of the family has.
    layers: Reads the settings of local layers from a config.
  """

  model_type: str
  settings: Mapping[str, Any]
  layers: Callable[[Config], dict[str, Any]]


def _no_local_layers(config: Config) -> dict[str, Any]:
  if config.get("use_sliding_window", False) and config.get("sliding_window"):
    raise _unknown("use_sliding_window", True, "false: layers with and without a window of these families are unknown")
  return {}


def _all_local(config: Config) -> dict[str, Any]:
  return {"sliding_window": config.get("sliding_window")}


def _gemma_layers(config: Config) -> dict[str, Any]:
  every = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern") or 6
  kinds = config.get("layer_types")
  number = config["num_hidden_layers"]
  if kinds is not None:
    # A model with fewer layers than the period has local ones only.
    every = kinds.index("full_attention") + 1 if "full_attention" in kinds else number + 1
    expected = ["full_attention" if (layer + 1) % every == 0 else "sliding_attention" for layer in range(number)]
    if list(kinds) != expected:
      raise _unknown("layer_types", kinds, "every n-th layer with full attention")
  return {"sliding_window": config["sliding_window"], "full_attention_every": every}


_FAMILIES = {
    "LlamaForCausalLM": Family(model_type="llama", settings={}, layers=lambda config: {}),
    "MistralForCausalLM": Family(model_type="mistral", settings={}, layers=_all_local),
    "Qwen2ForCausalLM": Family(model_type="qwen2", settings={"qkv_bias": True}, layers=_no_local_layers),
    "Qwen3ForCausalLM": Family(model_type="qwen3", settings={"qk_norm": True}, layers=_no_local_layers),
    "Gemma3ForCausalLM": Family(
        model_type="gemma3_text", settings={"qk_norm": True, "post_norms": True, "norm_offset": 1.0},
        layers=_gemma_layers,
    ),
}
GEMMA3_WITH_VISION = "Gemma3ForConditionalGeneration"
# Settings that only say how a config is used, not what is computed, and those that `network_of` reads.
_REFUSED_WHEN_SET = ("attention_bias", "mlp_bias", "attn_logit_softcapping", "final_logit_softcapping")


def text_config(config: Config) -> Config:
  """The part of a config that describes the language model: of Gemma 3 with vision, its `text_config`."""
  if _architecture(config) != GEMMA3_WITH_VISION:
    return config
  # What the part does not say is what transformers' Gemma3TextConfig has by default.
  defaults = {
      "vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
      "rms_norm_eps": 1e-6, "rope_theta": 1e6, "rope_local_base_freq": 1e4, "query_pre_attn_scalar": 256,
  }
  kept = {key: config[key] for key in ("eos_token_id", "bos_token_id", "torch_dtype", "dtype") if key in config}
  fixed = {"architectures": ["Gemma3ForCausalLM"], "tie_word_embeddings": True}
  return {**defaults, **kept, **config["text_config"], **fixed}


def network_of(config: Config) -> transformer.TransformerConfig:
  """The network that a `config.json` describes, but for `start_id`, which is the tokenizer's business.

  Raises:
    ModelError: The architecture or one of its settings is unknown here, or a size is missing; names the key.
  """
  config = text_config(config)
  name = _architecture(config)
  if name not in _FAMILIES:
    raise errors.ModelError(
        f"config.json, architectures: found {name!r}, expected one of {', '.join((*_FAMILIES, GEMMA3_WITH_VISION))}"
    )
  family = _FAMILIES[name]
  for key in _REFUSED_WHEN_SET:
    if config.get(key):
      raise _unknown(key, config[key], "none")
  activation = config.get("hidden_activation") or config.get("hidden_act") or "silu"
  if activation not in _ACTIVATIONS:
    raise _unknown("hidden_act", activation, " or ".join(_ACTIVATIONS))
  try:
    width, heads = config["hidden_size"], config["num_attention_heads"]
    sizes = {
        "vocab_size": config["vocab_size"],
        "embed_dim": width,
        "num_layers": config["num_hidden_layers"],
        "num_heads": heads,
        "num_kv_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or width // heads,
        "mlp_dim": config["intermediate_size"],
        "norm_epsilon": config["rms_norm_eps"],
    }
    layers = family.layers(config)
  except KeyError as error:
    raise errors.ModelError(f"config.json: found no key {error.args[0]!r}; copy the model again") from None
  gemma = family.model_type == "gemma3_text"
  settings: dict[str, Any] = {
      **sizes, **family.settings, **layers, **_positions(config, gemma), "activation": _ACTIVATIONS[activation],
      "tie_embeddings": bool(config.get("tie_word_embeddings", gemma)), "scale_tied_logits": False,
  }
  if gemma:
    settings["embedding_scale"] = float(width**0.5)
    settings["query_scale"] = float(config.get("query_pre_attn_scalar", 256) ** -0.5)
  return transformer.TransformerConfig(**settings)


def _positions(config: Config, gemma: bool) -> dict[str, Any]:
  """Settings of rotary positions: transformers up to 4 writes `rope_theta` and `rope_scaling`, 5 `rope_parameters`."""
  parameters: Config = config.get("rope_parameters") or {}
  full: Config = parameters.get("full_attention", parameters)
  scaling: dict[str, Any] = config.get("rope_scaling") or dict(full)
  found: dict[str, Any] = {"rope_theta": float(full.get("rope_theta") or config.get("rope_theta") or 10_000.0)}
  kind = scaling.get("rope_type") or scaling.get("type") or "default"
  if kind == "linear":
    found["rope_scaling"] = rotary.LinearScaling(factor=float(scaling["factor"]))
  elif kind == "llama3":
    names = [field.name for field in dataclasses.fields(rotary.Llama3Scaling)]
    missing = [name for name in names if name not in scaling]
    if missing:
      raise errors.ModelError(f"config.json, rope_scaling: found no {', '.join(missing)}; copy the model again")
    found["rope_scaling"] = rotary.Llama3Scaling(**{name: scaling[name] for name in names})
  elif kind != "default":
    raise _unknown("rope_scaling", kind, "linear, llama3 or none")
  if gemma:
    local = parameters.get("sliding_attention", {})
    found["local_rope_theta"] = float(local.get("rope_theta") or config.get("rope_local_base_freq") or 10_000.0)
  return found


def _architecture(config: Config) -> str:
  names = config.get("architectures") or []
  if len(names) != 1:
    raise errors.ModelError(f"config.json, architectures: found {names!r}, expected the name of one class")
  return names[0]


def _unknown(key: str, found: Any, expected: str) -> errors.ModelError:
  return errors.ModelError(f"config.json, {key}: found {found!r}, expected {expected}; this network cannot compute it")


# Settings that a config does not have, because they change no result, or because exporting makes up for them.
_FREE = (
    "attention_block", "dtype", "rematerialize", "scan_layers", "dropout_rate", "scale_tied_logits", "start_id",
)


def config_of(network: transformer.TransformerConfig) -> dict[str, Any]:
  """The `config.json` of a network; a network of ours without a counterpart is a Llama.

  Raises:
    ModelError: No family has these settings; the message names those that Llama lacks.
  """
  for name, family in _FAMILIES.items():
    if any(getattr(network, setting) != value for setting, value in family.settings.items()):
      continue
    written = _config_of(network, name, family)
    if not differences(network_of(written), network):
      return written
  llama = network_of(_config_of(network, "LlamaForCausalLM", _FAMILIES["LlamaForCausalLM"]))
  raise errors.ModelError(
      f"this network cannot be exported: a Llama has no {', '.join(differences(llama, network))}, and no other"
      f" family of {', '.join(_FAMILIES)} has exactly these settings"
  )


def differences(found: transformer.TransformerConfig, expected: transformer.TransformerConfig) -> list[str]:
  """The settings of `expected` that `found` has not, as "name=value"."""
  return [
      f"{field.name}={getattr(expected, field.name)!r}"
      for field in dataclasses.fields(expected)
      if field.name not in _FREE and getattr(found, field.name) != getattr(expected, field.name)
  ]


def _config_of(network: transformer.TransformerConfig, name: str, family: Family) -> dict[str, Any]:
  """The config of a network as far as this family can say it."""
  activation = {ours: theirs for theirs, ours in _ACTIVATIONS.items()}[network.activation]
  gemma = family.model_type == "gemma3_text"
  written = {
      "architectures": [name],
      "model_type": family.model_type,
      "vocab_size": network.vocab_size,
      "hidden_size": network.embed_dim,
      "num_hidden_layers": network.num_layers,
      "num_attention_heads": network.num_heads,
      "num_key_value_heads": network.num_kv_heads,
      "head_dim": network.head_dim,
      "intermediate_size": network.mlp_dim,
      "rms_norm_eps": network.norm_epsilon,
      "hidden_act": activation,
      "rope_theta": network.rope_theta,
      "tie_word_embeddings": network.tie_embeddings,
      "attention_dropout": 0.0,
      "max_position_embeddings": 32_768,
      "use_cache": True,
  }
  if isinstance(network.rope_scaling, rotary.LinearScaling):
    written["rope_scaling"] = {"rope_type": "linear", **dataclasses.asdict(network.rope_scaling)}
  elif network.rope_scaling is not None:
    written["rope_scaling"] = {"rope_type": "llama3", **dataclasses.asdict(network.rope_scaling)}
  if gemma:
    every = network.full_attention_every or network.num_layers + 1
    written |= {
        "hidden_activation": activation,
        "query_pre_attn_scalar": round((network.query_scale or network.head_dim**-0.5) ** -2, 6),
        "rope_local_base_freq": network.local_rope_theta or 10_000.0,
        "sliding_window": network.sliding_window,
        "layer_types": [
            "full_attention" if (layer + 1) % every == 0 else "sliding_attention" for layer in range(network.num_layers)
        ],
    }
  elif family.model_type == "mistral":
    written["sliding_window"] = network.sliding_window
  return written
