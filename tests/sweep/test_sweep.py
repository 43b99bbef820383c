"""A sweep: what it refuses before anything runs, what its runs share, and how it resumes after it was killed."""

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from next_jax import errors
from next_jax import main
from next_jax.configuration import parsing
from next_jax.sweep import finding
from next_jax.sweep import sweep

ARM = """
from __gin__ import dynamic_registration
from next_jax.engines import scripted
from next_jax.selftrain.verbs import evaluate
from next_jax.selftrain import filters
from next_jax.selftrain import loop
include "gin_configs/smoke.gin"
loop.SelfTraining.engine = @scripted.Apprentice()
loop.SelfTraining.evaluations = (@dev/evaluate.Evaluation(),)
loop.SelfTraining.controls = ()
BASE_CHECKPOINT = "{base}"
ITERATIONS = 1
NUM_TRAIN = 16
NUM_DEV = 6
NUM_UNSEEN = 4
NUM_WORKERS = 2
"""


def make_arms(directory):
  """Two config files that differ in the examples that are kept."""
  base = directory / "base/checkpoint_0"
  base.mkdir(parents=True)
  (base / "skill.json").write_text("0.2")
  text = ARM.format(base=base)
  (directory / "few.gin").write_text(text + "filters.AtMost.per_task = 2\n")
  (directory / "fewer.gin").write_text(text + "filters.AtMost.per_task = 1\n")
  return [str(directory / "few.gin"), str(directory / "fewer.gin")]


def make(directory, **fields):
  few, fewer = make_arms(directory)
  arms = (sweep.Arm(name="few", gin_files=(few,)), sweep.Arm(name="fewer", gin_files=(fewer,)))
  return sweep.Sweep(**{"workdir": directory / "sweep", "arms": arms, "seeds": (3, 4), **fields})


def command(*arguments):
  return main.main(["sweep", *map(str, arguments)])


def contents(directory, but=()):
  paths = [path for path in directory.rglob("*") if path.is_file() and path.name not in but]
  return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def test_the_first_seed_of_all_arms_comes_first(tmp_path):
  runs = make(tmp_path).runs()
  assert [(run.arm, run.seed) for run in runs] == [("few", 3), ("fewer", 3), ("few", 4), ("fewer", 4)]
  assert runs[3].workdir == tmp_path / "sweep/fewer/seed_4" and "SEED = 4" in runs[3].config


def test_preparing_writes_nothing_and_leaves_the_configuration_as_it_was(tmp_path):
  one = make(tmp_path)
  parsing.parse([one.arms[0].gin_files[0]], ["SEED=77"], main.run)
  parsing.construct(main.run)
  before = parsing.text(main.run)
  one.prepare()
  assert parsing.text(main.run) == before and "SEED = 77" in before
  assert not (tmp_path / "sweep").exists()


def test_a_sweep_takes_no_device_from_its_runs(tmp_path):
  few, fewer = make_arms(tmp_path)
  code = (
      "import sys\nfrom next_jax import main\nfrom next_jax.sweep import sweep\nfrom jax._src import xla_bridge\n"
      "arms = tuple(sweep.Arm(name=f'a{i}', gin_files=(path,)) for i, path in enumerate(sys.argv[2:]))\n"
      "sweep.Sweep(workdir=sys.argv[1], arms=arms).prepare()\n"
      "print(xla_bridge.backends_are_initialized())"
  )
  done = subprocess.run(
      [sys.executable, "-c", code, str(tmp_path / "sweep"), "gin_configs/quickstart.gin", few, fewer],
      capture_output=True, text=True, timeout=300, check=False,
  )
  assert done.stdout.splitlines()[-1:] == ["False"], done.stderr[-2000:]


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"seeds": (1, 1)}, "Sweep.seeds: found 1, 1; expected each once"),
        ({"arms": ()}, "Sweep.arms: found none"),
        ({"bindings": ("SEED=3",)}, "SEED=3: each run of a sweep gets its own WORKDIR and SEED"),
        ({"bindings": "NUM_DEV=3"}, "expected a tuple, found text"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused(tmp_path, fields, expected):
  with pytest.raises(errors.SweepError, match=re.escape(expected)):
    make(tmp_path, **fields)


@pytest.mark.parametrize(
    "contrast, expected",
    [
        (("dev", "few/base/dev"), "expected (name, first, second) or (name, first, second, metric)"),
        (("dev", "few/dev", "few/last/dev"), "found 'few/dev', expected ARM/MODEL/EVALUATION"),
        (("dev", "few/base/dev", "few/last/dev - few/base"), "found 'few/last/dev - few/base', expected ARM/MODEL/"),
        (("dev", "few/base/dev", "few/last/dev - many/base/dev"), "no arm 'many'; the arms are few, fewer"),
        (("dev", "few/base/dev", "few/last/dev", "bleu"), "found metric 'bleu', expected pass_at_<k>"),
        (("dev", "many/base/dev", "few/last/dev"), "no arm 'many'; the arms are few, fewer"),
        (("dev", "few/base/dev", "few/last/deev"), "arm 'few' has no evaluation 'deev'; it has dev"),
    ],
)
def test_a_finding_that_the_runs_cannot_answer_is_refused_before_them(tmp_path, contrast, expected):
  with pytest.raises(errors.SweepError, match=re.escape(expected)):
    make(tmp_path, findings=(finding.Finding(title="1", hypothesis="?", contrasts=(contrast,)),)).prepare()


def test_sweeps_in_one_work_directory_have_one_report(tmp_path):
  rises = finding.Finding(title="rises", hypothesis="?", contrasts=(("dev", "few/base/dev", "few/last/dev"),))
  first = make(tmp_path, findings=(rises,))
  (tmp_path / "sweep").mkdir()
  (tmp_path / "sweep/sweep.json").write_text(json.dumps(first.facts()))
  again = dataclasses.replace(first, arms=first.arms[1:], seeds=(9,), findings=()).facts()
  assert again["findings"] == first.facts()["findings"]
  assert again["arms"]["few"]["seeds"] == [3, 4] and again["arms"]["fewer"]["seeds"] == [3, 4, 9]


def test_seeds_that_were_run_with_other_settings_are_not_of_the_same_arm(tmp_path):
  first = make(tmp_path)
  (tmp_path / "sweep").mkdir()
  (tmp_path / "sweep/sweep.json").write_text(json.dumps(first.facts()))
  again = dataclasses.replace(first, arms=first.arms[1:], seeds=(9,), bindings=("NUM_DEV=7",)).facts()
  assert again["arms"]["fewer"]["seeds"] == [9] and again["arms"]["fewer"]["bindings"] == ["NUM_DEV=7"]
  assert again["arms"]["few"]["seeds"] == [3, 4]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden"])
def test_the_name_of_an_arm_is_that_of_a_directory(name):
  with pytest.raises(errors.SweepError, match="it names a directory"):
    sweep.Arm(name=name, gin_files=("x.gin",))


@pytest.mark.parametrize(
    "binding, expected",
    [
        ("AtMots.per_task=1", "arm 'few': --gin.AtMots.per_task=1: No configurable matching 'AtMots'; did you mean"),
        ("SelfTraining.task='minirepair_tarce'", "is not registered; known: minirepair_trace"),
        ("SelfTraining.seed=9", "arm 'few': --gin.SEED=3: no config file refers to %SEED"),
        ("BASE_CHECKPOINT='/no/checkpoint_1'", "arm 'few': /no/checkpoint_1: no such checkpoint"),
    ],
)
def test_all_arms_are_checked_before_anything_runs(tmp_path, capsys, binding, expected):
  files = make_arms(tmp_path)
  assert command(*files, f"--workdir={tmp_path}/sweep", "--seeds=3", f"--gin.{binding}") == 1
  (line,) = capsys.readouterr().err.strip().splitlines()
  assert expected in line
  assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["a.gin"], "expected --workdir=DIR"),
        (["a.gin", "--workdir=x", "--seeds=1;2"], "--seeds: found '1;2', expected numbers such as 0,1,2"),
        (["a.gin", "--gin_file=b.gin", "--workdir=x"], "either --gin_file of a sweep, or config files for its arms"),
        (["gin_configs/quickstrat.gin", "--workdir=x"], "arm 'quickstrat': gin_configs/quickstrat.gin: no such config"),
    ],
)
def test_wrong_arguments_are_named(arguments, expected, capsys):
  assert command(*arguments) == 1
  assert expected in capsys.readouterr().err


def wait_until(condition, process):
  deadline = time.monotonic() + 400
  while not condition():
    assert process.poll() is None, f"ended before: {process.communicate()}"
    assert time.monotonic() < deadline
    time.sleep(0.05)


def alive_below(workdir):
  """Numbers of the processes whose arguments name the work directory."""
  found = []
  for entry in pathlib.Path("/proc").iterdir():
    if entry.name.isdigit() and int(entry.name) != os.getpid():
      try:
        arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
      except OSError:  # it has ended
        continue
      if f"WORKDIR='{workdir}" in arguments:
        found.append(int(entry.name))
  return found


@pytest.fixture(scope="module", name="swept")
def _swept(tmp_path_factory):
  """A finished sweep of two arms that was killed in its second run, and what the command said when it went on."""
  directory = tmp_path_factory.mktemp("swept")
  arguments = [*make_arms(directory), f"--workdir={directory}/sweep", "--seeds=5"]
  process = subprocess.Popen(
      [sys.executable, "-m", "next_jax.main", "sweep", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
  )
  second = directory / "sweep/fewer/seed_5"
  wait_until(lambda: (second / "corpus/minirepair/stage.json").exists(), process)
  running = alive_below(second)
  process.send_signal(signal.SIGKILL)
  process.wait()
  process.stdout.close()
  wait_until_gone = time.monotonic() + 30
  while alive_below(second) and time.monotonic() < wait_until_gone:
    time.sleep(0.05)
  left = alive_below(second)
  first = contents(directory / "sweep/few")
  done = subprocess.run(
      [sys.executable, "-m", "next_jax.main", "sweep", *arguments], capture_output=True, text=True, timeout=400,
      check=False,
  )
  assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
  return {"directory": directory / "sweep", "said": done.stdout, "running": running, "left": left, "first": first}


@pytest.mark.slow
def test_the_run_of_a_killed_sweep_ends_with_it(swept):
  assert swept["running"] and not swept["left"]


@pytest.mark.slow
def test_a_finished_run_is_passed_over_when_the_sweep_goes_on(swept):
  assert "2 runs: 2 arms x 1 seeds; 1 finished" in swept["said"]
  assert "run 2 of 2: fewer, seed 5" in swept["said"] and "run 1 of 2" not in swept["said"]
  assert contents(swept["directory"] / "few") == swept["first"]


@pytest.mark.slow
def test_shared_stages_are_taken_over_and_have_equal_bytes(swept):
  few, fewer = (swept["directory"] / name / "seed_5" for name in ("few", "fewer"))
  shared = ["corpus/minirepair", "base/tasks", "base/sample", "base/verify", "base/hard", "base/evaluate/dev",
            "iteration_01/sample", "iteration_01/verify"]
  own = ["iteration_01/filter", "iteration_01/finetune", "iteration_01/evaluate/dev"]
  for name in shared:
    assert contents(few / name, but=("timing.json",)) == contents(fewer / name, but=("timing.json",))
    assert json.loads((fewer / name / "timing.json").read_text())["taken_from"] == str(few / name)
  for name in own:
    assert "taken_from" not in (fewer / name / "timing.json").read_text()
  assert {str(path.parent.relative_to(few)) for path in few.rglob("stage.json")} == {*shared, *own}


@pytest.mark.slow
def test_a_run_of_a_sweep_is_an_ordinary_run(swept, tmp_path):
  fewer = swept["directory"] / "fewer/seed_5"
  config = swept["directory"].parent / "fewer.gin"
  assert main.main(["run", f"--gin_file={config}", f"--gin.WORKDIR='{tmp_path}/run'", "--gin.SEED=5"]) == 0
  but = ("timing.json", "run.json", "config.gin", "index.html")
  plots = re.compile(r"report/.*\.png")
  alone, within = ({name: data for name, data in contents(path, but).items() if not plots.fullmatch(name)}
                   for path in (tmp_path / "run", fewer))
  assert alone == within


@pytest.mark.slow
def test_a_run_that_fails_is_named_with_its_log(swept, tmp_path, capsys):
  files = make_arms(tmp_path)
  broken = tmp_path / "sweep/fewer/seed_5/base/tasks"
  broken.mkdir(parents=True)
  (broken / "stage.json").write_text("{}")
  arguments = [*files, f"--workdir={tmp_path}/sweep", "--seeds=5", f"--take_from={swept['directory']}/few/seed_5"]
  assert command(*reversed(files), *arguments[2:]) == 1
  error = capsys.readouterr().err
  assert "next-jax: fewer, seed 5: " in error and "base/tasks/stage.json: expected the keys" in error
  assert f"{tmp_path}/sweep/logs/fewer_seed_5.log" in error
  assert "reused from" in (tmp_path / "sweep/logs/fewer_seed_5.log").read_text()
