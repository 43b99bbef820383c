"""HeFix+, over rows of the real files."""

import ast
import dataclasses
import gzip
import json

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import downloads
from next_jax.corpora import hefix_plus
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits
from next_jax.execution import program as program_lib
from next_jax.tracing.annotation import inline

# Among them: an endless bug (10), random tests in a loop and examples in the docstring (32) or none (38, 50), a helper
# in the prompt (38, 50), asserts with messages (83, 151), tests that compare within a tolerance (2, 4), `check` in
# the name of the function (141).
_ROWS = (0, 1, 2, 4, 5, 10, 32, 38, 44, 50, 53, 83, 129, 141, 151)


@pytest.fixture(scope="module", name="executor")
def fixture_executor():
  with executor_lib.Executor(num_workers=2, limits=limits.Limits(cpu_seconds=1.0)) as executor:
    yield executor


@pytest.fixture(scope="module", name="path")
def fixture_path(shared_data, tmp_path_factory):
  lines = (shared_data / "humanevalpack_python.jsonl").read_text().split("\n")
  path = tmp_path_factory.mktemp("file") / "some.jsonl"
  path.write_text("".join(lines[number] + "\n" for number in _ROWS))
  return path


def _write_plus(path, shared_data, numbers):
  """Writes rows of HumanEval+ with 20 inputs each (some take seconds), and with all for 44, whose program is wrong."""
  with gzip.open(shared_data / "HumanEvalPlus.jsonl.gz", "rt") as file:
    rows = [json.loads(line) for line in file]
  path.write_text("".join(
      json.dumps({**row, "plus_input": row["plus_input"][: None if row["entry_point"] == "change_base" else 20]}) + "\n"
      for row in rows
      if int(row["task_id"].partition("/")[2]) in numbers
  ))
  return path


@pytest.fixture(scope="module", name="plus_path")
def fixture_plus_path(shared_data, tmp_path_factory):
  return _write_plus(tmp_path_factory.mktemp("plus") / "plus.jsonl", shared_data, _ROWS)


@pytest.fixture(scope="module", name="settings")
def fixture_settings(path, plus_path):
  return hefix_plus.HefixPlus(file=path, plus_file=plus_path)


@pytest.fixture(scope="module", name="directory")
def fixture_directory(settings, executor, tmp_path_factory):
  directory = tmp_path_factory.mktemp("hefix")
  assert settings.build(directory, executor) == {"test": len(_ROWS)}
  return directory


@pytest.fixture(scope="module", name="tasks")
def fixture_tasks(directory):
  tasks = files.read_jsonl(directory / "test.jsonl", schema.RepairTask)
  return {int(task.task_id.rpartition("/")[2]): task for task in tasks}


def _statuses(executor, tasks, code, tests):
  programs = [
      program_lib.Program(
          task_id=task.task_id, code=code(task), entry_point=task.entry_point, setup_code=task.setup_code,
          tests=tests(task),
      )
      for task in tasks
  ]
  return [verdict.status for verdict in executor.verify(programs)]


def test_every_reference_passes_all_tests(tasks, executor):
  statuses = _statuses(executor, tasks.values(), lambda task: task.reference_code, lambda task: task.tests)
  assert set(statuses) == {"passed"}


def test_every_bug_fails_the_first_public_test_by_itself(tasks, executor):
  statuses = _statuses(executor, tasks.values(), lambda task: task.buggy_code, lambda task: task.public_tests[:1])
  assert set(statuses) <= {"failed", "error", "timeout"}


def test_hidden_are_all_inputs_of_human_eval_plus(tasks, plus_path):
  rows = {int(row["task_id"].partition("/")[2]): row for _, row in files.read_jsonl_objects(plus_path)}
  for number, task in tasks.items():
    cases = [json.loads(ast.literal_eval(test.split("\n")[1].partition(" = ")[2])) for test in task.hidden_tests]
    found = [len(case["inputs"]) for case in cases]
    assert found == [len(rows[number]["base_input"]), len(rows[number]["plus_input"])]
    assert all(len(case["expected"]) == len(case["inputs"]) for case in cases)


def test_a_fix_that_only_human_eval_accepts_fails(tasks, executor, path):
  # HumanEval's own program for change_base gives "" for 0.
  rows = {row["task_id"]: row for _, row in files.read_jsonl_objects(path)}
  row = rows["Python/44"]
  its_own = program_lib.Program(
      task_id="44", code=row["prompt"] + row["canonical_solution"], entry_point="change_base", tests=(row["test"],)
  )
  (human_eval,) = executor.verify([its_own])
  (human_eval_plus,) = executor.verify([dataclasses.replace(its_own, tests=tasks[44].tests)])
  assert (human_eval.status, human_eval_plus.status) == ("passed", "failed")


def test_where_human_eval_s_program_is_wrong_the_reference_is_that_of_human_eval_plus(tasks, plus_path, directory):
  rows = {row["task_id"]: row for _, row in files.read_jsonl_objects(plus_path)}
  row = rows["HumanEval/44"]
  assert tasks[44].reference_code == row["prompt"] + row["canonical_solution"]
  statistics = json.loads((directory / "statistics.json").read_text())
  assert "hefix_plus/Python/44" in statistics["references_of_humaneval_plus"]
  assert "hefix_plus/Python/0" not in statistics["references_of_humaneval_plus"]


def test_public_tests_are_single_asserts_without_messages(tasks):
  for task in tasks.values():
    assert 1 <= len(task.public_tests) <= 3
    assert all(test.startswith("assert ") and "\n" not in test for test in task.public_tests)
  assert not any("prints if" in test for test in tasks[151].public_tests)


def test_examples_of_the_docstring_where_the_tests_are_random(tasks):
  assert "assert round(find_zero([1, 2]), 2) == -0.5" in tasks[32].public_tests


def test_programs_and_origin_are_the_benchmark_s_own(tasks, path):
  rows = {row["task_id"]: row for _, row in files.read_jsonl_objects(path)}
  for task in tasks.values():
    row = rows[task.task_id.removeprefix("hefix_plus/")]
    assert task.buggy_code == row["prompt"] + row["buggy_solution"]
    assert (task.split, task.bug_origin, task.bug_kind) == ("test", "benchmark", "unknown")
    assert task.instruction == f"Fix bugs in {task.entry_point}."


def test_every_trace_can_be_written_into_the_program(tasks):
  for task in tasks.values():
    assert "# (0)" in inline.annotate(task.buggy_code, task.trace), task.task_id


def test_an_endless_bug_is_cut(tasks):
  assert tasks[10].trace.outcome == "truncated"
  assert len(tasks[10].trace.steps) <= 500


def test_the_docstring_can_be_the_instruction_instead(settings, executor, tmp_path):
  dataclasses.replace(settings, docstring_in_program=False).build(tmp_path, executor)
  tasks = files.read_jsonl(tmp_path / "test.jsonl", schema.RepairTask)
  assert len(tasks) == len(_ROWS)
  assert tasks[0].instruction.startswith("Check if in given list of numbers")
  for task in tasks[:5]:
    assert not any(quotes in code for quotes in ('"""', "'''") for code in (task.buggy_code, task.reference_code))
  assert set(_statuses(executor, tasks, lambda task: task.reference_code, lambda task: task.tests)) == {"passed"}


def test_the_kind_of_bug_is_taken_from_the_file_where_it_says(settings, path, executor, tmp_path):
  row = json.loads(path.read_text().split("\n")[0]) | {"bug_type": "missing logic", "failure_symptoms": "output"}
  one = tmp_path / "one.jsonl"
  one.write_text(json.dumps(row) + "\n")
  dataclasses.replace(settings, file=one).build(tmp_path / "out", executor)
  (task,) = files.read_jsonl(tmp_path / "out" / "test.jsonl", schema.RepairTask)
  assert task.bug_kind == "missing logic"


def test_a_row_whose_bug_is_none_is_dropped_and_said(settings, path, executor, tmp_path):
  row = json.loads(path.read_text().split("\n")[0])
  row["buggy_solution"] = row["canonical_solution"]
  one = tmp_path / "one.jsonl"
  one.write_text(json.dumps(row) + "\n")
  assert dataclasses.replace(settings, file=one).build(tmp_path / "out", executor) == {"test": 0}
  statistics = json.loads((tmp_path / "out" / "statistics.json").read_text())
  assert statistics["dropped_tasks"] == {"hefix_plus/Python/0": "the bug passes all tests"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.pop("prompt"), r"some\.jsonl:1: key 'prompt' is missing"),
        (lambda row: row.update(canonical_solution=3), r"some\.jsonl:1: key 'canonical_solution': expected str"),
        (lambda row: row.pop("buggy_solution"), "no key 'buggy_solution'"),
    ],
)
def test_a_malformed_row_is_named(settings, path, executor, tmp_path, change, message):
  row = json.loads(path.read_text().split("\n")[0])
  change(row)
  bad = tmp_path / "some.jsonl"
  bad.write_text(json.dumps(row) + "\n")
  with pytest.raises(errors.UserError, match=message):
    dataclasses.replace(settings, file=bad).build(tmp_path / "out", executor)
  assert not (tmp_path / "out").exists()


def test_impossible_settings_are_named():
  with pytest.raises(errors.CorpusError, match="num_public_tests: found 0"):
    hefix_plus.HefixPlus(num_public_tests=0)


def test_same_bytes_each_time(settings, path, executor, tmp_path):
  some = tmp_path / "some.jsonl"
  some.write_text("".join(line + "\n" for line in path.read_text().split("\n")[:4]))
  settings = dataclasses.replace(settings, file=some, num_public_tests=2)
  for name in ("a", "b"):
    settings.build(tmp_path / name, executor)
  assert (tmp_path / "a" / "test.jsonl").read_bytes() == (tmp_path / "b" / "test.jsonl").read_bytes()


def test_inputs_of_other_problems_are_refused(settings, plus_path, executor, tmp_path):
  rows = [row for _, row in files.read_jsonl_objects(plus_path)]
  rows[0]["entry_point"] = "another"
  for name, some, message in (("few", rows[1:], "found none"), ("other", rows, "a problem about 'another'")):
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in some))
    with pytest.raises(errors.CorpusError, match=f"HumanEval\\+ for 'Python/0'.*{message}"):
      dataclasses.replace(settings, plus_file=tmp_path / name).build(tmp_path / "out", executor)


@pytest.mark.slow
def test_all_164_tasks_hold(shared_data, tmp_path):
  # benchmarks/building.py shows this for all inputs, which takes minutes.
  plus_path = _write_plus(tmp_path / "plus.jsonl", shared_data, range(164))
  settings = hefix_plus.HefixPlus(file=shared_data / "humanevalpack_python.jsonl", plus_file=plus_path)
  # Three bugs do not end, and run to this limit many times.
  with executor_lib.Executor(num_workers=2, limits=limits.Limits(cpu_seconds=2.0)) as executor:
    assert settings.build(tmp_path / "out", executor) == {"test": 164}


def test_the_check_of_a_download_accepts_the_real_file_and_no_other(shared_data, path):
  hefix_plus.SOURCE.check(shared_data / "humanevalpack_python.jsonl")
  with pytest.raises(errors.CorpusError, match="expected 164 problems, found 15"):
    hefix_plus.SOURCE.check(path)


def _write_pack(path, shared_data, change):
  rows = [json.loads(line) for line in (shared_data / "humanevalpack_python.jsonl").read_text().splitlines()]
  path.write_text("".join(json.dumps(change(row)) + "\n" for row in rows))
  return path


def test_the_check_of_a_download_accepts_the_columns_and_blank_lines_of_other_copies(shared_data, tmp_path):
  def change(row):
    return {**row, "prompt": "\n\n" + row["prompt"], "bug_type": "excess logic", "instruction": "Write a program."}

  hefix_plus.SOURCE.check(_write_pack(tmp_path / "pack.jsonl", shared_data, change))


@pytest.mark.parametrize("key", ["canonical_solution", "buggy_solution", "test"])
def test_the_check_of_a_download_refuses_a_program_or_test_that_has_changed(shared_data, tmp_path, key):
  path = _write_pack(
      tmp_path / "pack.jsonl", shared_data,
      lambda row: {**row, key: row[key] + "    # new\n"} if row["task_id"] == "Python/7" else row,
  )
  with pytest.raises(errors.CorpusError, match="has changed at its source.*give its path as HefixPlus.file"):
    hefix_plus.SOURCE.check(path)


def test_the_digest_of_human_eval_plus_is_that_of_the_real_content(shared_data, tmp_path):
  # Compressed differently from the source, as another mirror may do.
  content = gzip.decompress((shared_data / "HumanEvalPlus.jsonl.gz").read_bytes())
  (tmp_path / "origin.gz").write_bytes(gzip.compress(content, 1))
  source = dataclasses.replace(hefix_plus.PLUS_SOURCE, url=(tmp_path / "origin.gz").as_uri())
  assert downloads.fetch(source, tmp_path / "kept").exists()
