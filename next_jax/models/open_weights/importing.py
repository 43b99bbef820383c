"""Imports an open model: its weights as a checkpoint of ours, its tokenizer, and a gin file that makes it the base.

    DIR/checkpoint_0       the weights in our layout
    DIR/network.gin        network, vocabulary, prompts and checkpoint, to be given after a run's own gin file
    DIR/tokenizer.json ... the tokenizer's files, and the config as it came (config.json)
    DIR/model.json         source, digests, licence, tokens that begin and end a text, chat template
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
import dataclasses
import json
import os
import shutil
from typing import Any

from etils import epath
import jax.numpy as jnp
import numpy as np
import tokenizers
import tqdm

from next_jax import errors
from next_jax import files
from next_jax.models import transformer
from next_jax.models.open_weights import families
from next_jax.models.open_weights import gin_file
from next_jax.models.open_weights import opening
from next_jax.models.open_weights import source as source_lib
from next_jax.models.open_weights import tensors

CHECKPOINT = "checkpoint_0"
MODEL = "model.json"

# Of a model with vision, what is not the language model; and tables that follow from the config.
_IGNORED = ("vision_tower.", "model.vision_tower.", "multi_modal_projector.", "model.multi_modal_projector.")
_IGNORED_ENDS = ("rotary_emb.inv_freq",)
_SHOWN = 5

Save = Callable[[epath.Path, Iterable[tensors.Path], Iterable[np.ndarray]], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Imported:
  """What an import has made.

  Attributes:
    directory: Where it is.
    network: The network.
    num_parameters: Number of parameters.
  """

  directory: epath.Path
  network: transformer.TransformerConfig
  num_parameters: int


def import_model(
    source: str, out: epath.PathLike, *, save: Save, dtype: str | None = None, licence: str | None = None
) -> Imported:
  """Imports a model into the directory `out`, which appears only when it is whole.

  Weights are read, converted and written tensor by tensor.

  Args:
    source: See `opening.open_source`.
    out: Directory to make.
    save: Writes `checkpoint_0` of a directory from paths and arrays: `engines.streaming.save`.
    dtype: Type in which matrices are stored, "float32" or "bfloat16". None is bfloat16 where the source has it,
      else float32.
    licence: The model's licence, where its files do not say it.

  Raises:
    FileError: The directory exists.
    ModelError: The source is no model that this network can compute.
  """
  out = epath.Path(os.path.abspath(os.fspath(out)))
  with files.whole_directory(out) as partial:
    scratch = partial / "scratch"
    scratch.mkdir()
    imported = _import(source, partial, scratch, save, dtype, licence, final=out)
    shutil.rmtree(scratch)
  return imported


def network_of(directory: epath.PathLike) -> transformer.TransformerConfig:
  """The network of a directory that `import_model` made; raises FileError or ModelError for another."""
  directory = epath.Path(directory)
  start = files.read_json(directory / MODEL)["start"]
  network = families.network_of(files.read_json(directory / "config.json"))
  if start is None:
    return dataclasses.replace(network, start_id=None)
  tokenizer = tokenizers.Tokenizer.from_file(os.fspath(directory / "tokenizer.json"))
  return dataclasses.replace(network, start_id=tokenizer.token_to_id(start))


def _import(
    source: str, partial: epath.Path, scratch: epath.Path, save: Save, dtype: str | None, licence: str | None, *,
    final: epath.Path,
) -> Imported:
  opened = opening.open_source(source, scratch)
  tokenizer = _tokenizer(opened, source)
  begins = _beginning(tokenizer, opened)
  config = families.text_config(opened.config)
  start_id = None if begins is None else tokenizer.token_to_id(begins)
  network = dataclasses.replace(families.network_of(config), start_id=start_id)
  expected = list(tensors.of_network(network))
  _compare(opened, expected, network, source)
  _check_vocabulary(tokenizer, network, source)

  save(partial, [tensor.path for tensor in expected], _convert(opened, expected, dtype))
  for name, text in opened.texts.items():
    files.write_text(partial / name, text)
  files.write_json(partial / "config.json", dict(opened.config))
  ends = _end(opened, tokenizer)
  files.write_json(partial / MODEL, {
      "source": source,
      "digests": dict(opened.digests),
      "licence": licence or opened.config.get("license"),
      "architecture": config["architectures"][0],
      "start": begins,
      "end": ends,
      "chat_template": _chat_template(opened),
      "parameters": sum(int(np.prod(tensor.shape)) for tensor in expected),
  })
  files.write_text(partial / "network.gin", gin_file.text(
      network, directory=final, checkpoint=final / CHECKPOINT, end=ends, is_chat=_chat_template(opened) is not None,
      source=source,
  ))
  return Imported(
      directory=final, network=network, num_parameters=sum(int(np.prod(tensor.shape)) for tensor in expected)
  )


def _convert(
    opened: source_lib.Source, expected: Collection[tensors.Tensor], dtype: str | None
) -> Iterator[np.ndarray]:
  """Our arrays, one after the other."""
  for tensor in tqdm.tqdm(expected, desc="importing", unit="tensor", mininterval=1.0):
    found = opened.read(tensor.name)
    stored = np.dtype(np.float32)
    # Norms and biases are few, and the network wants them in float32.
    if len(tensor.shape) > 1 and (dtype == "bfloat16" or (dtype is None and found.dtype == jnp.bfloat16)):
      stored = np.dtype(jnp.bfloat16)
    yield np.ascontiguousarray(tensor.ours(found), stored)


def _compare(
    opened: source_lib.Source, expected: Collection[tensors.Tensor], network: transformer.TransformerConfig, source: str
) -> None:
  """Raises ModelError unless the source has the network's tensors, with their shapes, and no others."""
  names = set(opened.names())
  wanted = {tensor.name for tensor in expected}
  more = [
      name
      for name in sorted(names - wanted)
      if not name.startswith(_IGNORED) and not name.endswith(_IGNORED_ENDS)
      and not (name == "lm_head.weight" and network.tie_embeddings)
  ]
  problems = [f"{name}: missing" for name in sorted(wanted - names)]
  problems += [f"{name}: not expected" for name in more]
  for tensor in expected:
    if tensor.name in names and opened.shape(tensor.name) != tensor.shape:
      problems.append(f"{tensor.name}: shape {list(opened.shape(tensor.name))}, expected {list(tensor.shape)}")
  if problems:
    rest = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise errors.ModelError(
        f"{source}: the weights do not fit config.json; {'; '.join(problems[:_SHOWN])}{rest}; copy the model again"
    )


def _tokenizer(opened: source_lib.Source, source: str) -> tokenizers.Tokenizer:
  try:
    return tokenizers.Tokenizer.from_str(opened.texts["tokenizer.json"])
  except Exception as error:  # `tokenizers` raises Exception itself
    raise errors.ModelError(f"{source}/tokenizer.json: not a tokenizer ({error}); copy it again") from None


def _check_vocabulary(tokenizer: tokenizers.Tokenizer, network: transformer.TransformerConfig, source: str) -> None:
  """A tokenizer may have fewer tokens than the embedding has rows, which are then padding, but not more."""
  tokens = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
  if tokens > network.vocab_size:
    raise errors.ModelError(
        f"{source}/tokenizer.json: has {tokens} tokens, but config.json has vocab_size={network.vocab_size}; it is the"
        " tokenizer of another model"
    )


def _beginning(tokenizer: tokenizers.Tokenizer, opened: source_lib.Source) -> str | None:
  """The token that the tokenizer puts before a text; None if it puts none, as Qwen's and SmolLM2's.

  It matters: a Qwen that reads a separator of documents there gives "The capital of France is Paris." a log-probability
  of -50 instead of -13, and a Gemma without its <bos> gives a Python function -126 instead of -30.
  """
  settings = _object(opened, "tokenizer_config.json")
  added = tokenizer.encode("a", add_special_tokens=True).ids
  plain = tokenizer.encode("a", add_special_tokens=False).ids
  if len(added) > len(plain) and added[-len(plain) :] == plain:
    return tokenizer.id_to_token(added[0])
  return _token(settings.get("bos_token")) if settings.get("add_bos_token") else None


def _end(opened: source_lib.Source, tokenizer: tokenizers.Tokenizer) -> str:
  """The token that ends an answer: the tokenizer's, which for chat models ends a turn."""
  end = _token(_object(opened, "tokenizer_config.json").get("eos_token"))
  template = _chat_template(opened) or ""
  # Some chat models keep the end of documents there: Gemma's turns end otherwise.
  for turn in ("<end_of_turn>", "<|eot_id|>", "<|im_end|>"):
    if turn in template and tokenizer.token_to_id(turn) is not None:
      return turn
  if end is None:
    id = opened.config.get("eos_token_id")
    end = tokenizer.id_to_token(id[0] if isinstance(id, list) else id) if id is not None else None
  if end is None:
    raise errors.ModelError("tokenizer_config.json: found no eos_token, and config.json no eos_token_id; add one")
  return end


def _chat_template(opened: source_lib.Source) -> str | None:
  found = opened.texts.get("chat_template.jinja") or _object(opened, "tokenizer_config.json").get("chat_template")
  if isinstance(found, list):  # several, by name
    found = next((one["template"] for one in found if one.get("name") == "default"), None)
  return found


def _object(opened: source_lib.Source, name: str) -> Mapping[str, Any]:
  return json.loads(opened.texts.get(name, "{}"))


def _token(value: Any) -> str | None:
  return value.get("content") if isinstance(value, dict) else value
