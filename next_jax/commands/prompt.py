"""`next-jax prompt TASK_ID --task=minirepair_trace`: prints the prompt that a model sees, and its number of tokens."""

import argparse
import difflib
import importlib
import sys
from typing import TYPE_CHECKING

from next_jax import errors
from next_jax.commands import tensorflow_import

if TYPE_CHECKING:
  from next_jax import schema
  from next_jax.prompts import prompt as prompt_lib
  from next_jax.prompts import seqio_tasks

EXAMPLE = "next-jax prompt minirepair/dev/000000 --task=minirepair_trace --shots=3 --data_dir=runs/quickstart/corpus"


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.epilog = (
      f"Example: {EXAMPLE}. The prompt goes to standard output byte for byte; its number of tokens and how its trace"
      " was abridged go to standard error."
  )
  parser.add_argument("task_id", metavar="TASK_ID", help="ID of the repair task")
  parser.add_argument(
      "--task", required=True, metavar="NAME", help="SeqIO task that gives the form, such as minirepair_trace"
  )
  parser.add_argument(
      "--shots", type=int, default=None, metavar="N",
      help="number of solved exemplars (default: the number that the SeqIO task has)",
  )
  parser.add_argument(
      "--max_tokens", type=int, default=None, metavar="N",
      help="abridge the trace until the prompt has at most N tokens",
  )
  parser.add_argument("--split", default=None, help="split of the repair task (default: search all splits)")
  where = parser.add_mutually_exclusive_group()
  where.add_argument(
      "--data_dir", default=None, metavar="DIR",
      help="directory of built corpora, such as WORKDIR/corpus (default: $NEXT_JAX_DATA_DIR, else ~/next_jax_datasets)",
  )
  where.add_argument(
      "--file", default=None, metavar="PATH", help="JSONL file that holds the repair task, instead of a corpus"
  )
  parser.add_argument(
      "--rationales", default=None, metavar="PATH", help="JSONL file of samples, for tasks that give a rationale"
  )
  parser.add_argument(
      "--module_import", action="append", default=[], metavar="MODULE",
      help="module that registers the SeqIO task (default: tasks); may be given several times",
  )


def main(arguments: argparse.Namespace) -> int:
  # SeqIO's registry and vocabularies import TensorFlow, so they are imported only here.
  tensorflow_import.quietly()
  from next_jax.corpora import data_dir
  from next_jax.prompts import given_rationales
  from next_jax.prompts import seqio_tasks

  for module in arguments.module_import or ["tasks"]:
    try:
      importlib.import_module(module)
    except ModuleNotFoundError as error:
      raise errors.CommandError(
          f"--module_import={module}: {error}; give a module that Python finds from here"
      ) from None
  data_dir.set_data_dir(arguments.data_dir)
  if arguments.rationales is not None:
    given_rationales.set_path(arguments.rationales)
  registration = seqio_tasks.registration(arguments.task)
  task = _find(arguments.task_id, registration, arguments.split, arguments.file)
  form = registration.prompt.with_shots(arguments.shots)
  # Tokens are counted only with a limit, so the default is one that no prompt reaches.
  limit = sys.maxsize if arguments.max_tokens is None else arguments.max_tokens
  rendered = form.within(limit, registration.vocabulary).compose(task)
  sys.stdout.write(rendered.text)
  sys.stdout.flush()
  print(_facts(arguments, rendered), file=sys.stderr)
  return 0


def _find(
    task_id: str, registration: "seqio_tasks.Registration", split: str | None, file: str | None
) -> "schema.RepairTask":
  from next_jax import files
  from next_jax import schema
  from next_jax.corpora import data_dir

  if split is not None and split not in registration.splits:
    raise errors.CommandError(
        f"--split={split}: task {registration.name!r} has no such split; it has {', '.join(registration.splits)}"
    )
  if file is not None:
    found = {file: files.read_jsonl(file, schema.RepairTask)}
  else:
    paths = {name: data_dir.split_path(registration.corpus, name) for name in registration.splits}
    splits = [split] if split is not None else [name for name, path in paths.items() if path.exists()]
    # If no split is there, the error from reading the first says where it was expected and what to do.
    found = {name: list(registration.read(name)) for name in splits or registration.splits[:1]}
  by_id = {task.task_id: task for tasks in found.values() for task in tasks}
  if task_id not in by_id:
    near = difflib.get_close_matches(task_id, by_id, n=3) or list(by_id)[:3]
    raise errors.CommandError(
        f"task {task_id!r} is not among the {len(by_id):,} tasks of {', '.join(found)}; found for example"
        f" {', '.join(near) or 'none'}"
    )
  return by_id[task_id]


def _facts(arguments: argparse.Namespace, rendered: "prompt_lib.Rendered") -> str:
  program = rendered.program
  states = f"{program.states:,} states of the trace"
  if program.is_abridged:
    states += f", {program.shortened:,} of them shortened, {program.left_out:,} left out"
  if not program.fits:
    states += f"; does not fit {arguments.max_tokens:,} tokens: an engine refuses it"
  return f"{arguments.task_id} as {arguments.task}: {rendered.tokens:,} tokens; {states}"
