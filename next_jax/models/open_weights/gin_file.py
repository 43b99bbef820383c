"""The gin file that makes an imported model the base of a run."""

import dataclasses

from etils import epath

from next_jax.models import rotary
from next_jax.models import transformer

_HEAD = """\
# {source}, as next_jax's network; made by `next-jax import`. Give this file after a run's own gin file:
#
#   next-jax run --gin_file=gin_configs/runs/open_model.gin --gin_file={directory}/network.gin
#
# It sets the network, the vocabulary and the prompts of all repair tasks, and the checkpoint that the run starts from.
# Parameters are float32 in training. For products in bfloat16 add --gin.TransformerConfig.dtype="'bfloat16'".
from __gin__ import dynamic_registration

from next_jax import main
from next_jax.corpora import lengths
from next_jax.models import rotary
from next_jax.models import transformer
from next_jax.models.open_weights import vocabulary
from next_jax.prompts import chat
from next_jax.prompts import model_prompts

BASE_CHECKPOINT = "{checkpoint}"

main.run.prompts = @model_prompts.ModelPrompts()
model_prompts.ModelPrompts.vocabulary = @vocabulary.HuggingFaceVocabulary()
lengths.PromptLengths.vocabulary = @vocabulary.HuggingFaceVocabulary()
vocabulary.HuggingFaceVocabulary.directory = "{directory}"
vocabulary.HuggingFaceVocabulary.eos = {end!r}
"""
# Settings that are no property of the weights.
_OF_THE_RUN = ("attention_block", "dtype", "rematerialize", "scan_layers", "dropout_rate")
_CHAT = """\
model_prompts.ModelPrompts.chat = @chat.JinjaTemplate()
chat.JinjaTemplate.directory = "{directory}"
"""


def text(
    network: transformer.TransformerConfig, *, directory: epath.Path, checkpoint: epath.Path, end: str, is_chat: bool,
    source: str,
) -> str:
  """The text of network.gin."""
  values = {"source": source, "directory": directory, "checkpoint": checkpoint, "end": end}
  lines = [_HEAD.format(**values)]
  if is_chat:
    lines.append(_CHAT.format(**values))
  # Defaults too: the run's own file may have set another value.
  lines += [
      _binding(field.name, getattr(network, field.name))
      for field in dataclasses.fields(network)
      if field.name not in _OF_THE_RUN
  ]
  return "".join(f"{line.rstrip()}\n" for line in lines)


def _binding(name: str, value: object) -> str:
  if not isinstance(value, rotary.Scaling):
    return f"transformer.TransformerConfig.{name} = {value!r}"
  kind = f"rotary.{type(value).__name__}"
  parts = [f"transformer.TransformerConfig.{name} = @{kind}()"]
  parts += [f"{kind}.{key} = {number!r}" for key, number in dataclasses.asdict(value).items()]
  return "\n".join(parts)
