"""SeqIO tasks over repair tasks and over training examples.

Both kinds have the features `inputs` (the prompt) and `targets` (the completion and EOS), and carry
`task_id`, `inputs_pretokenized` and `targets_pretokenized` along.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence

from etils import epath
import seqio
import tensorflow as tf

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.prompts import example as examples
from next_jax.prompts import prompt as prompts

ReadSplit = Callable[[str], Sequence[schema.RepairTask]]


class TaskNameError(errors.UserError):
  """A name under which no repair task is registered."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Registration:
  """What a repair task was registered with; see `register_repair_task`."""

  name: str
  read: ReadSplit
  splits: tuple[str, ...]
  prompt: prompts.Prompt
  vocabulary: seqio.Vocabulary


_registrations: dict[str, Registration] = {}


def registration(name: str) -> Registration:
  """What the repair task `name` was registered with; SeqIO's registry itself has only the tokens."""
  if name not in _registrations:
    close = difflib.get_close_matches(name, _registrations) or sorted(_registrations)
    raise TaskNameError(
        f"task {name!r} is not registered; known: {', '.join(close) or 'none'}. A config file registers tasks by"
        " importing them, for example `import tasks.minirepair`"
    )
  return _registrations[name]


def register_repair_task(
    name: str, *, read: ReadSplit, splits: Sequence[str], prompt: prompts.Prompt, vocabulary: seqio.Vocabulary
) -> seqio.Task:
  """Registers a task for sampling; its `postprocess_fn` takes a completion apart.

  Args:
    name: name in SeqIO's registry; what was registered under it before is replaced.
    read: gives the repair tasks of a split, in the order they are sampled in.
    splits: names of the splits.
    prompt: how a repair task is written. Targets are empty: what is right is for the tests to say.
    vocabulary: of inputs and targets.
  """

  _registrations[name] = Registration(
      name=name, read=read, splits=tuple(splits), prompt=prompt, vocabulary=vocabulary
  )

  def read_examples(split):
    return [examples.Example(task_id=task.task_id, inputs=prompt.render(task), targets="") for task in read(split)]

  def postprocess(completion, **unused_kwargs):
    return prompt.parse(completion)

  return _register(name, read_examples, splits, vocabulary, postprocess)


def register_training_set(
    name: str, *, paths: Mapping[str, epath.PathLike], vocabulary: seqio.Vocabulary
) -> seqio.Task:
  """Registers a task for fine-tuning over JSONL files of `Example`, a path for each split."""

  def read_examples(split):
    return files.read_jsonl(paths[split], examples.Example)

  return _register(name, read_examples, tuple(paths), vocabulary, None)


def _register(name, read_examples, splits, vocabulary, postprocess_fn) -> seqio.Task:
  def dataset_fn(split, shuffle_files, seed=None):
    del shuffle_files, seed  # the order is that of the file; whoever trains shuffles
    records = read_examples(split)
    columns = {field: [getattr(record, field) for record in records] for field in ("task_id", "inputs", "targets")}
    return tf.data.Dataset.from_tensor_slices({key: tf.constant(value, tf.string) for key, value in columns.items()})

  if name in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(name)
  return seqio.TaskRegistry.add(
      name,
      source=seqio.FunctionDataSource(dataset_fn=dataset_fn, splits=tuple(splits)),
      preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
      output_features={
          "inputs": seqio.Feature(vocabulary=vocabulary, add_eos=False),
          "targets": seqio.Feature(vocabulary=vocabulary, add_eos=True),
      },
      postprocess_fn=postprocess_fn,
  )
