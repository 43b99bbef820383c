"""Do rationales name a line because it is wrong, or because it is the one that programs of this family have wrong?

    python benchmarks/habit.py WORKDIR

For base and last iteration of a run on minirepair, on dev and on unseen combinations, with the family's habit being the
line that the loop's own tasks of the family change most often:

    untouched  tasks all of whose changed lines no task of the family changes in the loop's training split
    habit      named places that are the family's habit
    right      of these, the ones that this task changes as well
    names bug  named places that the task changes

Lines are numbers of the buggy program, so a family that is written in several ways has a blurred habit, and the shares
are lower bounds of what habit does. Each task counts the same, each sample of a task counts the same.
"""

import argparse
import collections
import re
import statistics

from etils import epath

from next_jax import files
from next_jax import schema
from next_jax.evaluation import changes
from next_jax.rationales import localisation


def family(task: schema.RepairTask) -> str:
  """Of minirepair/dev/00003-count_divisors-operator: count_divisors."""
  return re.fullmatch(r"[^/]+/[^/]+/\d+-(.+)-\w+", task.task_id)[1]


def touched(tasks: list[schema.RepairTask]) -> dict[str, collections.Counter[int]]:
  """Family -> line -> how many tasks change it."""
  found = collections.defaultdict(collections.Counter)
  for task in tasks:
    found[family(task)].update(changes.changed(task.buggy_code, task.reference_code))
  return found


def row(directory: epath.Path, known: dict[str, collections.Counter[int]]) -> str:
  tasks = files.read_jsonl(directory / "tasks.jsonl", schema.RepairTask)
  samples = collections.defaultdict(list)
  for sample in files.read_jsonl(directory / "samples.jsonl", schema.Sample):
    samples[sample.task_id].append(sample)
  untouched, habits, right, names_bug = [], [], [], []
  for task in tasks:
    changed, lines = changes.changed(task.buggy_code, task.reference_code), known[family(task)]
    untouched.append(not any(lines[line] for line in changed))
    places = [place for s in samples[task.task_id] for place in localisation.lines(s.rationale or "", task.buggy_code)]
    if places and lines:
      habit = lines.most_common(1)[0][0]
      habits.append(sum(habit in place for place in places) / len(places))
      right.append(habit in changed)
      names_bug.append(sum(bool(place & changed) for place in places) / len(places))
  shares = [statistics.fmean(values) for values in (untouched, habits, right, names_bug)]
  return "  ".join(f"{share:9.3f}" for share in shares) + f"  {len(tasks):5}"


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("workdir", type=epath.Path)
  workdir = parser.parse_args().workdir
  known = touched(files.read_jsonl(workdir / "corpus/minirepair/train.jsonl", schema.RepairTask))
  models = ["base", *sorted(path.name for path in workdir.glob("iteration_*"))[-1:]]
  print(f"{'model':14} {'tasks':8} {'untouched':>9}  {'habit':>9}  {'right':>9}  {'names bug':>9}  {'n':>5}")
  for model in models:
    for name in ("dev", "unseen"):
      print(f"{model:14} {name:8} {row(workdir / model / 'evaluate' / name, known)}")


if __name__ == "__main__":
  main()
