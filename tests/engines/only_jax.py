"""Run by test_only_jax.py: trains and samples a tiny network where only JAX, Flax, Optax and Orbax are installed."""

import sys

for package in (
    "clu", "gin", "matplotlib", "seqio", "sentencepiece", "t5x", "tensorboard", "tensorflow", "tensorflow_datasets",
    "tensorflow_text", "tqdm",
):
  sys.modules[package] = None  # type: ignore[assignment]  # as if it were not installed

import numpy as np  # noqa: E402  (behind the packages that are not there)
import optax  # noqa: E402

from next_jax.engines import checkpoints  # noqa: E402
from next_jax.engines import engine  # noqa: E402
from next_jax.engines import examples as examples_lib  # noqa: E402
from next_jax.engines import parameters  # noqa: E402
from next_jax.engines import sharding  # noqa: E402
from next_jax.engines import training_plan  # noqa: E402
from next_jax.engines.native import sampler  # noqa: E402
from next_jax.engines.native import scorer  # noqa: E402
from next_jax.engines.native import trainer  # noqa: E402
from next_jax.models import transformer  # noqa: E402

NETWORK = transformer.TransformerConfig(
    vocab_size=16, embed_dim=16, num_layers=2, num_heads=2, head_dim=8, mlp_dim=32
)
EOS = 1


def main(directory: str) -> None:
  model, layout = transformer.Transformer(NETWORK), sharding.Layout.over_all_devices()
  # The target repeats the one token of the inputs.
  examples = examples_lib.collect(
      {"inputs": np.array([token]), "targets": np.array([token, EOS])} for token in range(2, 16)
  )
  plan = training_plan.TrainingPlan(
      examples=examples, seed=0, directory=directory, loss_on_targets_only=True, keep_optimizer_state=False,
      tuning=engine.Tuning(
          optimizer=optax.adamw, learning_rate=0.02, num_epochs=60, sequence_length=16, batch_size=2
      ),
  )
  losses = []
  checkpoint, metrics = trainer.Trainer(network=NETWORK, layout=layout).train(
      plan, lambda: parameters.random(model, layout, 0),
      lambda step, num_steps, scalars: losses.append(scalars.get("loss")),
  )
  params = checkpoints.restore(checkpoint, parameters.abstract(model, layout))[1]
  completions = sampler.Sampler(NETWORK, layout).complete(
      params, prompts=[np.array([5], np.int32), np.array([9], np.int32)], task_ids=["a", "b"], chunk_tasks=2,
      num_samples=1, sampling=engine.Sampling(temperature=0.0, max_completion_length=4), seed=0, eos_id=EOS,
  )
  scores = list(scorer.Scorer(NETWORK, layout).score(params, examples))
  print(losses[1], metrics["loss"], *(completions.tokens[row, :2].tolist() for row in range(2)), len(scores))


if __name__ == "__main__":
  main(sys.argv[1])
