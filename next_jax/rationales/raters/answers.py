"""The file that a rater exports from a page."""

from collections.abc import Sequence
import dataclasses
import os
from typing import ClassVar

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.rationales.raters import key as key_lib
from next_jax.rationales.raters import questions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer(schema.Record):
  """What a rater says of one item."""

  record_name: ClassVar[str] = "rater's answer"
  item: str
  bug_explained: str
  fix_suggested: str
  overall: int

  def __post_init__(self):
    for question in questions.QUESTIONS:
      found = getattr(self, question.name)
      if found not in question.scores:
        expected = ", ".join(str(choice) for choice in question.scores)
        raise schema.RecordError(f"key {question.name!r} of item {self.item!r}: found {found!r}, expected {expected}")

  def score(self, question: questions.Question) -> float:
    return question.scores[getattr(self, question.name)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RaterFile(schema.Record):
  """The answers of one rater, to the items that were answered whole.

  Attributes:
    study, built: Digest and time of the page, as in the key.
    page: Number of the page, from 1; it decides the order of the items.
    rater: Name that the rater typed in.
    exported: Time of the export, ISO 8601, UTC.
  """

  record_name: ClassVar[str] = "rater's file"
  study: str
  built: str
  page: int
  rater: str
  exported: str
  answers: tuple[Answer, ...]


def read_all(paths: Sequence[epath.PathLike], key: key_lib.Key) -> list[RaterFile]:
  """Reads one file of each rater.

  Raises:
    FileError: a file is malformed; the message names it and the JSON key.
    RationaleError: a file is of another study, answers an item twice or one that the key lacks, or its rater has given
      another file already.
  """
  found: dict[str, epath.PathLike] = {}
  out = []
  for path in paths:
    one = _read(path, key)
    if one.rater in found:
      raise errors.RationaleError(
          f"{os.fspath(path)}: key 'rater': {one.rater!r} also wrote {os.fspath(found[one.rater])}; give one file of"
          " each rater, the last that was exported"
      )
    found[one.rater] = path
    out.append(one)
  return out


def _read(path: epath.PathLike, key: key_lib.Key) -> RaterFile:
  where = os.fspath(path)
  try:
    one = RaterFile.from_json(files.read_json(path))
  except schema.RecordError as error:
    raise files.FileError(f"{where}: {error}; expected a file exported from a page of `next-jax rate make`") from None
  if one.study != key.study:
    raise errors.RationaleError(
        f"{where}: key 'study': found {one.study!r}, the key is of {key.study!r}; give the {key_lib.FILE_NAME} that was"
        " made with the rater's page"
    )
  if not one.rater.strip():
    raise errors.RationaleError(f"{where}: key 'rater': found no name, expected one that no other rater has")
  known = {item.item for item in key.items}
  seen = set()
  for answer in one.answers:
    if answer.item not in known:
      raise errors.RationaleError(f"{where}: key 'item': {answer.item!r} is not in the key; export the file again")
    if answer.item in seen:
      raise errors.RationaleError(f"{where}: key 'item': {answer.item!r} is answered twice; export the file again")
    seen.add(answer.item)
  return one
