"""`next-jax verify`: verdicts and pass@k from sample files, and errors for bad ones."""

import argparse
import gzip
import json
import os
import pty
import subprocess
import sys
import termios

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.commands import verify as verify_lib

PROBLEMS = [
    {"task_id": number, "text": "", "code": f"def f(x):\n  return x + {number}\n",
     "test_list": [f"assert f(1) == {1 + number}", f"assert f(2) == {2 + number}"]}
    for number in (2, 11, 601)
]
GOOD = {"task_id": 2, "completion": "def f(x):\n  return x + 2\n"}
BAD = {"task_id": 2, "completion": "def f(x):\n  return 3\n"}


@pytest.fixture
def run(tmp_path, capsys):
  def run(samples, *options, problems=PROBLEMS):
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
    lines = [sample if isinstance(sample, str) else json.dumps(sample) for sample in samples]
    (tmp_path / "samples.jsonl").write_text("".join(f"{line}\n" for line in lines))
    parser = argparse.ArgumentParser()
    verify_lib.add_arguments(parser)
    paths = ["--problems", str(tmp_path / "problems.jsonl"), "--samples", str(tmp_path / "samples.jsonl")]
    paths += ["--cache", str(tmp_path / "cache")]
    code = verify_lib.main(parser.parse_args([*paths, "--num_workers", "1", *options]))
    assert code == 0
    return capsys.readouterr().out

  return run


def test_verdicts_are_written_beside_the_samples_and_pass_at_k_is_printed(run, tmp_path):
  output = run([GOOD, BAD, {**GOOD, "task_id": "MBPP/2"}, {**BAD, "task_id": "Mbpp/2"}], "--k", "1,2,10")
  verdicts = files.read_jsonl(tmp_path / "samples_verdicts.jsonl", schema.Verdict)
  assert [(v.task_id, v.sample_index, v.status) for v in verdicts] == [
      ("2", 0, "passed"), ("2", 1, "failed"), ("2", 2, "passed"), ("2", 3, "failed")
  ]
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


PLUS = {
    "task_id": "HumanEval/0",
    "prompt": "def f(x):\n",
    "entry_point": "f",
    "canonical_solution": "  return 'x' * x\n",
    "test": "",
    "contract": "",
    "base_input": [[1]],
    "plus_input": [[0], [-1], [10**8]],
    "atol": 0,
}


def test_human_eval_plus_prints_both_kinds_of_pass_at_k_and_what_is_left_out(tmp_path, capsys):
  samples = [{"task_id": "0", "completion": f"  return {result}\n"} for result in ("'x' * x", "'x' * abs(x)", "x")]
  for name, rows in (("problems", [PLUS]), ("samples", samples)):
    (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  parser = argparse.ArgumentParser()
  verify_lib.add_arguments(parser)
  paths = [f"--{name}={tmp_path / name}.jsonl" for name in ("problems", "samples")]
  verify_lib.main(parser.parse_args([*paths, f"--cache={tmp_path / 'cache'}", "--num_workers=1", "--k=1"]))
  output = capsys.readouterr()
  table = dict(line.split("  ", 1) for line in output.out.splitlines() if "  " in line)
  assert table["pass@1"].strip() == "0.3333  (1 problems)"
  assert table["pass@1 on base inputs"].strip() == "0.6667  (1 problems)"
  assert "HumanEval/0: 1 inputs are left out" in output.err
  assert len(os.listdir(tmp_path / "cache")) == 1


def test_a_detail_that_cannot_be_encoded_does_not_lose_the_verdicts(run, tmp_path):
  run([GOOD, {"task_id": 2, "completion": "def f(x):\n  raise ValueError('\\ud800')\n"}])
  verdicts = files.read_jsonl(tmp_path / "samples_verdicts.jsonl", schema.Verdict)
  assert [(verdict.status, verdict.detail) for verdict in verdicts] == [
      ("passed", ""), ("error", "ValueError: ? (line 2 of the program)")
  ]


class _Interrupt:
  """Interrupts the executor's stream after some verdicts, as Ctrl-C does."""

  def __init__(self, monkeypatch, count):
    self.started = []
    verify = verify_lib.executor_lib.Executor.verify

    def interrupted(executor, programs):
      for number, verdict in enumerate(verify(executor, self._counted(programs))):
        if number == count:
          raise KeyboardInterrupt
        yield verdict

    monkeypatch.setattr(verify_lib.executor_lib.Executor, "verify", interrupted)

  def _counted(self, programs):
    for program in programs:
      self.started.append(program.sample_index)
      yield program


def test_an_interrupted_command_leaves_no_verdict_file_and_resumes(run, tmp_path, monkeypatch):
  samples = [GOOD, BAD] * 10
  with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
    _Interrupt(context, 7)
    run(samples)
  out = tmp_path / "samples_verdicts.jsonl"
  assert not out.exists()
  with monkeypatch.context() as context:
    rest = _Interrupt(context, None)
    run(samples)
  assert rest.started == list(range(7, 20))
  verdicts = files.read_jsonl(out, schema.Verdict)
  assert [verdict.sample_index for verdict in verdicts] == list(range(20))
  assert [verdict.passed for verdict in verdicts] == [True, False] * 10
  assert not (tmp_path / "samples_verdicts.jsonl.partial").exists()


def test_what_another_command_left_is_removed(run, tmp_path, monkeypatch):
  with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
    _Interrupt(context, 2)
    run([GOOD, BAD, GOOD])
  run([BAD, BAD, GOOD])
  verdicts = files.read_jsonl(tmp_path / "samples_verdicts.jsonl", schema.Verdict)
  assert [verdict.passed for verdict in verdicts] == [False, False, True]


def test_progress_says_rate_and_time_left(monkeypatch, capsys):
  monkeypatch.setattr(verify_lib, "_SECONDS_BETWEEN_LINES", 0.0)
  verdicts = [schema.Verdict(task_id="1", sample_index=index, status="passed") for index in range(3)]
  assert list(verify_lib._with_progress(iter(verdicts), 1, 4)) == verdicts
  lines = capsys.readouterr().err.splitlines()
  assert lines[0].startswith("verified 2 of 4 programs, ") and lines[0].endswith(" s left")
  assert lines[-1].startswith("verified 4 of 4 programs, ") and lines[-1].endswith(" a second, 0 s left")


def test_in_a_terminal_progress_is_a_bar(tmp_path):
  for name, rows in (("problems", PROBLEMS), ("samples", [GOOD, BAD])):
    (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  script = "import sys; from next_jax import main; sys.exit(main.main(sys.argv[1:]))"
  paths = [f"--{name}={tmp_path / name}.jsonl" for name in ("problems", "samples")]
  ours, theirs = pty.openpty()
  termios.tcsetwinsize(theirs, (24, 100))
  command_line = [sys.executable, "-c", script, "verify", *paths]
  process = subprocess.run(command_line, stdout=subprocess.PIPE, stderr=theirs, check=False)
  os.close(theirs)
  shown = os.read(ours, 1 << 16).decode()
  os.close(ours)
  assert process.returncode == 0, shown
  assert "2/2" in shown and "program/s" in shown


@pytest.mark.parametrize("k", ["0", "one", "1,,2", ""])
def test_k_that_is_no_number_is_refused(run, k):
  with pytest.raises(errors.UserError, match="--k: found"):
    run([GOOD], "--k", k)


def test_compressed_samples_are_read(tmp_path, capsys):
  (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
  (tmp_path / "s.jsonl.gz").write_bytes(gzip.compress((json.dumps(GOOD) + "\n").encode()))
  parser = argparse.ArgumentParser()
  verify_lib.add_arguments(parser)
  arguments = ["--problems", str(tmp_path / "problems.jsonl"), "--samples", str(tmp_path / "s.jsonl.gz")]
  assert verify_lib.main(parser.parse_args([*arguments, "--num_workers", "1"])) == 0
  assert len(files.read_jsonl(tmp_path / "s_verdicts.jsonl", schema.Verdict)) == 1


def test_neither_jax_nor_tensorflow_is_imported():
  script = (
      "import sys, next_jax.commands.verify, next_jax.execution.executor\n"
      "print([name for name in ('jax', 'tensorflow', 'numpy') if name in sys.modules])"
  )
  result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
  assert result.stdout.strip() == "[]"
