"""Builds evaluations of several models on the same tasks, and answers to the pages made of them."""

import json
import random
import re

from next_jax import files
from next_jax import schema
from next_jax.pages import document
from next_jax.tracing.recording import recorder

MODELS = ("base", "iteration_01", "control_unfiltered")
HOSTILE = "</script><script>alert(1)</script><!-- <img src=x> & \u2028"

_BUGGY = """\
def count_above(values, limit):
  count = {start}
  for value in values:
    if value > limit:
      count += 1
  return count
"""


def make_task(number):
  buggy = _BUGGY.format(start=number + 1)
  return schema.RepairTask(
      task_id=f"corpus/dev/{number:03}-count_above-initial_value", split="dev", instruction=f"Count, number {number}.",
      entry_point="count_above", buggy_code=buggy, reference_code=_BUGGY.format(start=0),
      public_tests=("assert count_above([1, 5], 4) == 1",), hidden_tests=("assert count_above([], 123456) == 0",),
      bug_kind="initial_value", bug_origin="mutant",
      trace=recorder.record(buggy, "count_above([1, 5], 4)", budget=recorder.Budget(max_steps=100)),
  )


def make_sample(task, index, rationale, fix):
  return schema.Sample(
      task_id=task.task_id, sample_index=index, completion=f"{rationale}\n{fix}", rationale=rationale, fix=fix,
      log_probability=-1.0, token_count=9, seed=0,
  )


def write_run(workdir, num_tasks=7, num_samples=4, models=MODELS):
  """Directories of evaluations; sample 3 of every task could not be parsed. Rationales do not name their model."""
  tasks = [make_task(number) for number in range(num_tasks)]
  directories = []
  for model_number, model in enumerate(models):
    directory = workdir / model / "evaluate" / "dev"
    samples, verdicts = [], []
    for task in tasks:
      for index in range(num_samples):
        text = f"It starts at the wrong count ({17 * model_number + index})."
        fix = (task.reference_code, task.buggy_code, "def g():\n  pass\n")[index % 3]
        sample = make_sample(task, index, text, fix)
        if index == 3:
          sample = schema.Sample.from_json({
              **sample.to_json(), "rationale": None, "fix": None, "refusal": "no fenced block", "completion": HOSTILE
          })
        samples.append(sample)
        verdicts.append(schema.Verdict(task_id=task.task_id, sample_index=index, status="timeout"))
    files.write_jsonl(directory / "tasks.jsonl", tasks)
    files.write_jsonl(directory / "samples.jsonl", samples)
    files.write_jsonl(directory / "verdicts.jsonl", verdicts)
    directories.append(directory)
  return directories


def page_data(path):
  text = path.read_text()
  return json.loads(re.search(rf'id="{document.DATA_ID}">(.*?)</script>', text, re.S)[1])


def rater_file(key, rater, choose, *, page=1):
  """What a page exports when `choose(item)` gives (bug_explained, fix_suggested, overall), or None for no answer."""
  given = [(item, choose(item)) for item in key.items]
  return {
      "schema_version": 1, "study": key.study, "built": key.built, "page": page, "rater": rater,
      "exported": "2026-01-02T03:04:05.678Z",
      "answers": [
          {"item": item.item, "bug_explained": one[0], "fix_suggested": one[1], "overall": one[2]}
          for item, one in given if one is not None
      ],
  }


def at_random(seed):
  rng = random.Random(seed)
  return lambda item: (rng.choice(["yes", "partly", "no"]), rng.choice(["yes", "partly", "no"]), rng.randint(1, 5))
