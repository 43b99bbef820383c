"""On Apache Beam, verify and trace give the same results as without it, from sharded files to sharded files."""

import functools
import json
import os
import pathlib
import sys

import pytest

pytest.importorskip("apache_beam", reason="needs Apache Beam: pip install -e .[beam]")

import apache_beam
from apache_beam import runners
from apache_beam.testing import test_pipeline
from apache_beam.testing import util

from next_jax import files
from next_jax import schema
from next_jax.execution import beam as beam_lib
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits as limits_lib
from next_jax.execution import program as program_lib

PROGRAMS = [
    program_lib.Program(
        task_id=f"task-{number}",
        sample_index=number,
        code=f"def f(x):\n  return x + {number % 3}\n",
        entry_point="f",
        tests=("assert f(1) == 2",),
    )
    for number in range(30)
]
REQUESTS = [
    program_lib.TraceRequest(task_id=f"{number}", source="def f(x):\n  y = x * x\n  return y\n", call=f"f({number})")
    for number in range(10)
]
# The runner in Beam's Python package; the default may download another.
OPTIONS = ["--runner=FnApiRunner"]


def write_shards(directory: pathlib.Path, records, count=3) -> str:
  for number in range(count):
    files.write_jsonl(directory / f"in-{number}.jsonl", records[number::count])
  return str(directory / "in-*.jsonl")


def read_shards(directory: pathlib.Path) -> list[dict]:
  return [json.loads(line) for path in sorted(directory.glob("out-*.jsonl")) for line in path.open(encoding="utf-8")]


def children() -> set[str]:
  if sys.platform != "linux":
    return set()
  return set(pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_a_sharded_file_is_verified(tmp_path):
  before = children()
  pattern = write_shards(tmp_path, PROGRAMS)
  beam_lib.main(["verify", "--input", pattern, "--output", str(tmp_path / "out"), *OPTIONS])
  verdicts = sorted((schema.Verdict.from_json(row) for row in read_shards(tmp_path)), key=lambda one: one.sample_index)
  assert [verdict.task_id for verdict in verdicts] == [program.task_id for program in PROGRAMS]
  assert [verdict.passed for verdict in verdicts] == [number % 3 == 1 for number in range(30)]
  assert verdicts[0].detail == "f(1) returned 1, expected 2"
  assert children() <= before, "teardown has closed the executor"


def test_a_sharded_file_is_traced(tmp_path):
  pattern = write_shards(tmp_path, REQUESTS)
  beam_lib.main(["trace", "--input", pattern, "--output", str(tmp_path / "out"), *OPTIONS])
  found = {row.pop("task_id"): schema.Trace.from_json(row) for row in read_shards(tmp_path)}
  with executor_lib.Executor(num_workers=1) as executor:
    expected = dict(zip([request.task_id for request in REQUESTS], executor.trace(REQUESTS), strict=True))
  assert found == expected


def test_limits_are_given_with_the_executor():
  make_executor = functools.partial(executor_lib.Executor, num_workers=1, limits=limits_lib.Limits(cpu_seconds=0.2))
  code = "def f():\n  while True: pass\n"
  endless = program_lib.Program(task_id="1", code=code, entry_point="f", tests=("assert f()",))
  with test_pipeline.TestPipeline(runner=runners.create_runner("FnApiRunner")) as pipeline:
    verdicts = pipeline | apache_beam.Create([endless]) | beam_lib.Verify(executor=make_executor)
    statuses = verdicts | apache_beam.Map(lambda verdict: (verdict.status, verdict.detail))
    util.assert_that(statuses, util.equal_to([("timeout", "used more than 0.2 s of CPU time")]))


def test_a_line_that_is_no_program_is_named_with_its_file(tmp_path):
  (tmp_path / "in-0.jsonl").write_text('{"task_id": "1"}\n')
  with pytest.raises(Exception, match=r"in-0.jsonl: expected a program a line, .* key 'code' is missing"):
    beam_lib.main(["verify", "--input", str(tmp_path / "in-*"), "--output", str(tmp_path / "out"), *OPTIONS])
