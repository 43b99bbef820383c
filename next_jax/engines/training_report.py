"""What a training shows while it runs: a progress bar on stderr, and TensorBoard scalars."""

from collections.abc import Mapping
import os
import sys

from clu import metric_writers
from etils import epath
import jax
import tqdm

STEPS_BETWEEN_SUMMARIES = 20


class TrainingReport:
  """Shows the progress of a training; call it after each step as `report(step, num_steps, scalars)`.

  It is a context manager. In a run of several processes only process 0 shows anything.
  """

  def __init__(self, summaries: epath.PathLike | None):
    """Makes a report. `summaries` is the directory for TensorBoard scalars; None writes none."""
    is_first = jax.process_index() == 0
    self._writer = metric_writers.SummaryWriter(os.fspath(summaries)) if is_first and summaries is not None else None
    self._bar: tqdm.tqdm | None = None

  def __call__(self, step: int, num_steps: int, scalars: Mapping[str, float]) -> None:
    if self._bar is None:
      self._bar = tqdm.tqdm(
          total=num_steps, initial=step, desc="training", unit="step", file=sys.stderr, mininterval=1.0,
          disable=jax.process_index() != 0,
      )
    if "loss" in scalars:
      self._bar.set_postfix(loss=f"{scalars['loss']:.3f}", refresh=False)
    self._bar.update(step - self._bar.n)
    if scalars and self._writer is not None and (step % STEPS_BETWEEN_SUMMARIES == 0 or step == num_steps):
      self._writer.write_scalars(step, dict(scalars))

  def __enter__(self) -> "TrainingReport":
    return self

  def __exit__(self, *unused_exception) -> None:
    if self._bar is not None:
      self._bar.close()
    if self._writer is not None:
      self._writer.close()
