"""Readback: reads the states of a trace back from the comments of an annotated source."""

from next_jax import schema
from next_jax.tracing import shortening
from next_jax.tracing import statements
from next_jax.tracing.annotation import comments
from next_jax.tracing.annotation import places


def read(source: str) -> dict[int, comments.Comment]:
  """Line of a statement, as `schema.Step.line` has it -> the comment of the statement.

  A comment whose states can all be read is one of ours, whoever wrote it. In the rare source in which two statements
  share the only place for a comment (`if x \\` and `: y = 1` on the next line), the line is that of the first.

  Raises:
    statements.SourceError: the source does not compile.
  """
  found = _places(source)
  return {found.served(line): comment for line, comment in sorted(found.found.items())}


def plain(source: str) -> str:
  """The source without its annotation.

  Raises:
    statements.SourceError: the source does not compile.
  """
  found = _places(source)
  return "".join(map("".join, zip(found.lines, found.ends, strict=True)))


def _places(source: str) -> places.Places:
  statements.analyse(source)  # what does not compile has no comments to speak of
  return places.Places(source)


def agrees(comment: comments.Comment, trace: schema.Trace) -> bool:
  """Whether every state of a comment is the trace's, but for shortened values and what `...` leaves out."""
  return all(
      state.number < len(trace.steps) and _is_of(state, trace.steps[state.number], i + 1 in comment.gaps)
      for i, state in enumerate(comment.states)
  )


def is_shortened(text: str, value: str) -> bool:
  """Whether a text in a comment is a value of a trace, in full or with `...` in the place of a part of it."""
  value = comments.one_line(value)
  if text == value:
    return True
  at = text.find(shortening.ELLIPSIS)
  while at >= 0:
    head, tail = text[:at], text[at + len(shortening.ELLIPSIS) :]
    if len(head) + len(tail) <= len(value) and value.startswith(head) and value.endswith(tail):
      return True
    at = text.find(shortening.ELLIPSIS, at + 1)
  return False


def _is_of(state: comments.WrittenState, step: schema.Step, may_be_bare: bool) -> bool:
  if may_be_bare and not state.changes and state.verb is None:
    return True
  return (
      state.verb == (comments.VERBS.get(step.event) if step.value is not None else None)
      and [name for name, _ in state.changes] == [name for name, _ in step.changes]
      and all(is_shortened(text, value) for (_, text), (_, value) in zip(state.changes, step.changes, strict=True))
      and (step.value is None or (state.value is not None and is_shortened(state.value, step.value)))
  )
