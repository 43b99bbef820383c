"""Sampling a SeqIO task in chunks: which prompts go together, and the samples they give.

Chunks are ordered from short prompts to long ones, so that a chunk needs little padding. Prompts that are too long are
not cut; they are refused, in the last chunks. The division into chunks depends on the arguments only.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import sys
from typing import Any

from etils import epath
import jax
from jax.experimental import multihost_utils
import numpy as np
import seqio
import tqdm

from next_jax import errors
from next_jax import schema
from next_jax.engines import completions as completions_lib
from next_jax.engines import engine
from next_jax.engines import stops
from next_jax.engines import task_reader


@dataclasses.dataclass(frozen=True, kw_only=True)
class Completer:
  """How an engine completes prompts.

  Attributes:
    rows: Number of rows decoded together in a chunk: tasks times samples.
    max_tasks: Maximum number of tasks in a chunk.
    start: `start(checkpoint, task, chunk_tasks=..., num_samples=..., sampling=..., seed=...)` loads a checkpoint and
      returns the function that completes (prompts, task ids) of a chunk of a SeqIO task.
    together: Whether all processes complete each chunk together.
  """

  rows: int
  max_tasks: int
  start: Callable[..., completions_lib.Complete]
  together: bool = False

  def chunk_tasks(self, num_samples: int) -> int:
    """Maximum number of tasks in a chunk when each is completed `num_samples` times.

    Above 8 it is a multiple of 8, so that its half and its quarter also divide over two devices.
    """
    tasks = max(1, min(self.rows // num_samples, self.max_tasks))
    return tasks - tasks % 8 if tasks > 8 else tasks


def sample(
    task: seqio.Task,
    split: str,
    *,
    completer: Completer,
    checkpoint: epath.PathLike,
    num_samples: int,
    sampling: engine.Sampling,
    seed: int,
    skip: int,
    step: int,
) -> Iterator[list[schema.Sample]]:
  """Samples every `step`-th chunk after the first `skip`; see `engine.Engine.sample`.

  Args:
    task: SeqIO task with the string feature `task_id`.
    split: Split of the task.
    completer: Completes the prompts; started once, before the first chunk. If all processes complete each chunk
      together, each still yields only its own chunks.
    checkpoint: Checkpoint whose parameters are used.
    num_samples: Number of samples per task.
    sampling: How tokens are drawn.
    seed: Seed of the random keys.
    skip: Number of chunks to leave out at the front.
    step: Every `step`-th of the remaining chunks is completed.

  Yields:
    The samples of one chunk, task by task.

  Raises:
    EngineError: The task has no such split, or an example has no feature `task_id`.
  """
  prompts, task_ids = [], []
  for number, example in enumerate(task_reader.read(task, split)):
    if "task_id" not in example:
      raise errors.EngineError(
          f"SeqIO task {task.name!r}: example {number} has no feature 'task_id'; sampling needs it"
      )
    prompts.append(example["inputs"].astype(np.int32))
    task_ids.append(example["task_id"].decode("utf-8"))
  chunk_tasks = completer.chunk_tasks(num_samples)
  order = sorted(range(len(prompts)), key=lambda number: (len(prompts[number]), number))
  fitting = [number for number in order if len(prompts[number]) <= sampling.max_prompt_length]
  chunks = [fitting[first : first + chunk_tasks] for first in range(0, len(fitting), chunk_tasks)]
  refused = order[len(fitting) :]
  refused_chunks = [refused[first : first + chunk_tasks] for first in range(0, len(refused), chunk_tasks)]
  wanted = range(skip, len(chunks) + len(refused_chunks), step)
  own = [len(chunk) * num_samples for chunk in (chunks + refused_chunks)[skip % step :: step]]

  bar = tqdm.tqdm(
      total=sum(own), desc="sampling", unit="sample", file=sys.stderr, mininterval=1.0,
      initial=sum(own[: skip // step]),
      disable=jax.process_index() != 0,
  )
  vocabulary = task.output_features["targets"].vocabulary
  # A killed run may have left the processes at different chunks.
  first = int(multihost_utils.process_allgather(np.int32(skip)).min()) if completer.together else skip
  completed = range(first, len(chunks), 1 if completer.together else step)
  if completed:
    complete = completer.start(
        checkpoint, task, chunk_tasks=chunk_tasks, num_samples=num_samples, sampling=sampling, seed=seed
    )
  with bar:
    for place in sorted({*completed, *wanted}):
      if place < len(chunks):
        chunk = chunks[place]
        ids = [task_ids[number] for number in chunk]
        completions = complete([prompts[number] for number in chunk], ids)
        if place not in wanted:
          continue
        samples = _decoded(completions, ids, num_samples, vocabulary, sampling.stop, seed)
      else:
        samples = [
            _refused(task_ids[number], index, len(prompts[number]), sampling.max_prompt_length, seed)
            for number in refused_chunks[place - len(chunks)]
            for index in range(num_samples)
        ]
      bar.update(len(samples))
      yield samples


def _decoded(
    completions: completions_lib.Completions, task_ids: Sequence[str], num_samples: int, vocabulary: Any,
    stop: stops.Stop | None, seed: int,
) -> list[schema.Sample]:
  """The samples; their last token may hold more than what a stop rule leaves of the text."""
  samples = []
  for row, length in enumerate(completions.lengths):
    tokens = completions.tokens[row, :length].tolist()
    if tokens and tokens[-1] == vocabulary.eos_id:
      tokens.pop()
    text = vocabulary.decode(tokens)
    if stop is not None:
      text = text[: stop(text)]
    samples.append(
        schema.Sample(
            task_id=task_ids[row // num_samples],
            sample_index=row % num_samples,
            completion=text,
            log_probability=float(completions.log_probabilities[row]),
            token_count=int(length),
            seed=seed,
        )
    )
  return samples


def _refused(task_id: str, index: int, length: int, limit: int, seed: int) -> schema.Sample:
  return schema.Sample(
      task_id=task_id,
      sample_index=index,
      completion="",
      refusal=f"prompt of {length} tokens exceeds max_prompt_length={limit}",
      log_probability=0.0,
      token_count=0,
      seed=seed,
  )
