"""`next-jax import SOURCE --out=DIR`: makes a checkpoint and a gin file of somebody else's model."""

import argparse
import os

from etils import epath

EXAMPLE = "next-jax import Qwen2.5-Coder-0.5B-Instruct/ --out=models/qwen"


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.epilog = (
      f"Example: {EXAMPLE}; then give --gin_file=models/qwen/network.gin after a run's own gin file. Llama 2 and 3,"
      " SmolLM2, Mistral, Qwen2, Qwen2.5, Qwen3 and Gemma 3 (text) can be imported. Pickled weights are refused."
  )
  parser.add_argument(
      "source", metavar="SOURCE",
      help="a directory with config.json, safetensors and tokenizer; a .gguf file, or a directory with its parts; or"
      " hf://ORG/NAME@REVISION",
  )
  parser.add_argument("--out", required=True, metavar="DIR", help="directory to make; it must not exist")
  parser.add_argument(
      "--dtype", choices=("float32", "bfloat16"),
      help="type in which matrices are stored (default: bfloat16 where the source has it, else float32)",
  )
  parser.add_argument(
      "--base", metavar="DIR",
      help="SOURCE is a LoRA adapter of peft, for the model that was imported into this directory",
  )
  parser.add_argument("--licence", metavar="NAME", help="licence of the model, where its files do not say it")


def main(arguments: argparse.Namespace) -> int:
  if arguments.base:
    return _import_adapter(arguments)
  from next_jax.engines import streaming
  from next_jax.models.open_weights import importing

  imported = importing.import_model(
      arguments.source, epath.Path(arguments.out), save=streaming.save, dtype=arguments.dtype,
      licence=arguments.licence,
  )
  directory = os.fspath(imported.directory)
  print(f"{imported.num_parameters / 1e6:,.1f} million parameters: {directory}/{importing.CHECKPOINT}")
  print(f"add --gin_file={directory}/network.gin to a run")
  return 0


def _import_adapter(arguments: argparse.Namespace) -> int:
  from flax import traverse_util

  from next_jax import files
  from next_jax.engines import checkpoints
  from next_jax.engines import lora
  from next_jax.models.open_weights import importing
  from next_jax.models.open_weights import peft

  form, arrays = peft.read_adapter(arguments.source, importing.network_of(arguments.base))
  adapter = lora.Adapter.on(lora.Lora(**form), epath.Path(arguments.base) / importing.CHECKPOINT)
  with files.whole_directory(arguments.out) as partial:
    checkpoints.save(partial, 0, traverse_util.unflatten_dict(arrays), None, {"steps": 0}, adapter)
  checkpoint = epath.Path(os.path.abspath(arguments.out)) / importing.CHECKPOINT
  print(f"{os.fspath(checkpoint)}: an adapter of rank {adapter.lora.rank} on {adapter.base}")
  print(f"add --gin_file={arguments.base}/network.gin and --gin.BASE_CHECKPOINT=\"'{os.fspath(checkpoint)}'\" to a run")
  return 0
