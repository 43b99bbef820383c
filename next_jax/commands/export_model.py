"""`next-jax export CHECKPOINT --out=DIR`: writes a checkpoint as a model of Hugging Face."""

import argparse
import os
import re
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files

EXAMPLE = "next-jax export runs/open_model/iteration_01/finetune/checkpoint_36 --out=models/qwen_next"

_IMPORTED = re.compile(r"HuggingFaceVocabulary\.directory = \\?\s*['\"](.+)['\"]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.epilog = (
      f"Example: {EXAMPLE}. The directory then has safetensors, config.json, the tokenizer that the imported base came"
      " with, and a model card with the run's data, settings and results; `transformers` loads it."
  )
  parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a directory checkpoint_N of a run or of an import")
  parser.add_argument("--out", required=True, metavar="DIR", help="directory to make; it must not exist")
  parser.add_argument(
      "--model", metavar="DIR",
      help="the imported model that the checkpoint was tuned from (default: what the run's config.gin names, if any)",
  )
  parser.add_argument(
      "--adapter", action="store_true",
      help="of a checkpoint made with Tuning.lora, write the adapter alone, for peft (default: merged into its base)",
  )
  parser.add_argument(
      "--dtype", choices=("float32", "bfloat16"), help="type of the matrices (default: that of the checkpoint)"
  )


def main(arguments: argparse.Namespace) -> int:
  from next_jax.engines import lora
  from next_jax.engines import streaming
  from next_jax.models.open_weights import exporting
  from next_jax.models.open_weights import importing
  from next_jax.models.open_weights import peft

  checkpoint = epath.Path(os.path.abspath(arguments.checkpoint))
  imported = epath.Path(arguments.model) if arguments.model else _imported(checkpoint)
  network = _network(checkpoint, imported)
  base = files.read_json(imported / importing.MODEL) if imported else None
  card = exporting.card(name=epath.Path(arguments.out).name, base=base, **_facts(checkpoint))
  if arguments.adapter:
    adapter = lora.Adapter.of(checkpoint)
    if adapter is None:
      raise errors.ModelError(f"{os.fspath(checkpoint)}: is a whole network and no adapter; leave out --adapter")
    out = peft.export_adapter(
        network, streaming.ParameterReader(checkpoint).read, arguments.out, rank=adapter.lora.rank,
        alpha=adapter.lora.alpha, targets=adapter.lora.targets, base=base["source"] if base else adapter.base,
        card=card,
    )
    print(f"{os.fspath(out)}: load it with peft.PeftModel.from_pretrained(base, {os.fspath(out)!r})")
    return 0
  out = exporting.export_model(
      network, streaming.reader(checkpoint), arguments.out, card=card, dtype=arguments.dtype, imported=imported
  )
  print(f"{os.fspath(out)}: load it with transformers.AutoModelForCausalLM.from_pretrained({os.fspath(out)!r})")
  return 0


def _network(checkpoint: epath.Path, imported: epath.Path | None) -> Any:
  """The network of a checkpoint: as its stage says, or else as the imported model says."""
  from next_jax.models import rotary
  from next_jax.models import transformer
  from next_jax.models.open_weights import importing

  stage = checkpoint.parent / "stage.json"
  if stage.exists():
    found = dict(files.read_json(stage)["settings"]["engine"]["network"])
    found.pop("class")
    scaling = found.get("rope_scaling")
    if scaling:
      kind = scaling.pop("class").rpartition(".")[2]
      found["rope_scaling"] = getattr(rotary, kind)(**scaling)
    return transformer.TransformerConfig(**found)
  if imported is not None:
    return importing.network_of(imported)
  raise errors.ModelError(
      f"{os.fspath(checkpoint)}: found neither stage.json nor model.json beside it, so its network is unknown; give a"
      " checkpoint of a run, or the imported model with --model=DIR"
  )


def _imported(checkpoint: epath.Path) -> epath.Path | None:
  """The imported model that a checkpoint is of, or that the run which made it began with."""
  if (checkpoint.parent / "model.json").exists():
    return checkpoint.parent
  workdir = _workdir(checkpoint)
  config = workdir / "config.gin" if workdir is not None else None
  named = _IMPORTED.search(config.read_text()) if config is not None and config.exists() else None
  if named is None:
    return None
  directory = epath.Path(named[1])
  if not (directory / "model.json").exists():
    raise errors.ModelError(
        f"{named[1]}/model.json: no such file, but {config} names it; give the model with --model=DIR"
    )
  return directory


def _workdir(checkpoint: epath.Path) -> epath.Path | None:
  return next((parent for parent in checkpoint.parents if (parent / "run.json").exists()), None)


def _facts(checkpoint: epath.Path) -> dict[str, Any]:
  """Data, settings and results for the model card, as far as the work directory has them."""
  facts: dict[str, Any] = {"data": {}, "settings": {}, "results": {}}
  workdir = _workdir(checkpoint)
  stage = checkpoint.parent / "stage.json"
  if workdir is None or not stage.exists():
    return facts
  run = files.read_json(workdir / "run.json")
  facts["data"] = {name: splits for name, splits in run.get("dataset_digests", {}).items()}
  manifest = files.read_json(stage)
  facts["settings"] = {
      **manifest["settings"]["tuning"], "seed": manifest["settings"]["seed"], "metrics": manifest["metrics"],
      "git_commit": run.get("git_commit"), "versions": run.get("versions"),
  }
  for metrics in sorted(checkpoint.parent.parent.glob("evaluate/*/metrics.json")):
    found = files.read_json(metrics)
    for k, one in found["pass_at"].items():
      key = f"{found['corpus']}, {found['split']}, input {found['input']}, {found['num_tasks']} tasks, pass@{k}"
      facts["results"][key] = f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}] (95 % over tasks)"
  return facts
