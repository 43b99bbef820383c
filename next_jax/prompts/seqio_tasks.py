"""SeqIO tasks over repair tasks and over training examples.

Both kinds have the features `inputs` (the prompt) and `targets` (the completion and EOS), and carry `task_id`,
`inputs_pretokenized` and `targets_pretokenized` along; repair tasks carry `problem` too, the tests as JSON.

Nothing is ever cut in the middle. Where a `sequence_length` is given, prompts of repair tasks are abridged until they
keep it, and training examples that do not are left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import difflib
import functools
import json
from typing import Any

from absl import logging
from etils import epath
import seqio
import tensorflow as tf

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.prompts import metrics
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import training_example

ReadSplit = Callable[[str], Sequence[schema.RepairTask]]
Lengths = Mapping[str, int] | None  # tokens of each feature, as SeqIO gives them


@dataclasses.dataclass(frozen=True, kw_only=True)
class Registration:
  """What a repair task was registered with; see `register_repair_task`."""

  name: str
  corpus: str
  read: ReadSplit
  splits: tuple[str, ...]
  prompt: prompt_lib.Prompt
  vocabulary: seqio.Vocabulary


_registrations: dict[str, Registration] = {}


def registration(name: str) -> Registration:
  """What the repair task `name` was registered with; SeqIO's registry itself has only the tokens."""
  if name not in _registrations:
    close = difflib.get_close_matches(name, _registrations) or sorted(_registrations)
    raise errors.PromptError(
        f"task {name!r} is not registered; known: {', '.join(close) or 'none'}. A config file registers tasks by"
        " importing them, for example `import tasks.minirepair`"
    )
  return _registrations[name]


def register_repair_task(
    name: str,
    *,
    corpus: str,
    read: ReadSplit,
    splits: Sequence[str],
    prompt: prompt_lib.Prompt,
    vocabulary: seqio.Vocabulary,
    metric_fns: Sequence[Callable[..., Any]] = (metrics.PassAt1(),),
) -> str:
  """Registers a task for sampling and for SeqIO's evaluators; returns its name.

  A prompt that cannot keep the sequence length that SeqIO is given, not even without any state, is left empty: nothing
  is asked, and the answer counts as wrong. The number of such prompts is logged. Cached (`seqio_cache_tasks`) are the
  repair tasks, not the prompts, whose length is known only when they are read.

  Args:
    name: name in SeqIO's registry; what was registered under it before is replaced.
    corpus: whose tasks they are.
    read: gives the repair tasks of a split, in the order they are sampled in.
    splits: names of the splits.
    prompt: how a repair task is written. Targets are empty: what is right is for the tests to say.
    vocabulary: of inputs and targets.
    metric_fns: of targets as `metrics.problem` gives them and of completions taken apart.
  """
  _registrations[name] = Registration(
      name=name, corpus=corpus, read=read, splits=tuple(splits), prompt=prompt, vocabulary=vocabulary
  )

  def read_columns(split: str) -> dict[str, list[str]]:
    tasks = read(split)
    return {"task_id": [task.task_id for task in tasks], "task": [files.dumps(task.to_json()) for task in tasks]}

  def postprocess(text: str, example: Mapping[str, Any] | None = None, is_target: bool = False) -> dict[str, Any]:
    if is_target and example is not None:
      return json.loads(example["problem"])
    return dataclasses.asdict(prompt.parse(text))

  return _register(
      name, read_columns, splits, vocabulary, before=[functools.partial(_render, form=prompt)],
      postprocess_fn=postprocess, metric_fns=metric_fns,
  )


def register_variant(
    name: str,
    *,
    like: str,
    prompt: prompt_lib.Prompt | None = None,
    read: ReadSplit | None = None,
    splits: Sequence[str] | None = None,
    vocabulary: seqio.Vocabulary | None = None,
) -> str:
  """Registers a task that differs from the registered `like` in what is given; returns its name.

  Gin can bind a task's name to it, for a prompt that no declared task has:

      loop.SelfTraining.task = @seqio_tasks.register_variant()
      seqio_tasks.register_variant.name = "minirepair_chat"
      seqio_tasks.register_variant.like = "minirepair_trace"
      seqio_tasks.register_variant.prompt = @prompt.Prompt()
      prompt.Prompt.chat = @chat.ChatTemplate()
  """
  form = registration(like)
  return register_repair_task(
      name, corpus=form.corpus, read=read or form.read, splits=splits or form.splits, prompt=prompt or form.prompt,
      vocabulary=vocabulary or form.vocabulary,
  )


def register(form: Registration) -> str:
  """Registers a task made from another one's registration, by `dataclasses.replace`; returns its name."""
  return register_repair_task(
      form.name, corpus=form.corpus, read=form.read, splits=form.splits, prompt=form.prompt, vocabulary=form.vocabulary
  )


@contextlib.contextmanager
def temporary(name: str) -> Iterator[str]:
  """While active, the task `name` is registered; afterwards it is gone from the registries.

  For tasks that one stage of a run reads: an engine takes a task by name, and SeqIO knows names of one registry only.
  """
  try:
    yield name
  finally:
    _registrations.pop(name, None)
    seqio.TaskRegistry.remove(name)


def register_training_set(
    name: str, directory: epath.PathLike, *, vocabulary: seqio.Vocabulary, file: str = "kept.jsonl"
) -> str:
  """Registers the training set that an iteration left in a directory; returns its name.

      register_training_set("next_iteration_01", "WORKDIR/iteration_01/filter", vocabulary=minirepair_vocabulary())

  Its one split is "train". Examples whose inputs or targets are longer than a sequence length that SeqIO is given are
  left out. What was registered under `name` before is replaced.

  Args:
    directory: with a JSONL file of `Example`.
    vocabulary: of inputs and targets.
    file: its name; the stage `filter` writes kept.jsonl.
  """
  path = epath.Path(directory) / file

  def read_columns(unused_split: str) -> dict[str, list[str]]:
    records = files.read_jsonl(path, training_example.Example)
    return {field: [getattr(record, field) for record in records] for field in ("task_id", "inputs", "targets")}

  return _register(name, read_columns, ("train",), vocabulary, after=[_leave_out_too_long])


def _register(
    name: str, read_columns: Callable[[str], Mapping[str, Sequence[str]]], splits: Sequence[str],
    vocabulary: seqio.Vocabulary, *, before: Sequence[Callable[..., Any]] = (),
    after: Sequence[Callable[..., Any]] = (), postprocess_fn: Callable[..., Any] | None = None,
    metric_fns: Sequence[Callable[..., Any]] = (),
) -> str:
  """Puts a task into SeqIO's registry; `before` and `after` are preprocessors on either side of the tokenizer."""

  def dataset_fn(split, shuffle_files, seed=None):
    del shuffle_files, seed  # the order is that of the file; whoever trains shuffles
    columns = read_columns(split)
    return tf.data.Dataset.from_tensor_slices({key: tf.constant(value, tf.string) for key, value in columns.items()})

  if name in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(name)
  seqio.TaskRegistry.add(
      name,
      source=seqio.FunctionDataSource(dataset_fn=dataset_fn, splits=tuple(splits)),
      preprocessors=[
          seqio.CacheDatasetPlaceholder(required=False), *before, seqio.preprocessors.tokenize,
          seqio.preprocessors.append_eos, *after,
      ],
      output_features={
          "inputs": seqio.Feature(vocabulary=vocabulary, add_eos=False),
          "targets": seqio.Feature(vocabulary=vocabulary, add_eos=True),
      },
      postprocess_fn=postprocess_fn,
      metric_fns=list(metric_fns),
  )
  return name


def _render(
    dataset: tf.data.Dataset, form: prompt_lib.Prompt, output_features: Mapping[str, seqio.Feature],
    sequence_length: Lengths = None,
) -> tf.data.Dataset:
  """Repair tasks into prompts that keep the length of `inputs`."""
  limit = (sequence_length or {}).get("inputs")
  if limit is not None:
    form = form.within(limit, output_features["inputs"].vocabulary)
  _ = form.solved  # exemplars are traced here, in the thread of the caller, and not in one of TensorFlow's

  def write(line: bytes) -> tuple[bytes, bytes]:
    task = schema.RepairTask.from_json(json.loads(line))
    rendered = form.compose(task)
    text = rendered.text
    if limit is not None and not rendered.program.fits:
      logging.warning("task %r: the prompt does not fit %d tokens and is left empty", task.task_id, limit)
      text = ""
    return text.encode("utf-8"), files.dumps(metrics.problem(task)).encode("utf-8")

  def to_example(row: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    inputs, problem = tf.numpy_function(write, [row["task"]], (tf.string, tf.string))
    return {
        "task_id": row["task_id"], "inputs": tf.ensure_shape(inputs, ()), "targets": tf.constant(""),
        "problem": tf.ensure_shape(problem, ()),
    }

  return dataset.map(to_example)


def _leave_out_too_long(dataset: tf.data.Dataset, sequence_length: Lengths = None) -> tf.data.Dataset:
  if sequence_length is None:
    return dataset
  limits = {key: length for key, length in sequence_length.items() if length is not None}
  return dataset.filter(lambda row: tf.reduce_all([tf.size(row[key]) <= limits[key] for key in limits]))
