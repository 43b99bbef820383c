"""Run by test_trainer.py in a process of its own, which has four simulated devices."""

import dataclasses
import json
import pathlib
import sys

import jax

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import conftest  # pylint: disable=wrong-import-position

from next_jax.engines import engine
from next_jax.engines import optimizers
from next_jax.engines import parameters
from next_jax.engines.native import native
from next_jax.models import transformer


def main(checkpoint: str, directory: str) -> None:
  task = conftest.register("engine_pairs", conftest.PAIRS)
  four = native.NativeEngine(
      network=conftest.NETWORK, model_parallelism=2, write_summaries=False, compilation_cache=None
  )
  model = transformer.Transformer(four.network)
  params = parameters.random(model, four.layout, 0)
  optimizer = optimizers.muon(0.02)
  shardings = parameters.shardings(model, four.layout)
  state_shardings = four.layout.like_parameters(jax.eval_shape(optimizer.init, params), params, shardings)
  state = jax.jit(optimizer.init, out_shardings=state_shardings)(params)
  momentum = next(
      leaf
      for path, leaf in jax.tree_util.tree_leaves_with_path(state)
      if "mu" in jax.tree_util.keystr(path) and "down" in jax.tree_util.keystr(path)
  )

  def shard(leaf):
    return list(leaf.addressable_shards[0].data.shape)

  brief = dataclasses.replace(conftest.TUNING, num_epochs=5)
  _, metrics = four.finetune(task=task, checkpoint=None, directory=directory + "/four", tuning=brief, seed=0)
  chunks = four.sample(
      task=task, split="dev", checkpoint=checkpoint, num_samples=1, seed=0,
      sampling=engine.Sampling(temperature=0, max_completion_length=40),
  )
  layer = params["layers_0"]
  report = {
      "mesh": dict(four.layout.mesh.shape),
      "shards": {
          "query": shard(layer["attention"]["query"]["kernel"]),
          "down": shard(layer["mlp"]["down"]["kernel"]),
          "embedding": shard(params["token_embedder"]["embedding"]),
          "momentum": shard(momentum),
      },
      "loss": metrics["loss"],
      "completions": {sample.task_id: sample.completion for chunk in chunks for sample in chunk},
  }
  print(json.dumps(report))


if __name__ == "__main__":
  main(*sys.argv[1:])
