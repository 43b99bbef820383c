"""Run by a test: one process of an engine's work in several, on the task of conftest.py.

`python two_processes.py ENGINE DIRECTORY ADDRESS COUNT INDEX` tunes, measures every checkpoint, and samples and scores
this process's share; the last line that it prints says what came of it.
"""

import dataclasses
import json
import os
import sys

os.environ["JAX_NUM_CPU_DEVICES"] = "1"
sys.path.insert(0, os.path.dirname(__file__))

import conftest  # noqa: E402  (after the number of devices is set)
import jax  # noqa: E402
from jax._src import distributed  # noqa: E402  (the client of the service has no public name)
from jax.experimental import multihost_utils  # noqa: E402

from next_jax.engines import engine  # noqa: E402


def make(name):
  settings = {"network": conftest.NETWORK, "sample_batch_size": 4, "compilation_cache": None, "write_summaries": False}
  if name == "native":
    from next_jax.engines.native import native

    return native.NativeEngine(**settings)
  from next_jax.engines.t5x import t5x

  return t5x.T5XEngine(**settings)


def main(name: str, directory: str, address: str, count: int, index: int) -> None:
  if count > 1:
    jax.distributed.initialize(address, count, index)
    # Gloo gives up where processes come to their first collective more than 30 s apart, as on a busy machine they may.
    distributed.global_state.client.wait_at_barrier("started", 300_000)
    multihost_utils.sync_global_devices("started")
  task = conftest.register("engine_pairs", conftest.PAIRS)
  greedy = engine.Sampling(temperature=0, max_prompt_length=40, max_completion_length=8)
  tuning = dataclasses.replace(
      conftest.TUNING, num_epochs=8, save_every=6,
      validation=engine.Validation(task=task, metric="length", sampling=greedy),
  )
  one = make(name)
  checkpoint, metrics = one.finetune(task=task, checkpoint=None, directory=directory, tuning=tuning, seed=0)
  chunks = one.sample(
      task=task, split="dev", checkpoint=checkpoint, num_samples=4,
      sampling=dataclasses.replace(greedy, temperature=1.0), seed=3, skip=index, step=count,
  )
  print(json.dumps({
      "checkpoint": checkpoint.name,
      "metrics": metrics,
      "devices": len(jax.devices()),
      "samples": {f"{sample.task_id} {sample.sample_index}": sample.completion for chunk in chunks for sample in chunk},
      "scores": [score.log_probability for score in one.score(task=task, split="dev", checkpoint=checkpoint)],
  }))
  if count > 1:
    jax.distributed.shutdown()  # Waits for the others, which would stop without process 0.


if __name__ == "__main__":
  main(*sys.argv[1:4], *map(int, sys.argv[4:]))
