"""MBPP-R, over the real file."""

import dataclasses
import json

import pytest

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import canonical
from next_jax.corpora import mbpp_r
from next_jax.corpora import model_written
from next_jax.corpora import mutants
from next_jax.corpora import proving
from next_jax.execution import executor as executor_lib
from next_jax.execution import limits
from next_jax.execution import program as program_lib
from next_jax.execution.benchmarks import problems as problems_lib
from next_jax.tracing.annotation import inline


@pytest.fixture(scope="module", name="executor")
def fixture_executor():
  with executor_lib.Executor(num_workers=2, limits=limits.Limits(cpu_seconds=1.0)) as executor:
    yield executor


@pytest.fixture(scope="module", name="settings")
def fixture_settings(shared_data):
  origins = (mutants.Mutants(per_problem=2),)
  return mbpp_r.MbppR(file=shared_data / "mbpp.jsonl", num_train=40, num_dev=12, origins=origins)


@pytest.fixture(scope="module", name="built")
def fixture_built(settings, executor, tmp_path_factory):
  directory = tmp_path_factory.mktemp("mbpp_r")
  counts = settings.build(directory, executor)
  return directory, counts


def _tasks(directory):
  return [t for split in ("train", "dev") for t in files.read_jsonl(directory / f"{split}.jsonl", schema.RepairTask)]


def _statuses(executor, tasks, code, tests):
  programs = (
      program_lib.Program(
          task_id=task.task_id, code=code(task), entry_point=task.entry_point, setup_code=task.setup_code,
          tests=tests(task),
      )
      for task in tasks
  )
  return [verdict.status for verdict in executor.verify(programs)]


def test_there_are_as_many_tasks_as_asked_for(built):
  directory, counts = built
  assert counts == {"dev": 12, "train": 40}
  assert len(_tasks(directory)) == 52


def test_every_reference_passes_all_tests(built, executor):
  statuses = _statuses(executor, _tasks(built[0]), lambda task: task.reference_code, lambda task: task.tests)
  assert set(statuses) == {"passed"}


def test_every_bug_fails_the_first_public_test_by_itself(built, executor):
  statuses = _statuses(executor, _tasks(built[0]), lambda task: task.buggy_code, lambda task: task.public_tests[:1])
  assert set(statuses) <= {"failed", "error", "timeout", "memory"}


def test_splits_are_those_of_the_authors_by_problem(built):
  for task in _tasks(built[0]):
    corpus, problem, _ = task.task_id.split("/")
    assert corpus == "mbpp_r"
    assert int(problem) in mbpp_r.SPLITS[task.split]


def test_no_pair_of_bug_and_fix_is_there_twice(built):
  pairs = [
      (canonical.canonical(task.buggy_code), canonical.canonical(task.reference_code)) for task in _tasks(built[0])
  ]
  assert len(set(pairs)) == len(pairs)


def test_task_ids_are_unique(built):
  ids = [task.task_id for task in _tasks(built[0])]
  assert len(set(ids)) == len(ids)


def test_two_tests_are_public_and_the_others_hidden(built, shared_data):
  problems = {p.task_id: p for p in problems_lib.read_problems(shared_data / "mbpp.jsonl")}
  for task in _tasks(built[0]):
    assert len(task.public_tests) == 2
    assert sorted(task.tests) == sorted(problems[task.task_id.split("/")[1]].tests)


def test_every_task_is_traced_on_its_first_test_and_can_be_annotated(built):
  for task in _tasks(built[0]):
    assert task.trace.call.startswith(f"{task.entry_point}(") and task.trace.outcome != ""
    inline.annotate(task.buggy_code, task.trace)


def test_no_carriage_return_is_left(built):
  assert not any("\r" in text for task in _tasks(built[0]) for text in (task.buggy_code, task.reference_code))


def test_statistics_account_for_every_task(built):
  directory, counts = built
  statistics = json.loads((directory / "statistics.json").read_text())
  for split, count in counts.items():
    found = statistics["splits"][split]
    assert found["tasks"] == count
    for name in ("bug_kinds", "bug_origins", "shows", "trace_outcomes"):
      assert sum(found[name].values()) == count, name
  assert len(statistics["file_sha256"]) == 64


def test_a_small_corpus_is_spread_over_the_problems(built):
  problems = {task.task_id.split("/")[1] for task in _tasks(built[0]) if task.split == "train"}
  assert len(problems) >= 35
  assert max(map(int, problems)) > 900 > 700 > min(map(int, problems))


def test_same_settings_same_bytes_and_another_seed_other_bugs(settings, executor, tmp_path):
  small = dataclasses.replace(settings, num_train=6, num_dev=3)
  for name, corpus in (("a", small), ("b", small), ("c", dataclasses.replace(small, seed=1))):
    corpus.build(tmp_path / name, executor)
  for name in ("train.jsonl", "dev.jsonl", "statistics.json"):
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
  assert (tmp_path / "a" / "train.jsonl").read_bytes() != (tmp_path / "c" / "train.jsonl").read_bytes()


def test_only_the_kinds_asked_for(settings, executor, tmp_path):
  corpus = dataclasses.replace(
      settings, num_train=5, num_dev=2, origins=(mutants.Mutants(kinds=("comparison",)),)
  )
  corpus.build(tmp_path, executor)
  assert {task.bug_kind for task in _tasks(tmp_path)} == {"comparison"}


def test_fewer_tasks_when_there_are_no_more_mutants(shared_data, executor, tmp_path):
  # All problems of a split are needed, so this is a whole file in which only one problem can be mutated.
  rows = [json.loads(line) for line in (shared_data / "mbpp.jsonl").read_text().splitlines()]
  for row in rows:
    if row["task_id"] != 601:
      row.update(code="def f(x):\n  return x\n", test_list=["assert f(1) == 1"], challenge_test_list=[])
  path = tmp_path / "mbpp.jsonl"
  path.write_text("".join(json.dumps(row) + "\n" for row in rows))
  corpus = mbpp_r.MbppR(file=path, origins=(mutants.Mutants(per_problem=3, kinds=("comparison",)),))
  assert corpus.build(tmp_path / "out", executor)["dev"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.pop("code"), r"mbpp\.jsonl:601: key 'code' is missing"),
        (lambda row: row.update(test_list=[]), r"mbpp\.jsonl:601: key 'test_list'"),
        (lambda row: row.update(test_list=["assert 1 == 1"]), r"mbpp\.jsonl:601: no test calls"),
        (lambda row: row.update(task_id=2000), r"no task_id 601"),
    ],
)
def test_a_malformed_row_is_named(shared_data, executor, tmp_path, change, message):
  rows = [json.loads(line) for line in (shared_data / "mbpp.jsonl").read_text().splitlines()]
  change(rows[600])
  path = tmp_path / "mbpp.jsonl"
  path.write_text("".join(json.dumps(row) + "\n" for row in rows))
  with pytest.raises(errors.UserError, match=message):
    mbpp_r.MbppR(file=path).build(tmp_path / "out", executor)
  assert not (tmp_path / "out").exists()


def test_a_truncated_file_is_named_with_its_line(shared_data, executor, tmp_path):
  path = tmp_path / "mbpp.jsonl"
  path.write_bytes((shared_data / "mbpp.jsonl").read_bytes()[:100_000])
  with pytest.raises(files.FileError, match=r"mbpp\.jsonl:\d+: expected one JSON object"):
    mbpp_r.MbppR(file=path).build(tmp_path / "out", executor)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_train": 0}, "MbppR.num_train: found 0"),
        ({"num_dev": -1}, "MbppR.num_dev: found -1"),
        ({"bug_cpu_seconds": 0.0}, "MbppR.bug_cpu_seconds: found 0.0"),
        ({"origins": ()}, "MbppR.origins: found none"),
    ],
)
def test_impossible_settings_are_named(settings, message):
  with pytest.raises(errors.CorpusError, match=message):
    mbpp_r.MbppR(**settings)


_SAMPLES = (
    {"task_id": 601, "completion": "def max_chain_length(arr, n):\n  return n\n"},
    {"task_id": "MBPP/602", "solution": "def first_repeated_char(text):\n  return None\n"},
    {"task_id": 602, "solution": "def first_repeated_char(s):  # the same again\n  return None\n"},
    {"task_id": 602, "solution": "def first_repeated(s):\n  return None\n"},
    {"task_id": 602, "solution": "def first_repeated_char(s):\n  return ''.join(\n"},
    {"task_id": 511, "solution": "def find_Min_Sum(num):\n  return num\n"},
    {"task_id": 11, "solution": "def remove_Occ(s, ch):\n  return s\n"},
)


@pytest.fixture(scope="module", name="samples")
def fixture_samples(tmp_path_factory):
  path = tmp_path_factory.mktemp("samples") / "some_model.jsonl"
  path.write_text("".join(json.dumps(sample) + "\n" for sample in _SAMPLES))
  return path


def test_bugs_that_models_wrote_come_first_and_mutants_fill_the_rest(settings, samples, executor, tmp_path):
  few = mutants.Mutants(per_problem=1, kinds=("early_return",))
  origins = (model_written.ModelWritten(files=(samples,)), few)
  dataclasses.replace(settings, origins=origins, num_train=None, num_dev=None).build(tmp_path, executor)
  tasks = _tasks(tmp_path)
  written = {task.task_id: task for task in tasks if task.bug_origin == "model"}
  assert sorted(written) == ["mbpp_r/511/00", "mbpp_r/601/00", "mbpp_r/602/00"]
  assert {task.bug_kind for task in written.values()} == {"some_model"}
  assert {task.bug_origin for task in tasks} == {"model", "mutant"}
  statistics = json.loads((tmp_path / "statistics.json").read_text())
  assert statistics["splits"]["train"]["dropped"]["it does not compile"] == 1
  assert statistics["splits"]["train"]["dropped"]["it does not define the function"] == 1
  assert statistics["splits"]["train"]["dropped"]["the same bug and fix up to names and layout"] >= 1
  assert [(one["samples"], one["problems"]) for one in statistics["sources"]] == [(7, 4)]


def test_an_origin_gives_no_more_than_its_share(settings, samples, executor, tmp_path):
  origins = (mutants.Mutants(share=0.25), model_written.ModelWritten(files=(samples,)))
  dataclasses.replace(settings, origins=origins, num_train=12, num_dev=4).build(tmp_path, executor)
  statistics = json.loads((tmp_path / "statistics.json").read_text())["splits"]
  assert statistics["train"]["bug_origins"] == {"model": 2, "mutant": 3}
  assert statistics["dev"]["bug_origins"] == {"model": 1, "mutant": 1}


def test_a_right_sample_is_no_bug(settings, shared_data, executor, tmp_path):
  problem = {p.task_id: p for p in problems_lib.read_problems(shared_data / "mbpp.jsonl")}["602"]
  (tmp_path / "right.jsonl").write_text(json.dumps({"task_id": 602, "solution": problem.canonical + "\nx = 1\n"}))
  origins = (model_written.ModelWritten(files=(tmp_path / "right.jsonl",)),)
  counts = dataclasses.replace(settings, origins=origins).build(tmp_path / "out", executor)
  assert counts == {"dev": 0, "train": 0}
  statistics = json.loads((tmp_path / "out" / "statistics.json").read_text())
  assert statistics["splits"]["train"]["dropped"] == {"the bug passes all tests": 1}


def test_a_build_that_was_stopped_resumes_and_ends_with_the_same_bytes(settings, executor, tmp_path):
  class Stopped(Exception):
    pass

  class Stopping:
    """An executor that fails after some calls."""

    def __init__(self, calls):
      self._calls = calls

    def __getattr__(self, name):
      self._calls -= 1
      if self._calls < 0:
        raise Stopped
      return getattr(executor, name)

  settings.build(tmp_path / "whole", executor)
  stops = 0
  for calls in range(4, 80, 3):
    try:
      settings.build(tmp_path / "stopped", Stopping(calls))
      break
    except Stopped:
      stops += 1
  assert stops > 3
  names = sorted(path.name for path in (tmp_path / "whole").iterdir())
  assert names == ["dev.jsonl", "statistics.json", "statistics.md", "train.jsonl"]
  assert sorted(path.name for path in (tmp_path / "stopped").iterdir()) == names
  for name in names:
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_what_a_build_with_other_settings_left_is_refused(settings, executor, tmp_path):
  small = dataclasses.replace(settings, num_train=3, num_dev=2)
  (tmp_path / "dev.parts").mkdir()
  files.write_jsonl(tmp_path / "dev.parts" / "part-00000.jsonl", [proving.ProofResult(task_id="other", reason="x")])
  with pytest.raises(errors.CorpusError, match="dev.parts: holds results of a build with other settings"):
    small.build(tmp_path, executor)


def test_training_problems_with_the_reference_of_a_development_problem_are_left_out(built):
  statistics = json.loads((built[0] / "statistics.json").read_text())
  assert sorted(statistics["problems_left_out"]) == ["625", "699", "725", "732", "767"]
  assert statistics["contamination"] == [
      {"splits": ["dev", "train"], "repairs": 0, "repairs_examples": [], "problems": 0, "problems_examples": []}
  ]


def test_the_check_of_a_download_accepts_the_real_file_and_no_other(shared_data):
  mbpp_r.SOURCE.check(shared_data / "mbpp.jsonl")
  with pytest.raises(errors.UserError):
    mbpp_r.SOURCE.check(shared_data / "humanevalpack_python.jsonl")
