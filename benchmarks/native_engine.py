"""How fast the native engine samples and trains: the shipped base model on tasks of MiniRepair.

    python benchmarks/native_engine.py [--tasks 400] [--samples 8] [--rows 256] [--row_tokens 384]

Samples every task, then tunes on what was sampled. Each is done twice: the first time with
compilation (or with reading compiled programs from the cache), the second time without. Figures a
CPU second count the CPU time of the process, so they say more than the clock on a machine that
does something else as well.
"""

import argparse
import contextlib
import pathlib
import tempfile
import time

from next_jax import files
from next_jax.corpora import data_dir
from next_jax.corpora.minirepair import minirepair
from next_jax.engines import engine
from next_jax.engines import optimizers
from next_jax.engines.native import native
from next_jax.models import base_models
from next_jax.models import transformer
from next_jax.models import vocabularies
from next_jax.prompts import seqio_tasks
from next_jax.prompts import training_example


@contextlib.contextmanager
def measured(name: str, unit: str):
  """Prints how many of what the body puts into the list were done a second."""
  counts = []
  clock, cpu = time.perf_counter(), time.process_time()
  yield counts
  clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
  total = sum(counts)
  print(
      f"{name}: {total} {unit} in {clock:.1f} s: {total / clock:,.0f} a second, {total / cpu:,.0f} a CPU second",
      flush=True,
  )


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--tasks", type=int, default=400)
  parser.add_argument("--samples", type=int, default=8, help="of a task")
  parser.add_argument("--rows", type=int, default=256, help="decoded together")
  parser.add_argument("--row_tokens", type=int, default=384, help="of a packed row in training")
  parser.add_argument("--top_k", type=int, default=0)
  parser.add_argument("--top_p", type=float, default=1.0)
  arguments = parser.parse_args()

  network = transformer.TransformerConfig(vocab_size=1280)
  bench = native.NativeEngine(network=network, sample_batch_size=arguments.rows, write_summaries=False)
  checkpoint = base_models.minirepair_1m()
  sampling = engine.Sampling(top_k=arguments.top_k, top_p=arguments.top_p)
  with tempfile.TemporaryDirectory() as temporary:
    directory = pathlib.Path(temporary)
    data_dir.set_data_dir(directory)
    minirepair.MiniRepair(num_train=arguments.tasks, num_dev=1, num_unseen=1).build(directory / "minirepair")
    import tasks.minirepair  # noqa: F401  (registers the task; after the corpus is there)

    for seed in range(2):
      with measured("sampling", "samples") as counts:
        samples = []
        for chunk in bench.sample(
            task="minirepair_trace", split="train", checkpoint=checkpoint, num_samples=arguments.samples,
            sampling=sampling, seed=seed,
        ):
          samples.extend(chunk)
          counts.append(len(chunk))
    print(f"  {sum(sample.token_count for sample in samples) / len(samples):.0f} tokens a sample")

    prompts = {row["task_id"].decode(): row["inputs_pretokenized"] for row in prompts_of("minirepair_trace")}
    files.write_jsonl(
        directory / "train.jsonl",
        (
            training_example.Example(
                task_id=sample.task_id, inputs=prompts[sample.task_id].decode(), targets=sample.completion
            )
            for sample in samples
        ),
    )
    seqio_tasks.register_training_set(
        "benchmark", directory, file="train.jsonl", vocabulary=vocabularies.minirepair_vocabulary()
    )
    tuning = engine.Tuning(
        optimizer=optimizers.muon, learning_rate=0.01, num_epochs=1, sequence_length=arguments.row_tokens,
        batch_size=round(4096 / arguments.row_tokens / 2) * 2,
    )
    for seed in range(2):
      with measured("training", "tokens") as counts:
        _, metrics = bench.finetune(
            task="benchmark", checkpoint=checkpoint, directory=directory / f"run_{seed}", tuning=tuning, seed=seed
        )
        counts.append(metrics["tokens"])


def prompts_of(task: str):
  import seqio

  return seqio.get_mixture_or_task(task).get_dataset(None, "train", shuffle=False).as_numpy_iterator()


if __name__ == "__main__":
  main()
