"""A work directory such as `next-jax run` leaves behind, small, made of records that hang together."""

import random

import pytest

from next_jax import files
from next_jax import schema
from next_jax.evaluation import repair
from next_jax.tracing import calls
from next_jax.tracing import recorder

_PROGRAMS = (
    ("count_above", "Count the numbers in a list that are above a limit.",
     "def count_above(values, limit):\n  count = 1\n  for value in values:\n    if value > limit:\n      count += 1\n  return count",
     "count = 1", "count = 0", ("assert count_above([1, 5, 9], 4) == 2", "assert count_above([], 4) == 0"), "initial_value"),
    ("last_word", "Return the last word of a text, in capitals.",
     "def last_word(text):\n  words = text.split()\n  return words[0].upper()",
     "words[0]", "words[-1]", ("assert last_word('so it <goes> & goes') == 'GOES'", "assert last_word('one') == 'ONE'"),
     "constant"),
    ("smallest", "Return the smallest of three numbers.",
     "def smallest(a, b, c):\n  best = a\n  if b > best:\n    best = b\n  if c < best:\n    best = c\n  return best",
     "b > best", "b < best", ("assert smallest(3, 2, 5) == 2", "assert smallest(1, 2, 3) == 1"), "comparison"),
    ("halves", "Halve a number until it is below one; return how often.",
     "def halves(x):\n  n = 0\n  while x >= 1:\n    n += 1\n  return n",
     "    n += 1", "    n += 1\n    x /= 2", ("assert halves(8) == 4",), "operator"),
)
HOSTILE = "</script><script>alert(1)</script><!-- \u2028 <img src=x onerror=alert(2)> \ud800 & \"quoted\""


def make_tasks(num: int) -> list[schema.RepairTask]:
  tasks = []
  for number in range(num):
    name, instruction, buggy, wrong, right, tests, kind = _PROGRAMS[number % len(_PROGRAMS)]
    trace = recorder.record(buggy, calls.traced_call(tests[0], name), budget=recorder.Budget(max_steps=200))
    tasks.append(schema.RepairTask(
        task_id=f"minirepair/dev/{number:04d}-{name}", split="dev", instruction=instruction, entry_point=name,
        buggy_code=buggy, reference_code=buggy.replace(wrong, right), public_tests=tests[:1], hidden_tests=tests[1:],
        bug_kind=kind, bug_origin="mutant", trace=trace,
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
        fix, status, detail = task.buggy_code, "timeout", "no end after 3.0 CPU seconds"
      else:
        fix, rationale, refusal, status = None, None, "no fenced block after '### Fix'", "syntax"
      completion = f"{rationale}\n### Fix\n```python\n{fix}\n```" if fix else HOSTILE.replace("\ud800", "")
      samples.append(schema.Sample(
          task_id=task.task_id, sample_index=index, completion=completion, rationale=rationale, fix=fix, refusal=refusal,
          log_probability=-20 * rng.random(), token_count=40 + rng.randrange(40), seed=seed,
      ))
      number = 1 if status != "passed" else len(task.tests)
      verdicts.append(schema.Verdict(
          task_id=task.task_id, sample_index=index, status=status, detail=detail,
          tests=() if fix is None else (schema.TestResult(status=status),) * number,
      ))
  return samples, verdicts


def write_evaluation(workdir, model, name, split, with_trace, tasks, rate, num_samples=8, seed=1):
  directory = workdir / model / "evaluate" / name
  samples, verdicts = make_results(tasks, num_samples, rate, seed)
  files.write_jsonl(directory / "tasks.jsonl", tasks)
  files.write_jsonl(directory / "samples.jsonl", samples)
  files.write_jsonl(directory / "verdicts.jsonl", verdicts)
  metrics = {
      "name": name, "model": model, "task": "minirepair_" + ("trace" if with_trace else "notrace"), "corpus": "minirepair",
      "split": split, "input": "trace" if with_trace else "no trace", "seed": seed,
      **repair.fix_rate(tasks, samples, verdicts, ks=[1, 8], seed=seed),
  }
  files.write_json(directory / "metrics.json", metrics)
  write_stage(workdir, f"{model}/evaluate/{name}", metrics, seconds=40.0)


def write_stage(workdir, name, metrics, seconds, resumed=False):
  files.write_json(workdir / name / "stage.json", {
      "stage": name, "fingerprint": "0123456789abcdef", "settings": {}, "inputs": {}, "metrics": metrics, "counts": {},
  })
  files.write_json(workdir / name / "timing.json", {"seconds": seconds, "resumed": resumed, "samples_per_second": 120.5})


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


@pytest.fixture(scope="session")
def tasks():
  return make_tasks(40)


@pytest.fixture(scope="session")
def finished_run(tasks, tmp_path_factory):
  """A run of base, three iterations and a control, that ended well."""
  workdir = tmp_path_factory.mktemp("runs") / "quickstart"
  files.write_json(workdir / "run.json", {
      "versions": {"python": "3.11.9", "jax": "0.10.2"}, "platform": "Linux", "cpu_count": 2, "git_commit": "abc", "seed": 0,
      "datasets": {"minirepair": {"dev": "0011223344556677"}}, "finished": True,
  })
  files.write_text(workdir / "config.gin", "# <tags> & such\nRun.num_iterations = 3\n")
  files.write_json(workdir / "best.json", {"model": "iteration_03", "pass_at_1": 0.6, "why": "highest pass@1 on dev"})
  rates = {"base": 0.12, "iteration_01": 0.4, "iteration_02": 0.5, "iteration_03": 0.62, "control_unfiltered": 0.13}
  for model, rate in rates.items():
    if not model.startswith("control"):
      write_round(workdir, model, tasks, rate, kept=0 if model == "base" else int(300 * rate))
    write_evaluation(workdir, model, "dev", "dev", True, tasks, rate)
    write_evaluation(workdir, model, "unseen", "unseen", True, tasks, 0.9 * rate, seed=2)
    if model in ("base", "iteration_03"):
      write_evaluation(workdir, model, "dev_notrace", "dev", False, tasks, 0.93 * rate, seed=3)
  return workdir
