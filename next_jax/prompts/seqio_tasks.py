"""SeqIO tasks over repair tasks and over training examples.

Both kinds have the features `inputs` (the prompt) and `targets` (the completion and EOS). They also carry `task_id`,
`inputs_pretokenized` and `targets_pretokenized`; repair tasks carry `problem` too, the tests as JSON.

No text is truncated. With a `sequence_length`, prompts of repair tasks are abridged until they fit it, and training
examples that are longer are left out.
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
  """The arguments that a repair task was registered with; see `register_repair_task`."""

  name: str
  corpus: str
  read: ReadSplit
  splits: tuple[str, ...]
  prompt: prompt_lib.Prompt
  vocabulary: seqio.Vocabulary
  metric_fns: tuple[Callable[..., Any], ...] = (metrics.PassAt1(),)


_registrations: dict[str, Registration] = {}


def registration(name: str) -> Registration:
  """The registration of the repair task `name`, from which SeqIO's own registry keeps only the tokens.

  Raises:
    PromptError: No such task is registered; the message names similar ones.
  """
  if name not in _registrations:
    close = difflib.get_close_matches(name, _registrations) or sorted(_registrations)
    raise errors.PromptError(
        f"task {name!r} is not registered; known: {', '.join(close) or 'none'}. A config file registers tasks by"
        " importing them, for example `import tasks.minirepair`"
    )
  return _registrations[name]


def registrations() -> list[Registration]:
  """Those of all repair tasks, in the order in which they were registered."""
  return list(_registrations.values())


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

  A prompt that exceeds SeqIO's sequence length even without any state is left empty: the model is asked nothing, and
  its answer counts as wrong. Each such prompt is logged. `seqio_cache_tasks` caches the repair tasks, not the prompts,
  because the sequence length is known only on reading.

  Args:
    name: Name in SeqIO's registry; replaces a task of that name.
    corpus: Name of the corpus that the tasks belong to.
    read: Returns the repair tasks of a split in sampling order.
    splits: Names of the splits.
    prompt: Form in which a repair task is written. Targets are empty, because the tests decide what is right.
    vocabulary: Vocabulary of inputs and targets.
    metric_fns: SeqIO metric functions of targets (from `metrics.problem`) and parsed completions.
  """
  _registrations[name] = Registration(
      name=name, corpus=corpus, read=read, splits=tuple(splits), prompt=prompt, vocabulary=vocabulary,
      metric_fns=tuple(metric_fns),
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
  """Registers a copy of the registered task `like` with the given parts replaced; returns its name.

  In gin it stands in for a task's name, for a prompt that no declared task has:

      loop.SelfTraining.task = @seqio_tasks.register_variant()
      seqio_tasks.register_variant.name = "minirepair_chat"
      seqio_tasks.register_variant.like = "minirepair_trace"
      seqio_tasks.register_variant.prompt = @prompt.Prompt()
      prompt.Prompt.chat = @chat.ChatTemplate()
  """
  form = registration(like)
  return register_repair_task(
      name, corpus=form.corpus, read=read or form.read, splits=splits or form.splits, prompt=prompt or form.prompt,
      vocabulary=vocabulary or form.vocabulary, metric_fns=form.metric_fns,
  )


def register(form: Registration) -> str:
  """Registers the task of `form`, usually another task's registration with parts replaced; returns its name."""
  return register_repair_task(
      form.name, corpus=form.corpus, read=form.read, splits=form.splits, prompt=form.prompt, vocabulary=form.vocabulary,
      metric_fns=form.metric_fns,
  )


@contextlib.contextmanager
def temporary(name: str) -> Iterator[str]:
  """Removes the task `name` from the registries on exit.

  For tasks that only one stage of a run reads: engines take a task by name, and SeqIO has a single registry of names.
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

  Its one split is "train". Examples whose inputs or targets exceed SeqIO's sequence length are left out.

  Args:
    name: Name in SeqIO's registry; replaces a task of that name.
    directory: Directory that holds a JSONL file of `Example`.
    vocabulary: Vocabulary of inputs and targets.
    file: Name of the file; the stage `filter` writes kept.jsonl.
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
    del shuffle_files, seed  # file order; the trainer shuffles
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
  """Renders repair tasks as prompts that fit the sequence length of `inputs`."""
  limit = (sequence_length or {}).get("inputs")
  if limit is not None:
    form = form.within(limit, output_features["inputs"].vocabulary)
  _ = form.solved  # traces the exemplars in the caller's thread, not in one of TensorFlow's

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
