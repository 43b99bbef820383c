"""How good the consistency checker is, how fast, and what it finds in a run.

    python benchmarks/consistency.py labelled [FILE ...]
    python benchmarks/consistency.py run WORKDIR

`labelled` prints precision and recall of each status, over all statements and by kind, with 95 % bootstrap
intervals, for each file of labelled statements. By default those are tests/evaluation/labelled/*.txt: tuning.txt,
with which the patterns were made, and the held-out ones, with which they were not. Statements that no pattern
covers count as missed. `run` prints the shares of rationales with a contradiction and of statements that are
supported, with intervals over tasks, for each evaluation of a run, and how many rationales were checked in a second
of CPU time.
"""

import argparse
import pathlib
import time

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.rationales import consistency
from next_jax.rationales import labelled
from next_jax.rationales.claims import statement as statement_lib

LABELLED = pathlib.Path(__file__).parent.parent / "tests" / "rationales" / "labelled"


def show_labelled(path):
  labels = labelled.read(path)
  judged = labelled.judge(labels)
  programs = {label.task.task_id for label in labels}
  print(f"{path}: {len(labels)} statements about {len(programs)} programs")
  print(f"{'':13} {'kind':12} {'n':>4}  {'precision':20}  recall")
  for kind in (None, *statement_lib.KINDS):
    for status in consistency.STATUSES:
      rates = labelled.rates(labels, judged, status, kind)
      if rates.true or rates.said:
        print(f"{status:13} {kind or 'all':12} {rates.true:4}  {written(rates.precision)}  {written(rates.recall)}")


def written(rate):
  return f"{rate[0]:.3f} [{rate[1]:.3f}, {rate[2]:.3f}]" if rate else f"{'-':20}"


def show_run(workdir):
  names = ("contradicted_rationales", "supported_statements", "contradicted_statements", "statements")
  for directory in sorted(workdir.glob("*/evaluate/*")):
    tasks = files.read_jsonl(directory / "tasks.jsonl", schema.RepairTask)
    samples = files.read_jsonl(directory / "samples.jsonl", schema.Sample)
    start = time.process_time()
    found = consistency.consistency(tasks, samples)
    seconds = time.process_time() - start
    if not found["num_samples"]:
      continue
    speed = f"{found['num_samples'] / seconds:,.0f} a CPU second"
    print(f"{directory.relative_to(workdir)}: {found['num_samples']:,} rationales, {speed}")
    for name in names:
      if found[name] is not None:
        rate = (found[name]["value"], found[name]["low"], found[name]["high"])
        print(f"  {name.replace('_', ' '):26} {written(rate)}")
    for kind, counts in found["by_kind"].items():
      print(f"  {kind:26} " + ", ".join(f"{count:,} {status}" for status, count in counts.items()))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  commands = parser.add_subparsers(dest="command", required=True)
  of_labels = commands.add_parser("labelled")
  of_labels.add_argument("files", nargs="*", default=sorted(LABELLED.glob("*.txt")))
  commands.add_parser("run").add_argument("workdir", type=epath.Path)
  arguments = parser.parse_args()
  if arguments.command == "labelled":
    for path in arguments.files:
      show_labelled(path)
  else:
    show_run(arguments.workdir)


if __name__ == "__main__":
  main()
