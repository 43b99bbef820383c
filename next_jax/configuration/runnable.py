"""What a config file binds to `main.run.program`."""

from typing import Any, Protocol


class Runnable(Protocol):
  """An object that `next-jax run` can run: a self-training loop, a pretraining, a sweep, or your own.

  Attributes:
    workdir: Work directory, to which everything is written.
  """

  workdir: Any

  def prepare(self) -> None:
    """Checks what the run needs and writes nothing; raises UserError."""
    ...

  def run(self, invocation: Any) -> None:
    """Runs to the end, or resumes a run that was killed; `invocation` is a `stages.invocation.Invocation`."""
    ...

  def run_facts(self) -> dict[str, Any]:
    """Seeds and dataset digests: the program's part of run.json."""
    ...


class Prompts(Protocol):
  """How a model is prompted; `prompts.model_prompts.ModelPrompts` is one."""

  def adopt(self) -> None:
    """Makes it the way in which all tasks are prompted."""
    ...


def run(program: Runnable, prompts: Prompts | None = None) -> Runnable:
  """Returns the program. Config files bind `main.run.program` and, for a model of others, `main.run.prompts`."""
  if prompts is not None:
    prompts.adopt()
  return program
