"""The native engine beside T5X: samples and training tokens a second, one network, checkpoint and set of prompts.

    python benchmarks/engines.py [--tasks 64] [--samples 8] [--rounds 2]

Needs T5X (requirements/t5x.txt). The engines take turns, so that what else the machine does meets
both. A first turn, which compiles, is not counted. Figures a CPU second count the CPU time of the
process, so they say more than the clock on a busy machine.
"""

import argparse
import collections
import pathlib
import statistics
import tempfile
import time

from next_jax import files
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair
from next_jax.engines import engine
from next_jax.engines import optimizers
from next_jax.engines import task_reader
from next_jax.engines.native import native
from next_jax.engines.t5x import t5x
from next_jax.models import base_models
from next_jax.models import transformer
from next_jax.models import vocabularies
from next_jax.prompts import seqio_tasks
from next_jax.prompts import training_example

_TASK = "minirepair_trace"
_ROW_TOKENS = 384


def sampling_speed(an_engine, arguments, seed):
  """(samples a second, samples a CPU second, the samples)."""
  clock, cpu = time.perf_counter(), time.process_time()
  samples = []
  for chunk in an_engine.sample(
      task=_TASK, split="train", checkpoint=base_models.minirepair_1m(), num_samples=arguments.samples,
      sampling=engine.Sampling(), seed=seed,
  ):
    samples.extend(chunk)
  return len(samples) / (time.perf_counter() - clock), len(samples) / (time.process_time() - cpu), samples


def training_speed(an_engine, directory, seed):
  """(tokens a second, tokens a CPU second), checkpoint and all."""
  tuning = engine.Tuning(
      optimizer=optimizers.muon, learning_rate=0.003, num_epochs=1, sequence_length=_ROW_TOKENS, batch_size=8
  )
  clock, cpu = time.perf_counter(), time.process_time()
  _, metrics = an_engine.finetune(
      task="benchmark", checkpoint=base_models.minirepair_1m(), directory=directory, tuning=tuning, seed=seed
  )
  return metrics["tokens"] / (time.perf_counter() - clock), metrics["tokens"] / (time.process_time() - cpu)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--tasks", type=int, default=64)
  parser.add_argument("--samples", type=int, default=8, help="of a task")
  parser.add_argument("--rounds", type=int, default=2, help="that are counted")
  arguments = parser.parse_args()

  network = transformer.TransformerConfig(vocab_size=1280)
  engines = {
      "native": native.NativeEngine(network=network, write_summaries=False),
      "t5x": t5x.T5XEngine(network=network, write_summaries=False),
  }
  speeds = collections.defaultdict(list)
  with tempfile.TemporaryDirectory() as temporary:
    directory = pathlib.Path(temporary)
    data_dir.set_data_dir(directory)
    minirepair.MiniRepair(num_train=arguments.tasks, num_dev=1, num_unseen=1).build(directory / "minirepair")
    import tasks.minirepair  # noqa: F401  (registers the task; after the corpus is there)

    for turn in range(arguments.rounds + 1):
      texts = {}
      for name, one in engines.items():
        clock, cpu, samples = sampling_speed(one, arguments, seed=turn)
        texts[name] = [sample.completion for sample in samples]
        if turn:
          speeds["sampling", name].append((clock, cpu))
      same = sum(ours == theirs for ours, theirs in zip(texts["native"], texts["t5x"], strict=True))
      print(f"turn {turn}: {same} of {len(samples)} samples have the same text", flush=True)

    task = task_reader.find_task(_TASK, network.vocab_size)
    prompts = {row["task_id"].decode(): row["inputs_pretokenized"].decode() for row in task_reader.read(task, "train")}
    files.write_jsonl(
        directory / "train.jsonl",
        (
            training_example.Example(task_id=sample.task_id, inputs=prompts[sample.task_id], targets=sample.completion)
            for sample in samples
        ),
    )
    seqio_tasks.register_training_set(
        "benchmark", directory, file="train.jsonl", vocabulary=vocabularies.minirepair_vocabulary()
    )
    for turn in range(arguments.rounds + 1):
      for name, one in engines.items():
        speed = training_speed(one, directory / f"{name}_{turn}", seed=turn)
        if turn:
          speeds["training", name].append(speed)

  for what, unit in (("sampling", "samples"), ("training", "tokens")):
    for column, second in enumerate(("second", "CPU second")):
      ours, theirs = (statistics.median(row[column] for row in speeds[what, name]) for name in engines)
      print(f"{what}: native {ours:,.1f}, T5X {theirs:,.1f} {unit} a {second}: {ours / theirs:.2f} times as many")


if __name__ == "__main__":
  main()
