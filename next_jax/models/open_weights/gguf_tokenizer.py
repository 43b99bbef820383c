"""The tokenizer in a GGUF file, as the files that Hugging Face's models come with."""

from collections.abc import Callable, Sequence
import json
from typing import Any

from etils import epath
import gguf
import tokenizers
from tokenizers import decoders
from tokenizers import models
from tokenizers import pre_tokenizers

from next_jax import errors
from next_jax.models.open_weights import sentencepiece_tokenizer

# llama.cpp's names of the patterns that split a text before BPE; those of other families differ in how numbers go.
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
  return pre_tokenizers.Sequence([
      pre_tokenizers.Split(tokenizers.Regex(pattern), behavior="isolated"),
      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
  ])


_PRE_TOKENIZERS: dict[str, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "llama-bpe": lambda: _split(_LLAMA3),
    "qwen2": lambda: _split(_QWEN2),
    "smollm": lambda: pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ]),
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "default": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
}

Field = Callable[..., Any]  # field(key, default=None) of a file


def texts(field: Field, path: epath.Path) -> dict[str, str]:
  """tokenizer.json, tokenizer_config.json and, if there is one, chat_template.jinja.

  Raises:
    ModelError: The file has no tokenizer, or one of an unknown kind.
  """
  tokens, types = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
  kind = field("tokenizer.ggml.model")
  if not tokens or types is None:
    raise errors.ModelError(f"{path}: found no tokenizer.ggml.tokens with token_type; give a file with its tokenizer")
  if kind == "gpt2":
    tokenizer = _byte_level(field, tokens, path)
  elif kind == "llama":
    tokenizer = sentencepiece_tokenizer.make(tokens, field("tokenizer.ggml.scores"), _user_defined(tokens, types))
  else:
    raise errors.ModelError(f"{path}, tokenizer.ggml.model: found {kind!r}, expected 'gpt2' or 'llama'")
  control = [token for token, type in zip(tokens, types, strict=True) if type == gguf.TokenType.CONTROL]
  tokenizer.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in control])
  if kind == "gpt2":
    own = _user_defined(tokens, types)
    tokenizer.add_tokens([tokenizers.AddedToken(token, special=False, normalized=False) for token in own])

  def name(key: str) -> str | None:
    id = field(f"tokenizer.ggml.{key}_token_id")
    return None if id is None else tokens[id]

  named = {"bos_token": name("bos"), "eos_token": name("eos"), "pad_token": name("padding")}
  settings = {
      "tokenizer_class": "PreTrainedTokenizerFast",
      "add_bos_token": bool(field("tokenizer.ggml.add_bos_token", kind == "llama")),
      "clean_up_tokenization_spaces": False,
      "model_max_length": field(f"{field('general.architecture')}.context_length"),
      **{key: token for key, token in named.items() if token},
  }
  found = {"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": json.dumps(settings, indent=2)}
  template = field("tokenizer.chat_template")
  if template:
    found["chat_template.jinja"] = template
  return found


def _byte_level(field: Field, tokens: Sequence[str], path: epath.Path) -> tokenizers.Tokenizer:
  pre = field("tokenizer.ggml.pre", "default")
  if pre not in _PRE_TOKENIZERS:
    raise errors.ModelError(f"{path}, tokenizer.ggml.pre: found {pre!r}, expected one of {', '.join(_PRE_TOKENIZERS)}")
  merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges", [])]
  vocabulary = {token: id for id, token in enumerate(tokens)}
  tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe"))
  tokenizer.pre_tokenizer = _PRE_TOKENIZERS[pre]()
  tokenizer.decoder = decoders.ByteLevel()
  return tokenizer


def _user_defined(tokens: Sequence[str], types: Sequence[int]) -> list[str]:
  return [token for token, type in zip(tokens, types, strict=True) if type == gguf.TokenType.USER_DEFINED]
