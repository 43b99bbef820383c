"""Fitting: an annotation abridged until it fits, keeping longest what is nearest to the failure.

The order in which things go is fixed by the trace and the style, and what fits is found by bisection over it, so that a
program is written a dozen times at most:

1. values of the states farthest from the failure are shortened, state by state towards it;
2. these states are left out, state by state towards the failure;
3. the value of the failure itself is shortened, and at last it is left out too.

The failure is the step that raised what ended the call or, where nothing did, the last step: the wrong return, or where
the budget of the recording ended. Distance is that of step numbers.
"""

from collections.abc import Callable
import dataclasses

from next_jax import schema
from next_jax.tracing.annotation import inline

SHORT_VALUE = 16  # characters of a shortened value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
  """An annotated program and what fitting it took away.

  Attributes:
    text: The annotated program.
    fits: False if even the program without any state does not fit; `text` is then that program.
    states: Number of states that are written.
    shortened: Number of written states with values shorter than the style's.
    left_out: Number of states that the style shows but that are not written.
  """

  text: str
  fits: bool
  states: int
  shortened: int = 0
  left_out: int = 0

  @property
  def is_abridged(self) -> bool:
    return self.shortened + self.left_out > 0


def fit(source: str, trace: schema.Trace, style: inline.InlineStyle, fits: Callable[[str], bool]) -> Fitted:
  """The annotated source, abridged until `fits` accepts it.

  Bisection assumes that a text which fits still fits when it is abridged further. Otherwise the result still fits,
  but a longer one might too.

  Raises:
    statements.SourceError: the source does not compile.
    inline.MismatchError: the trace is not one of this source.
  """
  annotation = inline.Annotation(source, trace, style)
  if fits(annotation.text):
    return Fitted(text=annotation.text, fits=True, states=len(annotation.shown))
  moves = _moves(annotation, failure(trace))
  kept = _Kept(annotation, moves, len(moves))
  if fits(kept.text):
    too_few, enough = 0, len(moves)
    while enough - too_few > 1:
      middle = (too_few + enough) // 2
      candidate = _Kept(annotation, moves, middle)
      if fits(candidate.text):
        enough, kept = middle, candidate
      else:
        too_few = middle
    return kept.fitted(True)
  return kept.fitted(False)


def failure(trace: schema.Trace) -> int:
  """The number of the step nearest to which states matter most; 0 for a trace without steps."""
  if trace.outcome == "raised":
    raised = [number for number, step in enumerate(trace.steps) if step.event == "exception"]
    ended = [number for number in raised if trace.steps[number].value == trace.detail]
    if ended or raised:
      return (ended or raised)[-1]
  return max(len(trace.steps) - 1, 0)


_Move = tuple[int, int | None]  # (step, its new width; None to leave it out)


def _moves(annotation: inline.Annotation, failed: int) -> list[_Move]:
  """Everything that can be taken away, in the order in which it goes."""
  order = sorted(annotation.shown, key=lambda number: (-abs(number - failed), -number))
  shorter = [
      (number, SHORT_VALUE)
      for number in order
      if annotation.shown[number] > SHORT_VALUE
      and annotation.state(number, SHORT_VALUE) != annotation.state(number, annotation.shown[number])
  ]
  moves = [*((n, width) for n, width in shorter if n != failed), *((n, None) for n in order if n != failed)]
  return moves + [(n, width) for n, width in shorter if n == failed] + [(n, None) for n in order if n == failed]


class _Kept:
  """An annotation after the first `count` moves."""

  def __init__(self, annotation: inline.Annotation, moves: list[_Move], count: int):
    self._annotation = annotation
    self._shown = dict(annotation.shown)
    for number, width in moves[:count]:
      if width is None:
        del self._shown[number]
      else:
        self._shown[number] = width
    self.text = annotation.write(self._shown)

  def fitted(self, fits: bool) -> Fitted:
    full = self._annotation.shown
    return Fitted(
        text=self.text,
        fits=fits,
        states=len(self._shown),
        shortened=sum(width < full[number] for number, width in self._shown.items()),
        left_out=len(full) - len(self._shown),
    )
