"""Run by test_sample_together.py: one of two processes with one device each, which sample a network in pieces.

`python sampling_together.py ADDRESS COUNT INDEX CHECKPOINT`; the last line that it prints says what came of it.
"""

import dataclasses
import json
import os
import pathlib
import sys

os.environ["JAX_NUM_CPU_DEVICES"] = "1"
sys.path.insert(0, os.path.dirname(__file__))

import conftest  # noqa: E402  (after the number of devices is set)
import gin  # noqa: E402
import jax  # noqa: E402

from next_jax.engines import engine  # noqa: E402
from next_jax.engines.native import native  # noqa: E402

CONFIGS = pathlib.Path(__file__).parents[2] / "gin_configs/engines"
SAMPLING = engine.Sampling(temperature=1.0, max_prompt_length=40, max_completion_length=20)


def pieces(tree):
  """Path -> [whole size, size on this process's device]."""
  return {
      jax.tree_util.keystr(path, simple=True, separator="/"): [leaf.size, leaf.addressable_shards[0].data.size]
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def main(address: str, count: int, index: int, checkpoint: str) -> None:
  jax.distributed.initialize(address, count, index)
  task = conftest.register("engine_pairs", conftest.PAIRS)
  for name in ("fsdp", "sample_together"):
    gin.parse_config_file(str(CONFIGS / f"{name}.gin"))
  bound = gin.get_configurable(native.NativeEngine)
  report = {}
  for model_parallelism in (1, 2):
    one = bound(
        network=conftest.NETWORK, model_parallelism=model_parallelism, sample_batch_size=4, write_summaries=False,
        compilation_cache=None,
    )
    chunks = one.sample(
        # As after a kill: process 0 resumes at its second chunk.
        task=task, split="dev", checkpoint=checkpoint, num_samples=2, sampling=SAMPLING, seed=3,
        skip=index if index else 2, step=count,
    )
    report[model_parallelism] = {
        "mesh": dict(one.own_layout.mesh.shape),
        "samples": [dataclasses.asdict(sample) for chunk in chunks for sample in chunk],
        "scores": [score.log_probability for score in one.score(task=task, split="dev", checkpoint=checkpoint)],
        "pieces": pieces(one._restore_to_sample(checkpoint)),
    }
  print(json.dumps(report))


if __name__ == "__main__":
  main(sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4])
