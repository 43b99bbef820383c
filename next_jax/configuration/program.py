"""What a config file gives to be run: `main.run.program`."""

from typing import Any, Protocol


class Program(Protocol):
  """What `main.run.program` may be bound to."""

  workdir: Any

  def prepare(self) -> None:
    """Checks what the run needs, and writes nothing; raises UserError."""
    ...

  def run(self, invocation: Any) -> None:
    """Runs to the end, or resumes a killed run; `invocation` is a `stages.invocation.Invocation`."""
    ...

  def run_facts(self) -> dict[str, Any]:
    """Seeds, digests of datasets: what run.json says of this program."""
    ...


def run(program: Program) -> Program:
  """Every config binds `main.run.program` to what `next-jax run` shall run; `main` has this function by that name."""
  return program
