"""Low-rank adapters in the layout of `peft`: adapter_config.json and adapter_model.safetensors."""

from collections.abc import Callable, Mapping, Sequence
import os
import re
from typing import Any

from etils import epath
import numpy as np
import safetensors
from safetensors import numpy as safetensors_numpy

from next_jax import errors
from next_jax import files
from next_jax.models import transformer
from next_jax.models.open_weights import tensors

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_PREFIX = "base_model.model."
_MODULES = {
    "query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "o_proj", "gate": "gate_proj", "up": "up_proj",
    "down": "down_proj",
}
# Settings of `peft` with which an adapter would add something else than x a b * alpha / rank.
_REFUSED = (
    "use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern",
    "layers_to_transform", "lora_bias", "target_parameters",
)


def export_adapter(
    network: transformer.TransformerConfig, read: Callable[[tensors.Path], np.ndarray], out: epath.PathLike, *,
    rank: int, alpha: float, targets: Sequence[str], base: str, card: str,
) -> epath.Path:
  """Writes adapters into the directory `out`, which appears only when it is whole; returns its path.

  Args:
    network: The network that they are for.
    read: Returns the array at a path that ends in "a" or "b".
    out: Directory to make.
    rank, alpha, targets: As in `engines.lora.Lora`.
    base: Name or path of the model that they are for, which `peft` loads.
    card: Text of README.md.

  Raises:
    FileError: The directory exists.
  """
  found = {}
  for tensor in _kernels(network, targets):
    name = _PREFIX + tensor.name.removesuffix(".weight")
    a, b = read((*tensor.path[:-1], "a")), read((*tensor.path[:-1], "b"))
    found[f"{name}.lora_A.weight"] = np.ascontiguousarray(a.reshape(-1, rank).T)
    found[f"{name}.lora_B.weight"] = np.ascontiguousarray(b.reshape(rank, -1).T)
  with files.whole_directory(out) as partial:
    safetensors_numpy.save_file(found, os.fspath(partial / WEIGHTS), metadata={"format": "pt"})
    os.chmod(partial / WEIGHTS, 0o644)
    files.write_json(partial / CONFIG, {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": rank, "lora_alpha": alpha,
        "target_modules": [_MODULES[target] for target in targets], "lora_dropout": 0.0, "bias": "none",
        "fan_in_fan_out": False, "inference_mode": True, "init_lora_weights": True,
    })
    files.write_text(partial / "README.md", card)
  return epath.Path(out)


def read_adapter(
    directory: epath.PathLike, network: transformer.TransformerConfig
) -> tuple[Mapping[str, Any], dict[tensors.Path, np.ndarray]]:
  """Reads adapters that `peft` has written.

  Returns:
    The arguments of `engines.lora.Lora`, and the arrays by their paths in our tree, which end in "a" and "b".

  Raises:
    ModelError: They are no such adapters, or of another network; names file and key.
    FileError: A file is missing or malformed.
  """
  directory = epath.Path(directory)
  config = files.read_json(directory / CONFIG)
  if config.get("peft_type") != "LORA":
    raise errors.ModelError(f"{directory / CONFIG}, peft_type: found {config.get('peft_type')!r}, expected 'LORA'")
  for key in _REFUSED:
    if config.get(key):
      raise errors.ModelError(f"{directory / CONFIG}, {key}: found {config[key]!r}; such adapters are not known here")
  ours = {theirs: name for name, theirs in _MODULES.items()}
  modules = config.get("target_modules") or []
  unknown = [module for module in modules if module not in ours]
  if isinstance(modules, str) or unknown or not modules:
    raise errors.ModelError(
        f"{directory / CONFIG}, target_modules: found {modules!r}, expected a list of some of {', '.join(ours)}"
    )
  targets = tuple(ours[module] for module in ours if module in modules)
  rank = config["r"]
  try:
    with safetensors.safe_open(os.fspath(directory / WEIGHTS), framework="numpy") as opened:
      stored = {re.sub(r"\.default(?=\.weight$)", "", name): opened.get_tensor(name) for name in opened.keys()}
  except FileNotFoundError:
    raise errors.ModelError(f"{directory / WEIGHTS}: no such file; copy it too") from None
  except safetensors.SafetensorError as error:
    raise errors.ModelError(f"{directory / WEIGHTS}: cannot be read ({error}); copy it again") from None
  arrays = {}
  for tensor in _kernels(network, targets):
    name = _PREFIX + tensor.name.removesuffix(".weight")
    kernel = tensor.ours(np.broadcast_to(np.float32(0), tensor.shape)).shape
    summed = len(kernel) - 1 if "out" in tensor.path else 1
    rows, columns = tensor.shape
    for ours_name, theirs, shape, final in (
        ("a", "lora_A", (rank, columns), (*kernel[:summed], rank)),
        ("b", "lora_B", (rows, rank), (rank, *kernel[summed:])),
    ):
      found = stored.pop(f"{name}.{theirs}.weight", None)
      if found is None or found.shape != shape:
        here = "nothing" if found is None else f"shape {list(found.shape)}"
        raise errors.ModelError(
            f"{directory / WEIGHTS}, {name}.{theirs}.weight: found {here}, expected shape {list(shape)}; the adapter is"
            " of another model"
        )
      arrays[*tensor.path[:-1], ours_name] = found.T.reshape(final).astype(np.float32)
  if stored:
    raise errors.ModelError(
        f"{directory / WEIGHTS}, {next(iter(stored))}: not expected; the adapter is of another model"
    )
  return {"rank": rank, "alpha": float(config["lora_alpha"]), "targets": targets}, arrays


def _kernels(network: transformer.TransformerConfig, targets: Sequence[str]) -> list[tensors.Tensor]:
  return [
      tensor for tensor in tensors.of_network(network) if tensor.path[-1] == "kernel" and tensor.path[-2] in targets
  ]
