"""Makes a study: pages for its raters, and the key to them."""

from collections.abc import Sequence
import datetime
import hashlib
import os

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.rationales.raters import draw
from next_jax.rationales.raters import key as key_lib
from next_jax.rationales.raters import page


def make(
    directories: Sequence[epath.PathLike], out: epath.PathLike, *, num_tasks: int, seed: int, num_raters: int,
    built: str | None = None,
) -> key_lib.Key:
  """Writes OUT/rater_1.html, ... and, last, OUT/key.json; returns the key.

  Args:
    directories: One evaluation of each model, all on the same tasks.
    num_raters: Number of pages, which differ in order only.
    built: Time in ISO 8601; None is now. Everything else follows from the evaluations and the seed.

  Raises:
    RationaleError: the evaluations make no study, or OUT has a key already, without which answers would be lost.
    FileError: a file of an evaluation is malformed.
  """
  out = epath.Path(out)
  if (out / key_lib.FILE_NAME).exists():
    raise errors.RationaleError(
        f"{os.fspath(out / key_lib.FILE_NAME)}: is there already; give another --out, or delete it"
    )
  if num_raters < 1:
    raise errors.RationaleError(f"--raters: found {num_raters}, expected 1 or more")
  evaluations = draw.read(directories)
  drawn = draw.draw(evaluations, num_tasks=num_tasks, seed=seed)
  built = built or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
  key = key_lib.Key(
      study=_digest(drawn), built=built, seed=seed, num_raters=num_raters,
      models=tuple(evaluation.model for evaluation in evaluations), items=tuple(one.item for one in drawn),
  )
  for number in range(1, num_raters + 1):
    ordered = draw.order(drawn, seed=seed, rater=number)
    files.write_text(out / page_name(number), page.html(ordered, study=key.study, built=built, number=number))
  files.write_json(out / key_lib.FILE_NAME, key.to_json())
  return key


def page_name(number: int) -> str:
  return f"rater_{number}.html"


def _digest(drawn: Sequence[draw.Drawn]) -> str:
  content = [[one.item.to_json(), one.task.buggy_code, one.sample.completion] for one in drawn]
  return hashlib.sha256(files.dumps(content).encode("utf-8", "replace")).hexdigest()[:12]
