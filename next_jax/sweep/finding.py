"""What a sweep is made to find out: pairs of models that its report compares, seed by seed and task by task."""

import dataclasses
from collections.abc import Collection

from next_jax import errors


class FindingError(errors.UserError):
  """A finding that cannot be told from what the sweep runs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
  """One model of one arm on one set of tasks.

  Attributes:
    arm: its name.
    model: directory of the model: "base", "iteration_01", "control_unfiltered"; "last" is the last iteration.
    evaluation: its name; the two of a contrast ask the same tasks.
  """

  arm: str
  model: str = "last"
  evaluation: str = "dev"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contrast:
  """How much more the second has of a metric than the first, of the tasks that both were asked.

  Attributes:
    name: of its row.
    metric: "pass_at_1", "pass_at_8", or a share of rationales in metrics.json: see `report.measures`.
  """

  name: str
  first: Measured
  second: Measured
  metric: str = "pass_at_1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
  """A hypothesis, written down before the runs, and the contrasts that answer it.

  Attributes:
    title: of its table.
    hypothesis: what is expected of the contrasts, and when it holds.
  """

  title: str
  hypothesis: str
  contrasts: tuple[Contrast, ...]

  def check(self, arms: Collection[str]) -> None:
    """Raises FindingError for an arm that is not among `arms`."""
    for contrast in self.contrasts:
      for measured in (contrast.first, contrast.second):
        if measured.arm not in arms:
          raise FindingError(
              f"finding {self.title!r}, contrast {contrast.name!r}: no arm {measured.arm!r}; the arms are"
              f" {', '.join(arms)}"
          )
