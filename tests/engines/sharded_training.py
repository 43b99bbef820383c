"""Run by test_sharding.py in a process of its own, which has eight simulated devices.

Trains the tiny network under the rules of gin_configs/engines/fsdp.gin on the meshes 2x2 and 4x2; prints where its
parameters and moments lie, and whether the checkpoint of the one is restored onto the other whole.
"""

import dataclasses
import json
import pathlib
import sys

import gin
import jax
import numpy as np
import optax

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import conftest  # pylint: disable=wrong-import-position

from next_jax.engines import checkpoints
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import task_reader
from next_jax.engines import training_plan
from next_jax.engines.native import native
from next_jax.engines.native import trainer
from next_jax.models import transformer

# 260 rows divide over the model axis; the vocabulary has 259.
NETWORK = dataclasses.replace(conftest.NETWORK, vocab_size=260)
MESHES = {"2x2": (2, 2), "4x2": (4, 2)}
FSDP = pathlib.Path(__file__).parents[2] / "gin_configs/engines/fsdp.gin"


def layouts():
  gin.parse_config_file(str(FSDP))
  bound = gin.get_configurable(native.NativeEngine)(network=NETWORK, compilation_cache=None)
  for name, shape in MESHES.items():
    devices = np.asarray(jax.devices()[: np.prod(shape)]).reshape(shape)
    yield name, sharding.Layout(
        mesh=jax.sharding.Mesh(devices, ("data", "model")), rules=tuple(map(tuple, bound.axis_rules))
    )


def templates(layout, optimizer):
  """Shapes and shardings of parameters and moments."""
  model = transformer.Transformer(NETWORK)
  params = parameters.abstract(model, layout)
  state = jax.eval_shape(optimizer.init, params)
  where = layout.like_parameters(state, params, parameters.shardings(model, layout))
  return params, jax.tree.map(lambda leaf, s: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=s), state, where)


def pieces(tree):
  """Path -> [whole shape, shape on one device, different pieces over all devices]."""
  return {
      jax.tree_util.keystr(path, simple=True, separator="/"): [
          list(leaf.shape), list(leaf.addressable_shards[0].data.shape),
          len({str(shard.index) for shard in leaf.addressable_shards}),
      ]
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def main(directory: str) -> None:
  task = conftest.register("engine_pairs", conftest.PAIRS)
  tuning = dataclasses.replace(conftest.TUNING, num_epochs=5, batch_size=4)
  optimizer = optax.adamw(lambda step: 0.01)  # its state has the count of a schedule, as in training
  tokens = task_reader.read_tokens(task_reader.find_task(task, NETWORK.vocab_size), "train", tuning.sequence_length)
  report, restored = {}, {}
  for name, layout in layouts():
    checkpoint, metrics = trainer.Trainer(network=NETWORK, layout=layout).train(
        training_plan.TrainingPlan(
            examples=tokens, tuning=tuning, seed=0, directory=f"{directory}/{name}", loss_on_targets_only=True,
            keep_optimizer_state=True,
        ),
        lambda layout=layout: parameters.random(transformer.Transformer(NETWORK), layout, 0),
        lambda step, num_steps, scalars: None,
    )
    report[name] = {"loss": metrics["loss"], "checkpoint": str(checkpoint)}
  for name, layout in layouts():
    step, params, state = checkpoints.restore(report["2x2"]["checkpoint"], *templates(layout, optimizer))
    restored[name] = params, state
    moments = next(part for part in state if hasattr(part, "mu")).mu
    report[name] |= {"step": step, "parameters": pieces(params), "moments": pieces(moments)}
  report["equal"] = all(
      bool(np.array_equal(one, other))
      for one, other in zip(jax.tree.leaves(restored["2x2"]), jax.tree.leaves(restored["4x2"]), strict=True)
  )
  print(json.dumps(report))


if __name__ == "__main__":
  main(*sys.argv[1:])
