"""Inline traces: the states of the variables as comments on the lines that produced them::

    def separate(lst):             # (0) lst=[1, 2, 3, 4]
        even, odd = [], []         # (1) even=[]; odd=[]
        for n in lst:              # (2) n=1; (4) n=2; ...; (8) n=4
            if n % 2:
                even.append(n)     # (3) even=[1]; ...; (7) even=[1, 3]
        return even, odd           # (10) return ([1, 3], [])

The format of NExT (Ni et al., arXiv 2404.14662). A number is the index of the step in the trace. If a line was visited
often, only its first and last visits are written. `...` stands for what was left out: visits of the
line, or iterations of its loop that did not reach it or changed nothing there.

Only comments are added, so the result is Python with the same AST. Annotating again replaces the annotation, and
`readback.read` gives back what it says.
"""

from collections.abc import Iterable, Mapping
import dataclasses

from next_jax import errors
from next_jax import schema
from next_jax.tracing import shortening
from next_jax.tracing import statements
from next_jax.tracing.annotation import comments
from next_jax.tracing.annotation import places
from next_jax.tracing.annotation import rounds
from next_jax.tracing.annotation import scopes

SHORTEST_COMMENT = 20  # characters: `...; (123456789) ...`

_TAB = 8
_SHORT_VALUE = 8  # characters; what `comment_width` may shorten values to
_NAMES_ONLY = 3  # width at which longer values are `...`
_NUMBER_ONLY = 0
_SHORTEST_VALUE = 5  # `ab...`, the least that `shortening.cut` gives


class MismatchError(errors.TracingError):
  """The trace does not belong to the source; the message names the step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InlineStyle:
  """How much of a trace is written, and where; all widths in characters.

  Attributes:
    first_visits: Maximum visits of a line that are written, counted from its first visit.
    last_visits: Maximum visits of a line that are written, counted back from its last visit.
    unchanged_visits: Whether visits that changed nothing are written, as `(7) -`.
    value_width: Maximum width of one value; longer ones lose their middle.
    comment_width: Maximum width of a line's comment, at least 20; visits are left out and values shortened to fit.
    functions: The functions whose states are written; see `scopes`.
    align: Whether the comments of a function are aligned in one column.
    gap: Spaces between the longest line that has a comment and the column.
    align_width: Lines longer than this do not move the column; their comment follows two spaces after them.
  """

  first_visits: int = 2
  last_visits: int = 1
  unchanged_visits: bool = False
  value_width: int = 60
  comment_width: int = 200
  functions: scopes.Scope = scopes.AllFunctions()
  align: bool = True
  gap: int = 5
  align_width: int = 72

  def __post_init__(self):
    least = {"value_width": 1, "comment_width": SHORTEST_COMMENT}
    for name in ("first_visits", "last_visits", "value_width", "comment_width", "gap", "align_width"):
      value = getattr(self, name)
      if type(value) is not int or value < least.get(name, 0):
        raise errors.TracingError(
            f"InlineStyle.{name}={value!r}: expected a whole number, at least {least.get(name, 0)}"
        )
    if not hasattr(self.functions, "lines"):
      raise errors.TracingError(
          f"InlineStyle.functions={self.functions!r}: expected an object such as AllFunctions(), CalledFunction() or"
          " NamedFunctions(names=('push',)) of next_jax.tracing.annotation.scopes"
      )


def annotate(source: str, trace: schema.Trace, style: InlineStyle = InlineStyle()) -> str:
  """The source with the states of `trace` as comments.

  Raises:
    statements.SourceError: the source does not compile.
    MismatchError: the trace is not one of this source.
  """
  return Annotation(source, trace, style).text


class Annotation:
  """A source with the part of its trace that a style shows.

  Attributes:
    shown: number of each step that is written -> width of its values.
    text: the annotated source with all of them.
  """

  def __init__(self, source: str, trace: schema.Trace, style: InlineStyle):
    """Raises as `annotate`."""
    self._steps = trace.steps
    self._style = style
    self._layout = statements.analyse(source)
    self._places = places.Places(source)
    self._visits = self._find_visits(trace)  # line with the comment -> numbers of its steps
    self._left_out: dict[int, bool] = {}  # number of a step -> whether rounds were, since the visit before it
    self.shown: dict[int, int] = {}
    full: dict[int, str] = {}
    for line, numbers in self._visits.items():
      shown, full[line] = self._within_width(numbers)
      self.shown.update(shown)
    self.text = self._place(full)

  def write(self, shown: Mapping[int, int]) -> str:
    """The annotated source with these steps, a part of those in `self.shown`, at these widths."""
    return self._place({line: self._comment(numbers, shown) for line, numbers in self._visits.items()})

  def _place(self, comment: dict[int, str]) -> str:
    """The source with the comments of its lines; empty ones are none."""
    comment = {line: text for line, text in comment.items() if text}
    lines = list(self._places.lines)
    columns = self._columns(comment)
    for line, text in comment.items():
      code = lines[line - 1].rstrip()
      spaces = max(columns.get(self._layout.function[line], 0) - len(code.expandtabs(_TAB)), 2)
      lines[line - 1] = code + " " * spaces + "# " + text
    return "".join(map("".join, zip(lines, self._places.ends, strict=True)))

  def state(self, number: int, width: int) -> str:
    """The text of a step's state with values of this width."""
    if width == _NUMBER_ONLY:
      return comments.write_number(number)
    step = self._steps[number]
    changes = [(name, _shortened(value, width)) for name, value in step.changes]
    for name, _ in changes:
      if not name.isidentifier():
        raise MismatchError(f"step {number} of the trace: {name!r} is not a variable; record the trace again")
    if step.value is None:
      return comments.write_state(number, changes, None, None)
    if step.event not in comments.VERBS:
      raise MismatchError(f"step {number} of the trace: a {step.event!r} event has no value; record the trace again")
    return comments.write_state(number, changes, comments.VERBS[step.event], _shortened(step.value, width))

  def _find_visits(self, trace: schema.Trace) -> dict[int, list[int]]:
    visits: dict[int, list[int]] = {}
    chosen = self._style.functions.lines(self._layout, trace)
    num_lines, with_unchanged = len(self._places.lines), self._style.unchanged_visits
    for number, step in enumerate(trace.steps):
      line = step.line
      if not 0 < line <= num_lines:
        raise MismatchError(
            f"step {number} of the trace is on line {line}, but the source has {num_lines} lines; trace this source"
        )
      if (step.changes or step.value is not None or with_unchanged) and self._layout.function[line] in chosen:
        visits.setdefault(self._places.place(line), []).append(number)
    return visits

  def _within_width(self, numbers: list[int]) -> tuple[dict[int, int], str]:
    """Which of a line's visits are written and how wide, so that its comment keeps to its width; and the comment."""
    style = self._style
    first, last, width = style.first_visits, style.last_visits, style.value_width
    while True:
      shown = dict.fromkeys(_ends(numbers, first, last), width)
      text = self._comment(numbers, shown)
      if len(text) <= style.comment_width or width == _NUMBER_ONLY:
        return shown, text
      if first + last > 2 and first > 0 and len(numbers) > 1:
        first -= 1
      elif last > 1:
        last -= 1
      elif width > _SHORT_VALUE:
        width = max(width * 2 // 3, _SHORT_VALUE)
      elif len(shown) > 1:
        first, last = (first - 1, last) if first else (first, last - 1)
      else:
        width = _NAMES_ONLY if width > _NAMES_ONLY else _NUMBER_ONLY

  def _comment(self, numbers: list[int], shown: Mapping[int, int]) -> str:
    """The comment of a line that was visited at these steps, without the `# `; empty when none of them is shown."""
    parts = []
    before = -1
    for i, number in enumerate(numbers):
      if number not in shown:
        continue
      if i > before + 1 or (i and self._is_after_rounds(numbers[before], number)):
        parts.append(shortening.ELLIPSIS)
      parts.append(self.state(number, shown[number]))
      before = i
    if parts and before < len(numbers) - 1:
      parts.append(shortening.ELLIPSIS)
    return comments.BETWEEN.join(parts)

  def _is_after_rounds(self, before: int, number: int) -> bool:
    """Whether rounds were left out between a step and the visit of its line that comes next."""
    if number not in self._left_out:
      self._left_out[number] = rounds.left_out(self._steps, self._layout, before, number)
    return self._left_out[number]

  def _columns(self, lines: Iterable[int]) -> dict[int, int]:
    """Function -> the column of its comments."""
    columns: dict[int, int] = {}
    if self._style.align:
      for line in lines:
        width = len(self._places.lines[line - 1].rstrip().expandtabs(_TAB))
        if width <= self._style.align_width:
          function = self._layout.function[line]
          columns[function] = max(columns.get(function, 0), width + self._style.gap)
    return columns


def _ends(numbers: list[int], first: int, last: int) -> list[int]:
  if len(numbers) <= first + last:
    return numbers
  return numbers[:first] + numbers[len(numbers) - last :]


def _shortened(value: str, width: int) -> str:
  value = comments.one_line(value)
  if len(value) > width < _SHORTEST_VALUE:
    return value if len(value) <= len(shortening.ELLIPSIS) else shortening.ELLIPSIS
  return shortening.cut(value, width)
