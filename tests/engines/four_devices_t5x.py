"""Run by a test in a process with four simulated devices: what T5X's engine does on two meshes."""

import dataclasses
import json
import os
import pathlib
import sys

os.environ["JAX_NUM_CPU_DEVICES"] = "4"
sys.path.insert(0, os.path.dirname(__file__))

import conftest  # noqa: E402  (after the number of devices is set)

from next_jax.engines import engine  # noqa: E402
from next_jax.engines.t5x import t5x  # noqa: E402


def main(directory: str) -> None:
  task = conftest.register("engine_pairs", conftest.PAIRS)
  network = dataclasses.replace(conftest.NETWORK, vocab_size=260)  # divides over the devices; 259 does not
  tuning = dataclasses.replace(conftest.TUNING, num_epochs=2)
  sampling = engine.Sampling(temperature=1.0, max_prompt_length=40, max_completion_length=8)

  def make(model_parallelism):
    return t5x.T5XEngine(
        network=network, write_summaries=False, compilation_cache=None, model_parallelism=model_parallelism
    )

  two_by_two = make(2)
  checkpoint, _ = two_by_two.finetune(
      task=task, checkpoint=None, directory=pathlib.Path(directory) / "tuned", tuning=tuning, seed=0
  )
  state = two_by_two._trainer(tuning)._trainer.train_state
  gate = state.params["layers_0"]["mlp"]["gate"]["kernel"]
  moment = state.param_states[0].mu["layers_0"]["mlp"]["gate"]["kernel"]

  def completions(one):
    chunks = one.sample(task=task, split="dev", checkpoint=checkpoint, num_samples=2, sampling=sampling, seed=3)
    return {f"{sample.task_id} {sample.sample_index}": sample.completion for chunk in chunks for sample in chunk}

  print(json.dumps({
      "mesh": dict(two_by_two.layout.mesh.shape),
      "shape": gate.shape,
      "shards": [gate.addressable_shards[0].data.shape, moment.addressable_shards[0].data.shape],
      "2x2": completions(two_by_two),
      "1x4": completions(make(4)),  # more devices than key and value heads: these stay whole
  }))


if __name__ == "__main__":
  main(sys.argv[1])
