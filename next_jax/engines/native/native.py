"""The engine that needs nothing but Flax, Optax and Orbax, from a laptop to one host."""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import os

from etils import epath
import jax

from next_jax import schema
from next_jax.engines import engine
from next_jax.engines.native import checkpoints
from next_jax.engines.native import examples as examples_lib
from next_jax.engines.native import sharding
from next_jax.engines.native import trainer
from next_jax.models import transformer


@dataclasses.dataclass(frozen=True, kw_only=True)
class NativeEngine:
  """`engine.Engine` over all local devices.

  Attributes:
    network: sizes of the network; checkpoints must be of these.
    model_parallelism: devices that share one copy of the network; the others split the batch.
    axis_rules: from logical axis names to the mesh axes "data" and "model".
    bidirectional_prompts: tokens of a prompt see one another, in training and in sampling.
    loss_on_targets_only: else prompts are learned too, as in ordinary language modelling.
    keep_optimizer_state: of a finished training, for T5X to go on with the moments; triples the size.
    write_summaries: TensorBoard scalars beside the checkpoints.
    compilation_cache: directory of compiled programs, so that only the first run compiles; None:
      none is kept.
  """

  changes_no_result = (  # see selftrain/settings.py
      "model_parallelism", "axis_rules", "keep_optimizer_state", "write_summaries", "compilation_cache",
  )

  network: transformer.TransformerConfig
  model_parallelism: int = 1
  axis_rules: Sequence[Sequence[str | None]] = sharding.DEFAULT_RULES
  bidirectional_prompts: bool = False
  loss_on_targets_only: bool = True
  keep_optimizer_state: bool = False
  write_summaries: bool = True
  compilation_cache: str | None = "~/.cache/next_jax/compiled"

  def __post_init__(self):
    if self.compilation_cache is not None:
      jax.config.update("jax_compilation_cache_dir", os.path.expanduser(self.compilation_cache))
      jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

  @functools.cached_property
  def layout(self) -> sharding.Layout:
    return sharding.Layout.over_all_devices(model_parallelism=self.model_parallelism, rules=self.axis_rules)

  def finetune(
      self, *, task: str, checkpoint: epath.PathLike | None, directory: epath.PathLike, tuning: engine.Tuning, seed: int
  ) -> tuple[epath.Path, dict[str, float]]:
    """See `engine.Engine.finetune`."""
    found = examples_lib.find_task(task, self.network.vocab_size)
    model = transformer.Transformer(self.network)

    def initial_params():
      if checkpoint is None:
        return trainer.random_parameters(model, self.layout, seed)
      return checkpoints.restore(checkpoint, trainer.abstract_parameters(model, self.layout))[1]

    return trainer.Trainer(
        network=self.network,
        layout=self.layout,
        bidirectional_prompts=self.bidirectional_prompts,
        loss_on_targets_only=self.loss_on_targets_only,
        keep_optimizer_state=self.keep_optimizer_state,
        write_summaries=self.write_summaries,
    ).train(
        examples=examples_lib.read_tokens(found, "train", tuning.sequence_length),
        initial_params=initial_params,
        directory=directory,
        tuning=tuning,
        seed=seed,
    )
