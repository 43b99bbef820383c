"""A model in Hugging Face's layout: config.json, safetensors in one or many shards, and a tokenizer."""

from collections.abc import Collection
import functools
import json
import os
from typing import Any

from etils import epath
import huggingface_hub
import numpy as np
import safetensors

from next_jax import errors
from next_jax import files
from next_jax.models.open_weights import sentencepiece_tokenizer
from next_jax.models.open_weights import source

_TEXTS = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja")
_INDEX = "model.safetensors.index.json"
# Of Gemma 3 with vision only the language model is read; its tensors have either prefix.
_TEXT_PREFIXES = (("language_model.model.", "model."), ("model.language_model.", "model."), ("language_model.", ""))


class Directory:
  """See `source.Source`."""

  def __init__(self, path: epath.Path):
    self._path = path
    self._open: dict[str, Any] = {}
    self.config = _read_object(path / "config.json")
    self.texts = {name: (path / name).read_text() for name in _TEXTS if (path / name).exists()}
    if "tokenizer.json" not in self.texts:
      model = path / "tokenizer.model"
      if not model.exists():
        raise errors.ModelError(f"{path}: found neither tokenizer.json nor tokenizer.model; copy the tokenizer too")
      self.texts["tokenizer.json"] = sentencepiece_tokenizer.from_file(model)

  def names(self) -> Collection[str]:
    """See `source.Source.names`."""
    return self._places.keys()

  def shape(self, name: str) -> tuple[int, ...]:
    """See `source.Source.shape`."""
    file, stored = self._places[name]
    return tuple(self._opened(file).get_slice(stored).get_shape())

  def read(self, name: str) -> np.ndarray:
    """See `source.Source.read`."""
    file, stored = self._places[name]
    tensor = self._opened(file).get_tensor(stored)
    if tensor.dtype.name not in ("float32", "float16", "bfloat16"):
      raise errors.ModelError(
          f"{self._path / file}, tensor {stored}: found type {tensor.dtype}, expected float32, float16 or bfloat16;"
          " give a model that is not quantised"
      )
    return tensor

  @functools.cached_property
  def digests(self) -> dict[str, str]:
    """File -> sha256."""
    return {file: source.sha256(self._path / file) for file in self._files}

  @functools.cached_property
  def _files(self) -> list[str]:
    index = self._path / _INDEX
    if index.exists():
      found = sorted(set(_read_object(index)["weight_map"].values()))
    else:
      found = sorted(file.name for file in self._path.glob("*.safetensors"))
    if not found:
      pickles = sorted(file.name for file in self._path.glob("*.bin"))
      raise errors.ModelError(
          f"{self._path}: found no safetensors"
          + (f", only {pickles[0]}; unpickling runs code, so it is not read: convert it to safetensors" if pickles else
             "; copy the weights too")
      )
    for file in found:
      if not (self._path / file).exists():
        raise errors.ModelError(f"{self._path / file}: no such file, but {_INDEX} names it; copy the missing shard")
    return found

  def _opened(self, file: str) -> Any:
    if file not in self._open:
      self._open[file] = self._safetensors(file)
    return self._open[file]

  def _safetensors(self, file: str) -> Any:
    try:
      return safetensors.safe_open(os.fspath(self._path / file), framework="numpy")
    except Exception as error:  # safetensors' own class is a plain Exception
      raise errors.ModelError(
          f"{self._path / file}: cannot be read ({error}); it is damaged or truncated: copy it again"
      ) from None

  @functools.cached_property
  def _places(self) -> dict[str, tuple[str, str]]:
    """Name -> file, and name in it."""
    places = {}
    for file in self._files:
      for stored in self._opened(file).keys():
        name = stored
        for prefix, replacement in _TEXT_PREFIXES:
          if stored.startswith(prefix):
            name = replacement + stored.removeprefix(prefix)
            break
        places[name] = (file, stored)
    return places


def download(address: str) -> epath.Path:
  """The directory of a model on the hub, `hf://ORG/NAME@REVISION`, in huggingface_hub's cache.

  Raises:
    ModelError: The address is not one, or the model is neither there nor in the cache.
  """
  name, _, revision = address.removeprefix("hf://").partition("@")
  if name.count("/") != 1:
    raise errors.ModelError(f"{address}: expected hf://ORG/NAME or hf://ORG/NAME@REVISION")
  patterns = ["*.safetensors", _INDEX, "config.json", "tokenizer.model", *_TEXTS]
  try:
    found = huggingface_hub.snapshot_download(name, revision=revision or None, allow_patterns=patterns)
  except Exception as error:  # of many classes: no network, no such model, no permission
    reason = " ".join(str(error).split())[:200]
    raise errors.ModelError(f"{address}: cannot be downloaded ({type(error).__name__}: {reason})") from None
  return epath.Path(found)


def _read_object(path: epath.Path) -> dict[str, Any]:
  found = files.read_json(path)
  if not isinstance(found, dict):
    raise errors.ModelError(f"{path}: expected a JSON object, found {json.dumps(found)[:40]}; copy it again")
  return found
