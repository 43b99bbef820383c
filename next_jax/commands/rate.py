"""`next-jax rate make` and `next-jax rate summarize`: what people think of the rationales."""

import argparse
import os

from etils import epath

from next_jax import files
from next_jax.rationales.raters import answers
from next_jax.rationales.raters import key as key_lib
from next_jax.rationales.raters import make
from next_jax.rationales.raters import summary
from next_jax.rationales.raters import summary_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
  verbs = parser.add_subparsers(dest="verb", required=True, metavar="{make,summarize}")
  maker = verbs.add_parser("make", help="draw rationales of several models into a page for each rater")
  maker.add_argument(
      "evaluations", nargs="+", metavar="EVALUATION",
      help="directories of evaluations on the same tasks, such as runs/quickstart/base/evaluate/dev",
  )
  maker.add_argument("--out", required=True, metavar="DIR", help="directory of the pages and of key.json")
  maker.add_argument(
      "--num_tasks", type=int, default=20, help="one rationale of each model on each (default: %(default)s)"
  )
  maker.add_argument("--seed", type=int, default=0, help="of tasks, samples and orders (default: %(default)s)")
  maker.add_argument("--raters", type=int, default=1, help="pages, each in its own order (default: %(default)s)")
  summarizer = verbs.add_parser("summarize", help="merge the files that raters exported from their pages")
  summarizer.add_argument("key", metavar="KEY", help="the key.json that was made with the pages")
  summarizer.add_argument("files", nargs="+", metavar="RATER_FILE", help="one of each rater")
  summarizer.add_argument("--out", default=None, metavar="FILE", help="of the JSON (default: summary.json beside KEY)")
  summarizer.add_argument("--seed", type=int, default=0, help="of the resampling (default: %(default)s)")


def main(arguments: argparse.Namespace) -> int:
  return _make(arguments) if arguments.verb == "make" else _summarize(arguments)


def _make(arguments: argparse.Namespace) -> int:
  out = epath.Path(arguments.out)
  key = make.make(
      arguments.evaluations, out, num_tasks=arguments.num_tasks, seed=arguments.seed, num_raters=arguments.raters
  )
  for number in range(1, key.num_raters + 1):
    print(f"page: {os.fspath(out / make.page_name(number))}")
  print(f"key:  {os.fspath(out / key_lib.FILE_NAME)} (not for the raters)")
  print(f"{arguments.num_tasks} tasks x {len(key.models)} models = {len(key.items)} rationales on each page")
  return 0


def _summarize(arguments: argparse.Namespace) -> int:
  key = key_lib.read(arguments.key)
  found = summary.summarize(key, answers.read_all(arguments.files, key), seed=arguments.seed)
  path = epath.Path(arguments.out) if arguments.out else epath.Path(arguments.key).parent / "summary.json"
  files.write_json(path, found)
  print(summary_text.text(found))
  print(f"\nsummary: {os.fspath(path)}")
  return 0
