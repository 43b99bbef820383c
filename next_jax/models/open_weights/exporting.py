"""Exports a checkpoint as a model of Hugging Face: safetensors, config, tokenizer and a model card."""

from collections.abc import Callable, Iterator, Mapping
import json
import os
from typing import Any

from etils import epath
import jax.numpy as jnp
import numpy as np
from safetensors import numpy as safetensors_numpy
import tqdm

from next_jax import errors
from next_jax import files
from next_jax.models import transformer
from next_jax.models.open_weights import families
from next_jax.models.open_weights import tensors

_SHARD_BYTES = 4 << 30
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja",
)


def export_model(
    network: transformer.TransformerConfig, read: Callable[[tensors.Path], np.ndarray], out: epath.PathLike, *,
    card: str, dtype: str | None = None, imported: epath.PathLike | None = None,
) -> epath.Path:
  """Writes a model into the directory `out`, which appears only when it is whole; returns its path.

  Args:
    network: The network.
    read: Returns the parameter at a path: float32 or bfloat16.
    out: Directory to make.
    card: Text of README.md.
    dtype: Type of the matrices; None keeps that of the parameters.
    imported: Directory of the imported model that this one was tuned from: its tokenizer and config go with it.
      Without one the model has no tokenizer.

  Raises:
    FileError: The directory exists.
    ModelError: No family of Hugging Face has this network; the message says why.
  """
  config = _config(network, imported)
  with files.whole_directory(out) as partial:
    kinds = _write_tensors(network, read, partial, dtype)
    config["torch_dtype"] = max(kinds, key=lambda kind: kinds[kind])
    files.write_json(partial / "config.json", config)
    if imported is not None:
      for name in _TOKENIZER_FILES:
        if (epath.Path(imported) / name).exists():
          files.write_text(partial / name, (epath.Path(imported) / name).read_text())
    files.write_text(partial / "README.md", card)
  return epath.Path(out)


def _config(network: transformer.TransformerConfig, imported: epath.PathLike | None) -> dict[str, Any]:
  """The config that the model came with or, for a network of ours, one that says the same."""
  if imported is not None:
    found = dict(files.read_json(epath.Path(imported) / "config.json"))
    differing = families.differences(families.network_of(found), network)
    if differing:
      raise errors.ModelError(
          f"{os.fspath(imported)}/config.json: is of another network, without {', '.join(differing)}; give the network"
          " of this checkpoint"
      )
    return found
  config = families.config_of(network)
  if network.start_id is not None:
    config["bos_token_id"] = network.start_id
  return config


def _write_tensors(
    network: transformer.TransformerConfig, read: Callable[[tensors.Path], np.ndarray], directory: epath.Path,
    dtype: str | None,
) -> dict[str, int]:
  """Writes the shards; returns type -> number of parameters."""
  expected = list(tensors.of_network(network))
  sizes: dict[str, int] = {}
  where: dict[str, int] = {}
  shards: list[dict[str, np.ndarray]] = [{}]
  filled = total = 0
  names: list[str] = []

  def flush() -> None:
    name = f"model-{len(names) + 1:05}.safetensors"
    safetensors_numpy.save_file(shards[0], os.fspath(directory / name), metadata={"format": "pt"})
    names.append(name)
    shards[0] = {}

  for tensor in tqdm.tqdm(expected, desc="exporting", unit="tensor", mininterval=1.0):
    theirs = tensor.theirs(_value(network, tensor, read(tensor.path)))
    if dtype is not None and theirs.ndim > 1:
      theirs = theirs.astype(jnp.dtype(dtype))
    if filled and filled + theirs.nbytes > _SHARD_BYTES:
      flush()
      filled = 0
    shards[0][tensor.name] = np.ascontiguousarray(theirs)
    where[tensor.name] = len(names)
    filled += theirs.nbytes
    total += theirs.nbytes
    sizes[theirs.dtype.name] = sizes.get(theirs.dtype.name, 0) + theirs.size
  flush()
  final = [
      f"model-{number + 1:05}-of-{len(names):05}.safetensors" if len(names) > 1 else "model.safetensors"
      for number in range(len(names))
  ]
  for name, renamed in zip(names, final, strict=True):
    (directory / name).rename(directory / renamed)
    os.chmod(directory / renamed, 0o644)  # safetensors makes files that only their owner may read
  if len(final) > 1:
    files.write_json(
        directory / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": {name: final[number] for name, number in where.items()}},
    )
  return sizes


def _value(network: transformer.TransformerConfig, tensor: tensors.Tensor, value: np.ndarray) -> np.ndarray:
  """The parameter as models of Hugging Face use it: they do not scale tied logits, so the norm before them does."""
  if tensor.path == ("final_norm", "scale") and network.tie_embeddings and network.scale_tied_logits:
    return value * np.float32(network.embed_dim**-0.5)
  return value


def card(
    *, name: str, base: Mapping[str, Any] | None, data: Mapping[str, str], settings: Mapping[str, Any],
    results: Mapping[str, str],
) -> str:
  """README.md of a model: what it was made from, how, what it can do, and what it is not for.

  Args:
    name: Name of the model.
    base: model.json of the imported model; None for a network of ours.
    data: Corpus -> digest of what it was tuned on.
    settings: Settings of the training.
    results: What was measured -> result with its interval.
  """
  licence = (base or {}).get("licence")
  tags = ["library_name: transformers", "tags: [code, program-repair]"]
  head = ["---", *([f"license: {licence}"] if licence else []), *tags, "---", ""]

  def section(title: str, rows: Mapping[str, Any], nothing: str) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    for key, value in rows.items():
      yield f"- {key}: {value if isinstance(value, str) else json.dumps(value)}"
    if not rows:
      yield nothing
    yield ""

  of_base = {
      key: (base or {})[key] for key in ("source", "architecture", "licence", "digests") if (base or {}).get(key)
  }
  return "\n".join([
      *head, f"# {name}", "", "A code model made with next_jax (NExT, Ni et al., arXiv 2404.14662).", "",
      *section("Base", of_base, "Trained from scratch."),
      *section("Data", data, "Not tuned further."),
      *section("Settings", settings, "None."),
      *section("Results", results, "Nothing was measured."),
      "## What it is not for", "",
      "It proposes repairs of short Python functions. Its rationales can be wrong where they sound right: run the tests"
      " of a fix, in a sandbox, before you use it.", "",
  ])
