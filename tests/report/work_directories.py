"""Builds work directories such as `next-jax run` leaves behind, small, of records that hang together."""

import dataclasses
import hashlib
import random

from next_jax import files
from next_jax import schema
from next_jax.evaluation import repair
from next_jax.tracing.recording import calls
from next_jax.tracing.recording import recorder

_COUNT_ABOVE = """\
def count_above(values, limit):
  count = 1
  for value in values:
    if value > limit:
      count += 1
  return count
"""
_LAST_WORD = """\
def last_word(text):
  words = text.split()
  return words[0].upper()
"""
_SMALLEST = """\
def smallest(a, b, c):
  best = a
  if b > best:
    best = b
  if c < best:
    best = c
  return best
"""
_HALVES = """\
def halves(x):
  n = 0
  while x >= 1:
    n += 1
  return n
"""
# Name, instruction, buggy code, what is wrong in it, what is right, tests, kind of bug.
_PROGRAMS = (
    ("count_above", "Count the numbers above a limit.", _COUNT_ABOVE, "count = 1", "count = 0",
     ("assert count_above([1, 5, 9], 4) == 2", "assert count_above([], 4) == 0"), "initial_value"),
    ("last_word", "Return the last word, in capitals.", _LAST_WORD, "words[0]", "words[-1]",
     ("assert last_word('so it <goes> & goes') == 'GOES'", "assert last_word('one') == 'ONE'"), "constant"),
    ("smallest", "Return the smallest number.", _SMALLEST, "b > best", "b < best",
     ("assert smallest(3, 2, 5) == 2", "assert smallest(1, 2, 3) == 1"), "comparison"),
    ("halves", "Halve a number until it is below one; return how often.", _HALVES, "n += 1\n", "n += 1\n    x /= 2\n",
     ("assert halves(8) == 4",), "operator"),
)
HOSTILE = '</script><script>alert(1)</script><!-- \u2028 <img src=x onerror=alert(2)> & "quoted" ]]>'


def make_tasks(num: int) -> list[schema.RepairTask]:
  tasks = []
  for number in range(num):
    name, instruction, buggy, wrong, right, tests, kind = _PROGRAMS[number % len(_PROGRAMS)]
    call = calls.traced_call(tests[0], name)
    tasks.append(schema.RepairTask(
        task_id=f"minirepair/dev/{number:04d}-{name}", split="dev", instruction=instruction, entry_point=name,
        buggy_code=buggy, reference_code=buggy.replace(wrong, right), public_tests=tests[:1], hidden_tests=tests[1:],
        bug_kind=kind, bug_origin="mutant", trace=recorder.record(buggy, call, budget=recorder.Budget(max_steps=100)),
    ))
  return tasks


def make_results(tasks, num_samples, rate, seed):
  """Samples and verdicts of a model that fixes a task with probability `rate`."""
  rng = random.Random(seed)
  samples, verdicts = [], []
  for task in tasks:
    for index in range(num_samples):
      luck = rng.random()
      fix, rationale, refusal, detail = task.reference_code, "The trace shows the wrong state at step (2).", None, ""
      if luck < rate:
        status = "passed"
      elif luck < rate + 0.8 * (1 - rate):
        fix, status, detail = task.buggy_code.replace("return", "return 0 or"), "failed", "got 3, expected 4"
      elif luck < rate + 0.95 * (1 - rate):
        fix, status, detail = task.buggy_code, "timeout", "used more than 3 s of CPU time"
      else:
        fix, rationale, refusal, status = None, None, "no fenced block after '### Fix'", "syntax"
      samples.append(schema.Sample(
          task_id=task.task_id, sample_index=index, rationale=rationale, fix=fix, refusal=refusal, seed=seed,
          completion=f"{rationale}\n### Fix\n```python\n{fix}\n```" if fix else HOSTILE,
          log_probability=-20 * rng.random(), token_count=40 + rng.randrange(40),
      ))
      num_run = 0 if fix is None else len(task.tests) if status == "passed" else 1
      tests = (schema.TestResult(status=status),) * num_run
      verdicts.append(schema.Verdict(
          task_id=task.task_id, sample_index=index, status=status, detail=detail, tests=tests
      ))
  return samples, verdicts


def write_evaluation(workdir, model, name, *, split, with_trace, tasks, samples, verdicts, seed=1):
  directory = workdir / model / "evaluate" / name
  files.write_jsonl(directory / "tasks.jsonl", tasks)
  files.write_jsonl(directory / "samples.jsonl", samples)
  files.write_jsonl(directory / "verdicts.jsonl", verdicts)
  metrics = {
      "name": name, "model": model, "task": "minirepair_" + ("trace" if with_trace else "notrace"),
      "corpus": "minirepair", "split": split, "input": "trace" if with_trace else "no trace", "seed": seed,
      **repair.fix_rate(tasks, samples, verdicts, ks=[1, 8], seed=seed),
  }
  files.write_json(directory / "metrics.json", metrics)
  write_stage(workdir, f"{model}/evaluate/{name}", metrics, seconds=40.0)


def write_stage(workdir, name, metrics, seconds, resumed=False):
  fingerprint = hashlib.sha256(f"{workdir.name} {workdir.parent.name} {name}".encode()).hexdigest()[:16]
  files.write_json(workdir / name / "stage.json", {
      "stage": name, "fingerprint": fingerprint, "settings": {}, "inputs": {}, "metrics": metrics, "counts": {},
  })
  timing = {"seconds": seconds, "resumed": resumed, "samples_per_second": 120.5}
  files.write_json(workdir / name / "timing.json", timing)


def write_round(workdir, model, tasks, rate, kept):
  samples, verdicts = make_results(tasks, 8, rate, seed=7)
  files.write_jsonl(workdir / model / "sample" / "samples.jsonl", samples)
  files.write_jsonl(workdir / model / "verify" / "verdicts.jsonl", verdicts)
  write_stage(workdir, f"{model}/sample", {}, 130.0, resumed=model == "iteration_02")
  write_stage(workdir, f"{model}/verify", {}, 30.0)
  if kept:
    files.write_text(workdir / model / "filter" / "kept.jsonl", '{"task_id": "t"}\n' * kept)
    write_stage(workdir, f"{model}/filter", {"kept": kept}, 1.0)
    write_stage(workdir, f"{model}/finetune", {"checkpoint": "checkpoint_90", "steps": 90, "loss": 0.3456789}, 95.0)


def write_run(workdir, tasks, rates, *, seed, evaluations=("dev",), finished=True):
  """A run with a model for each entry of `rates`: model -> share of samples that pass."""
  files.write_json(workdir / "run.json", {"seed": seed, "finished": finished})
  files.write_json(workdir / "best.json", {"model": list(rates)[-1]})
  for place, (model, rate) in enumerate(rates.items()):
    for name in evaluations:
      with_trace = not name.endswith("notrace")
      samples, verdicts = make_results(tasks, 8, rate, seed=f"{seed}/{place}/{name}")
      write_evaluation(
          workdir, model, name, split="dev", with_trace=with_trace, tasks=tasks, seed=seed,
          samples=[dataclasses.replace(sample, seed=seed) for sample in samples], verdicts=verdicts,
      )


def write_sweep(directory, tasks, rates_of_arms, seeds, findings=(), evaluations=("dev",)):
  """A finished sweep: arm -> model -> share; every seed shifts the shares a little."""
  arms = {}
  for name, rates in rates_of_arms.items():
    for seed in seeds:
      shifted = {model: min(1.0, rate + 0.02 * seed) for model, rate in rates.items()}
      write_run(directory / name / f"seed_{seed}", tasks, shifted, seed=seed, evaluations=evaluations)
    arms[name] = {"gin_files": [], "bindings": [], "seeds": list(seeds)}
  files.write_json(directory / "sweep.json", {
      "arms": arms,
      "findings": {title: {"hypothesis": why, "contrasts": contrasts} for title, why, contrasts in findings},
  })
