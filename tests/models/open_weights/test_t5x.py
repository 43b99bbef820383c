"""T5X samples and scores imported models as the native engine does."""

import dataclasses
import functools
import importlib

import imported_models
import pytest
import random_models
import seqio
import tensorflow as tf

from next_jax.engines import engine
from next_jax.engines.native import native
from next_jax.models.open_weights import importing
from next_jax.models.open_weights import vocabulary

SAMPLING = engine.Sampling(temperature=0.0, max_prompt_length=64, max_completion_length=12)
TEXTS = ("def run(x):\n  return x", "sun", "the rest of a longer text, with 12345 and more")


def engines(network):
  try:
    t5x = importlib.import_module("next_jax.engines.t5x.t5x")
  except ImportError as error:
    pytest.skip(str(error))
  options = {"network": network, "write_summaries": False, "compilation_cache": None, "sample_batch_size": 8}
  return native.NativeEngine(**options), t5x.T5XEngine(**options)


def register(name, words):
  def read(split, shuffle_files, seed=None):
    del split, shuffle_files, seed
    return tf.data.Dataset.from_tensor_slices(
        {"inputs": list(TEXTS), "targets": ["un", "x = 1", ""], "task_id": [str(number) for number in range(3)]}
    )

  if name not in seqio.TaskRegistry.names():
    seqio.TaskRegistry.add(
        name, source=seqio.FunctionDataSource(read, splits=("dev",)),
        preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
        output_features={
            "inputs": seqio.Feature(words, add_eos=False), "targets": seqio.Feature(words, add_eos=True),
        },
    )
  return name


@pytest.mark.parametrize("family", ["llama3", "qwen2", "qwen3", "gemma3", "mistral"])
@pytest.mark.parametrize("start_id", [random_models.START, None])
def test_both_engines_give_the_same_on_an_imported_model(family, start_id, directory):
  model = imported_models.make(family, directory)
  both = engines(dataclasses.replace(model.network, start_id=start_id))
  task = register(f"open_{family}", vocabulary.HuggingFaceVocabulary(model.directory, "</s>"))
  checkpoint = model.directory / importing.CHECKPOINT
  ask = functools.partial(dict, task=task, split="dev", checkpoint=checkpoint)
  samples = [
      [one for chunk in each.sample(**ask(), num_samples=2, sampling=SAMPLING, seed=0) for one in chunk]
      for each in both
  ]
  scores = [list(each.score(**ask())) for each in both]
  assert len(samples[0]) == 6
  for found, expected in zip(*samples, strict=True):
    assert (found.completion, found.token_count) == (expected.completion, expected.token_count)
    assert found.log_probability == pytest.approx(expected.log_probability, abs=1e-3)
  for found, expected in zip(*scores, strict=True):
    assert found.log_probability == pytest.approx(expected.log_probability, abs=1e-3)
