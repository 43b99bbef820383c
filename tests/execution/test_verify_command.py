"""`next-jax verify`: from sample files to verdicts and pass@k, and what it says to bad ones."""

import argparse
import gzip
import json
import subprocess
import sys

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.execution import command

PROBLEMS = [
    {"task_id": number, "text": "", "code": f"def f(x):\n  return x + {number}\n",
     "test_list": [f"assert f(1) == {1 + number}", f"assert f(2) == {2 + number}"]}
    for number in (2, 11, 601)
]  # fmt: skip
GOOD = {"task_id": 2, "completion": "def f(x):\n  return x + 2\n"}
BAD = {"task_id": 2, "completion": "def f(x):\n  return 3\n"}


@pytest.fixture
def run(tmp_path, capsys):
  def run(samples, *options, problems=PROBLEMS):
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
    lines = [sample if isinstance(sample, str) else json.dumps(sample) for sample in samples]
    (tmp_path / "samples.jsonl").write_text("".join(f"{line}\n" for line in lines))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    paths = ["--problems", str(tmp_path / "problems.jsonl"), "--samples", str(tmp_path / "samples.jsonl")]
    code = command.main(parser.parse_args([*paths, "--num_workers", "1", *options]))
    assert code == 0
    return capsys.readouterr().out

  return run


def test_verdicts_are_written_beside_the_samples_and_pass_at_k_is_printed(run, tmp_path):
  output = run([GOOD, BAD, {**GOOD, "task_id": "MBPP/2"}, {**BAD, "task_id": "Mbpp/2"}], "--k", "1,2,10")
  verdicts = files.read_jsonl(tmp_path / "samples_verdicts.jsonl", schema.Verdict)
  assert [(v.task_id, v.sample_index, v.status) for v in verdicts] == [
      ("2", 0, "passed"), ("2", 1, "failed"), ("2", 2, "passed"), ("2", 3, "failed")
  ]  # fmt: skip
  table = dict(line.split("  ", 1) for line in output.splitlines() if "  " in line)
  assert table["pass@1"].strip() == "0.5000  (1 problems)"
  assert table["pass@2"].strip() == "0.8333  (1 problems)"
  assert table["pass@10"].strip().startswith("-  (needs 10 samples of each problem, the fewest are 4)")
  assert table["problems without samples"].strip().startswith("2 (left out of pass@k")
  assert (table["passed"].strip(), table["failed"].strip()) == ("2", "2")


def test_a_solution_is_a_whole_program_and_a_completion_continues_the_prompt(run, tmp_path):
  problem = {
      "task_id": "HumanEval/0",
      "prompt": "def f(x):\n",
      "entry_point": "f",
      "canonical_solution": "  return x\n",
      "test": "def check(c):\n  assert c(1) == 1\n",
  }
  samples = [
      {"task_id": "HumanEval/0", "completion": "  return x\n"},
      {"task_id": "Python/0", "solution": "def f(y): return y\n"},
      {"task_id": "HumanEval/0", "completion": "def f(x):\n  return x\n"},
  ]
  run(samples, "--out", str(tmp_path / "out.jsonl"), problems=[problem])
  statuses = [verdict.status for verdict in files.read_jsonl(tmp_path / "out.jsonl", schema.Verdict)]
  assert statuses == ["passed", "passed", "syntax"]


@pytest.mark.parametrize(
    "samples, message",
    [
        ([GOOD, {**GOOD, "task_id": 12}], r"samples.jsonl:2: task_id 12 is not in the problem file, whose first is '2"),
        ([{**GOOD, "task_id": "HumanEval/2"}], r"samples.jsonl:1: task_id 'HumanEval/2' is not in the problem file"),
        ([{"completion": ""}], r"samples.jsonl:1: key 'task_id' is missing"),
        ([{"task_id": 2, "code": ""}], r"samples.jsonl:1: found the keys 'task_id', 'code'; expected 'completion' or"),
        ([{"task_id": 2, "solution": None}], r"samples.jsonl:1: key 'solution': expected a string, found NoneType"),
        ([GOOD, '{"task_id": 2, "compl'], r"samples.jsonl:2: expected one JSON object"),
        (["[1, 2]"], r"samples.jsonl:1: expected a JSON object, found list"),
        ([], r"samples.jsonl: no samples in the file"),
    ],
)
def test_what_is_wrong_with_a_sample_file_is_named_with_its_line(run, tmp_path, samples, message):
  with pytest.raises(errors.UserError, match=message):
    run(samples)
  assert not (tmp_path / "samples_verdicts.jsonl").exists()


@pytest.mark.parametrize("k", ["0", "one", "1,,2", ""])
def test_k_that_is_no_number_is_refused(run, k):
  with pytest.raises(errors.UserError, match="--k: found"):
    run([GOOD], "--k", k)


def test_compressed_samples_are_read(tmp_path, capsys):
  (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
  (tmp_path / "s.jsonl.gz").write_bytes(gzip.compress((json.dumps(GOOD) + "\n").encode()))
  parser = argparse.ArgumentParser()
  command.add_arguments(parser)
  arguments = ["--problems", str(tmp_path / "problems.jsonl"), "--samples", str(tmp_path / "s.jsonl.gz")]
  assert command.main(parser.parse_args([*arguments, "--num_workers", "1"])) == 0
  assert len(files.read_jsonl(tmp_path / "s_verdicts.jsonl", schema.Verdict)) == 1


def test_neither_jax_nor_tensorflow_is_imported():
  script = (
      "import sys, next_jax.execution.command, next_jax.execution.executor\n"
      "print([name for name in ('jax', 'tensorflow', 'numpy') if name in sys.modules])"
  )
  result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
  assert result.stdout.strip() == "[]"
