"""The table of results, as text for a terminal; every number with its tasks, samples and seed."""

from collections.abc import Iterable, Sequence
import dataclasses

from next_jax.evaluation import intervals
from next_jax.report import workdir as workdir_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """One line of the table: one model on one set of tasks."""

  model: str
  corpus: str
  split: str
  input: str
  num_tasks: int
  num_samples: int
  seed: int
  pass_at: dict[int, intervals.Estimate]


def ordered(evaluations: Iterable[workdir_lib.Evaluation]) -> list[workdir_lib.Evaluation]:
  """Grouped by set of tasks, within it in the order of the loop."""
  evaluations = list(evaluations)
  sets = list(dict.fromkeys((e.corpus, e.split) for e in evaluations))
  return sorted(evaluations, key=lambda e: sets.index((e.corpus, e.split)))  # stable: the models stay in order


def rows(evaluations: Iterable[workdir_lib.Evaluation]) -> list[Row]:
  """One row for each evaluation, `ordered`."""
  return [
      Row(
          model=workdir_lib.label(e.model), corpus=e.corpus, split=e.split, input=e.input, num_tasks=e.num_tasks,
          num_samples=e.num_samples, seed=e.seed, pass_at=e.pass_at,
      )
      for e in ordered(evaluations)
  ]


def ks(some: Iterable[Row | workdir_lib.Evaluation]) -> list[int]:
  """Every k that some pass@k of these is known for."""
  return sorted({k for one in some for k in one.pass_at})


def text(some: Sequence[Row]) -> str:
  """The rows as aligned columns; intervals are 95 %, over tasks."""
  if not some:
    return "no evaluation is finished yet"
  columns = ["model", "corpus", "split", "input", "tasks", "samples", "seed"] + [f"pass@{k}" for k in ks(some)]
  cells = [columns]
  for row in some:
    estimates = [str(row.pass_at.get(k, "")) for k in ks(some)]
    numbers = [str(value) for value in (row.num_tasks, row.num_samples, row.seed)]
    cells.append([row.model, row.corpus, row.split, row.input, *numbers, *estimates])
  widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
  right = {"tasks", "samples", "seed"}
  lines = []
  for line in cells:
    lines.append("  ".join(c.rjust(w) if n in right else c.ljust(w) for c, w, n in zip(line, widths, columns)).rstrip())
  lines.insert(1, "  ".join("-" * width for width in widths))
  return "\n".join(lines)
