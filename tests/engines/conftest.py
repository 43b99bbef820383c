"""A tiny network, and SeqIO tasks of a few short texts."""

import functools

import optax
import pytest
import seqio
import tensorflow as tf

from next_jax.engines import engine
from next_jax.engines.native import native
from next_jax.models import transformer

_VOCABULARY = seqio.ByteVocabulary()

PAIRS = (
    ("two and three is ", "five"),
    ("red and blue is ", "purple"),
    ("a ", "b"),
    ("the list [3, 1, 2] in order is ", "[1, 2, 3]"),
    ("nothing: ", ""),
    ("one more: ", "and it has a somewhat longer answer"),
)

NETWORK = transformer.TransformerConfig(
    vocab_size=_VOCABULARY.vocab_size, embed_dim=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, mlp_dim=64
)
TUNING = engine.Tuning(
    optimizer=optax.adamw, learning_rate=0.01, num_epochs=40, sequence_length=64, batch_size=2, save_every=20
)


def mean_length(targets, predictions):
  """A metric in SeqIO's form that is not the same for all checkpoints of a short training."""
  del targets
  return {"length": sum(map(len, predictions)) / len(predictions)}


def register(name: str, pairs: tuple[tuple[str, str], ...], splits: tuple[str, ...] = ("train", "dev")) -> str:
  """Registers a SeqIO task of (inputs, targets) texts once; returns its name."""

  def read(split, shuffle_files, seed=None):
    del split, shuffle_files, seed
    columns = {
        "inputs": [inputs for inputs, _ in pairs],
        "targets": [targets for _, targets in pairs],
        "task_id": [f"{name}/{number}" for number in range(len(pairs))],
    }
    return tf.data.Dataset.from_tensor_slices(columns)

  if name not in seqio.TaskRegistry.names():
    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(read, splits=splits),
        preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
        output_features={
            "inputs": seqio.Feature(_VOCABULARY, add_eos=False),
            "targets": seqio.Feature(_VOCABULARY, add_eos=True),
        },
        metric_fns=[mean_length],
    )
  return name


@pytest.fixture(scope="session")
def pairs() -> tuple[tuple[str, str], ...]:
  """(inputs, targets) of the examples of `task`."""
  return PAIRS


@pytest.fixture(scope="session")
def task() -> str:
  return register("engine_pairs", PAIRS)


@pytest.fixture(scope="session")
def same_prompts() -> str:
  """A task of two prompts with three targets each."""
  things, colours = ("ink", "snow"), ("blue", "white", "?")
  pairs = tuple((f"the colour of {thing} is ", colour) for thing in things for colour in colours)
  return register("same_prompts", pairs)


@pytest.fixture(scope="session")
def network() -> transformer.TransformerConfig:
  return NETWORK


@pytest.fixture(scope="session")
def make_engine(network, tmp_path_factory):
  cache = str(tmp_path_factory.mktemp("compiled"))
  return functools.partial(native.NativeEngine, network=network, write_summaries=False, compilation_cache=cache)


@pytest.fixture(scope="session")
def tiny_engine(make_engine) -> native.NativeEngine:
  return make_engine()


@pytest.fixture(scope="session")
def tuning() -> engine.Tuning:
  return TUNING


@pytest.fixture(scope="session")
def memorised(tiny_engine, task, tuning, tmp_path_factory):
  """(checkpoint, metrics) of a network that knows the task's targets by heart."""
  return tiny_engine.finetune(
      task=task, checkpoint=None, directory=tmp_path_factory.mktemp("memorised"), tuning=tuning, seed=0
  )
