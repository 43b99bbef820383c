"""What a sweep should find out: pairs of models that its report compares, seed by seed and task by task."""

from collections.abc import Collection, Mapping
import dataclasses
import re

from next_jax import errors

# The metrics that a report can measure task by task; see report.measures.
METRICS = re.compile(r"pass_at_\d+(_new_code)?|contradicted_rationales|names_bug")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
  """A hypothesis, written down before the runs, and the contrasts that test it.

  Attributes:
    title: Title of the table. A later sweep in the same work directory replaces a finding of the same title.
    hypothesis: What the contrasts are expected to show.
    contrasts: (name, first, second) or (name, first, second, metric). First and second are ARM/MODEL/EVALUATION, as in
      ("dev", "next/base/dev", "next/last/dev"). The contrast is the metric of the second minus that of the first, on
      the tasks that both evaluations have. Each side may be a gain, "ARM/MODEL/EVALUATION - ARM/MODEL/EVALUATION". A
      model is the name of its directory, or "last" for the last iteration, or "control_unfiltered_last" for the last
      iteration of that control. Metrics are pass_at_1 (the default), pass_at_8, ..., pass_at_1_new_code (only tasks
      whose fix needs more than removing or moving lines), contradicted_rationales, and names_bug for localisation.
  """

  title: str
  hypothesis: str
  contrasts: tuple[tuple[str, ...], ...]

  def __post_init__(self):
    for contrast in self.contrasts:
      where = f"finding {self.title!r}, contrast {contrast!r}"
      if isinstance(contrast, str) or len(contrast) not in (3, 4):
        raise errors.SweepError(f"{where}: expected (name, first, second) or (name, first, second, metric)")
      if len(contrast) == 4 and not METRICS.fullmatch(contrast[3]):
        raise errors.SweepError(
            f"{where}: found metric {contrast[3]!r}, expected pass_at_<k>, contradicted_rationales or names_bug"
        )
      for measured in contrast[1:3]:
        if len(terms(measured)) > 2 or any(len(term.split("/")) != 3 for term in terms(measured)):
          raise errors.SweepError(
              f"{where}: found {measured!r}, expected ARM/MODEL/EVALUATION, such as next/last/dev, or one minus another"
          )

  def check(self, evaluations: Mapping[str, Collection[str]]) -> None:
    """Raises SweepError if a contrast names an arm or an evaluation that the sweep does not have.

    Args:
      evaluations: Arm -> names of its evaluations.
    """
    for contrast in self.contrasts:
      for measured in (*terms(contrast[1]), *terms(contrast[2])):
        arm, _, evaluation = measured.split("/")
        where = f"finding {self.title!r}, contrast {contrast[0]!r}"
        if arm not in evaluations:
          raise errors.SweepError(f"{where}: no arm {arm!r}; the arms are {', '.join(evaluations)}")
        if evaluation not in evaluations[arm]:
          known = ", ".join(evaluations[arm])
          raise errors.SweepError(f"{where}: arm {arm!r} has no evaluation {evaluation!r}; it has {known}")


def terms(measured: str) -> list[str]:
  """Splits one side of a contrast into its ARM/MODEL/EVALUATION: one, or two for a gain (later, earlier)."""
  return measured.split(" - ")
