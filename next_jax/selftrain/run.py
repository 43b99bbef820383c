"""What the verbs of a run share."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from etils import epath

from next_jax.engines import engine as engine_lib
from next_jax.execution import executor as executor_lib
from next_jax.stages import invocation as invocation_lib
from next_jax.stages import seeds
from next_jax.stages import stage as stage_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
  """Handed to every verb; nothing in it changes during the run.

  Attributes:
    workdir: The work directory.
    engine: Samples and fine-tunes.
    executor: Runs programs; its workers have started.
    sampling: How completions are drawn, for training and evaluation.
    digests: Corpus -> split -> digest of its file in the work directory.
    seed: Every other seed of the run is derived from it.
    invocation: How the run was started.
  """

  workdir: epath.Path
  engine: engine_lib.Engine
  executor: executor_lib.Executor
  sampling: engine_lib.Sampling
  digests: Mapping[str, Mapping[str, str]]
  seed: int
  invocation: invocation_lib.Invocation = invocation_lib.Invocation()

  def derive_seed(self, *purpose: str | int) -> int:
    """A seed in [0, 2**31) for one purpose, such as ("sample", "iteration_01")."""
    return seeds.derive(self.seed, *purpose)

  def stage(self, name: str, *, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> stage_lib.Stage:
    """The stage `name` of this run; see `stage.Stage`."""
    return stage_lib.Stage(
        name=name, workdir=self.workdir, settings=settings, inputs=inputs, invocation=self.invocation
    )
