"""`next-jax run` from config to report, and the messages for what goes wrong."""

import dataclasses
import errno
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from next_jax import errors
from next_jax import main
from next_jax import schema
from next_jax.configuration import parsing

ROOT = pathlib.Path(__file__).resolve().parent.parent
WITHOUT_TESTS = {
    "task_id": "t/1", "split": "train", "instruction": "Add.", "entry_point": "f", "buggy_code": "", "hidden_tests": [],
    "reference_code": "", "public_tests": [], "bug_kind": "operator", "bug_origin": "mutant",
}

# The loop with an engine that needs no network: a run takes seconds.
CONFIG = """
from __gin__ import dynamic_registration
from next_jax.engines import scripted
from next_jax.selftrain import loop
include "gin_configs/smoke.gin"
loop.SelfTraining.engine = @scripted.Apprentice()
ITERATIONS = 1
NUM_TRAIN = 16
NUM_DEV = 6
NUM_UNSEEN = 4
NUM_WORKERS = 2
"""


def make_config(directory):
  (directory / "base/checkpoint_0").mkdir(parents=True)
  (directory / "base/checkpoint_0/skill.json").write_text("0.2")
  (directory / "config.gin").write_text(CONFIG)
  return [
      f"--gin_file={directory}/config.gin", f"--gin.WORKDIR='{directory}/run'",
      f"--gin.BASE_CHECKPOINT='{directory}/base/checkpoint_0'",
  ]


@pytest.fixture(name="config")
def _config(tmp_path):
  return make_config(tmp_path)


@pytest.fixture(scope="module", name="finished")
def _finished(tmp_path_factory):
  """The work directory of a finished run of `config`."""
  directory = tmp_path_factory.mktemp("finished")
  assert run(*make_config(directory)) == 0
  return directory / "run"


def run(*arguments):
  return main.main(["run", *map(str, arguments)])


def one_line(capsys):
  """The one line on stderr."""
  (line,) = capsys.readouterr().err.strip().splitlines()
  return line


def contents(directory):
  return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_run_leaves_results_and_says_what_it_was_made_with(finished):
  facts = json.loads((finished / "run.json").read_text())
  assert facts["versions"]["jax"] and facts["seed"] == 0 and facts["finished"] and facts["devices"]["count"] >= 1
  assert len(facts["dataset_digests"]["minirepair"]["train"]) == 16
  operative = (finished / "config.gin").read_text()
  assert "ITERATIONS = 1" in operative and "Apprentice" in operative
  assert "Sampling.top_p = 1.0" in operative  # also what nobody bound
  assert "muon.ns_steps = 5" in operative  # even of an optimiser that this engine never called
  assert (finished / "report/index.html").stat().st_size > 10_000
  assert json.loads((finished / "iteration_01/evaluate/dev/metrics.json").read_text())["num_tasks"] == 6


def test_a_moved_work_directory_resumes_and_prints_the_table(tmp_path, config, finished, capsys):
  shutil.copytree(finished, tmp_path / "run")
  assert run(*config, "--gin.NUM_WORKERS=1") == 0
  assert "pass@1" in capsys.readouterr().out
  assert contents(tmp_path / "run/iteration_01") == contents(finished / "iteration_01")


def test_a_work_directory_made_with_other_settings_is_refused_and_not_touched(tmp_path, config, finished, capsys):
  shutil.copytree(finished, tmp_path / "run")
  assert run(*config, "--gin.AtMost.per_task=2") == 1
  message = one_line(capsys)
  assert "iteration_01/filter/stage.json" in message and "per_task: found 1, expected 2" in message
  assert contents(tmp_path / "run") == contents(finished)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--gin_file=gin_configs/quickstrat.gin"], "gin_configs/quickstrat.gin: no such config file; did you mean"),
        ([], "expected --gin_file=PATH"),
        (["+--gin.WORDIR='x'"], "no config file refers to %WORDIR; did you mean WORKDIR"),
        (["+--gin.AtMots.per_task=1"], "No configurable matching 'AtMots'; did you mean filters.AtMost"),
        (["+--gin.AtMost.per_taks=1"], "doesn't have a parameter named 'per_taks'; did you mean per_task"),
        (["+--gin.filters.UniqueCompletion=1"], "expected a macro or CLASS.PARAMETER"),
        (["+--gin.Parakeet.x=1"], "No configurable matching 'Parakeet'"),
        (["+--gin.WORKDIR=/tmp/x"], "--gin.WORKDIR=\"'/tmp/x'\""),
        (["+--gin.SEED=[1,"], "found [1,, expected a Python literal"),
        (["+--gin.SEED"], "expected --gin.NAME=VALUE, found no equals sign"),
        (["+--gin.NUM_TRAIN='many'"], "MiniRepair.num_train: found 'many', expected int"),
        (["+--gin.ITERATIONS=0"], "SelfTraining.iterations and num_samples: expected 1 or more"),
        (["+--gin.BASE_CHECKPOINT='/no/checkpoint_1'"], "/no/checkpoint_1: no such checkpoint"),
        (["+--gin.SelfTraining.task='minirepair_tarce'"], "is not registered; known: minirepair_trace"),
    ],
)
def test_bad_arguments_give_one_line_and_write_nothing(tmp_path, config, capsys, arguments, expected):
  if arguments and arguments[0].startswith("+"):
    arguments = [*config, *(argument[1:] for argument in arguments)]
  assert run(*arguments) == 1
  line = one_line(capsys)
  assert line.startswith("next-jax: ") and expected in line
  assert "Traceback" not in line and not (tmp_path / "run").exists()


def test_a_scope_in_which_nothing_is_constructed_is_refused(tmp_path, config, capsys):
  assert run(*config, "--gin.dve/Evaluation.num_samples=1") == 1
  assert "nothing is constructed in scope 'dve'; did you mean dev" in one_line(capsys)


def test_a_binding_of_something_that_is_not_constructed_is_refused(tmp_path, config, capsys):
  # NativeEngine is bound in the included files, but this config puts another engine in its place.
  assert run(*config, "--gin.NativeEngine.loss_on_targets_only=False") == 1
  assert "--gin.NativeEngine.loss_on_targets_only=False: has no effect" in one_line(capsys)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("WORKDIR = ", "expected `name = value`"),
        ("import next_jax.no_such_module", "No module named"),
        ('include "gin_configs/no_such.gin"', "no_such.gin"),
        ("nothing.To.run = 1", "'nothing' was not provided by an import"),
        ("SEED = 1", "nothing to run; expected a binding such as `main.run.program"),
        ("from next_jax import main\nmain.run.program = %WHAT", "%WHAT is used in the config files but never set"),
    ],
)
def test_a_bad_config_file_is_named_in_one_line(tmp_path, capsys, text, expected):
  (tmp_path / "bad.gin").write_text("from __gin__ import dynamic_registration\n" + text + "\n")
  assert run(f"--gin_file={tmp_path}/bad.gin") == 1
  line = one_line(capsys)
  assert expected in line and ("bad.gin" in line or "%WHAT" in line)


@pytest.mark.parametrize(
    "damage, expected",
    [
        (lambda lines: [*lines[:3], lines[3][:40]], ":4: expected one JSON object"),
        (lambda lines: [lines[0].replace('"entry_point"', '"entry_pont"', 1), *lines[1:]], ":1: key 'entry_pont'"),
        (lambda lines: [lines[0], json.dumps(WITHOUT_TESTS)], ":2: key 'public_tests': task 't/1' has none"),
    ],
)
def test_a_damaged_corpus_is_named_by_file_line_and_key(tmp_path, config, finished, capsys, damage, expected):
  shutil.copytree(finished, tmp_path / "run")
  path = tmp_path / "run/corpus/minirepair/train.jsonl"
  path.write_text("\n".join(damage(path.read_text().splitlines())))
  assert run(*config) == 1
  assert f"{path}{expected}" in one_line(capsys)


@pytest.mark.parametrize("text, expected", [(None, "no such file"), ('{"task_id": 601, "tex', ":1: expected one JSON")])
def test_a_bad_benchmark_file_is_named_and_leaves_nothing(tmp_path, config, capsys, text, expected):
  if text is not None:
    (tmp_path / "mbpp.jsonl").write_text(text)
  config[0] = "--gin_file=gin_configs/runs/mbpp_r.gin"
  assert run(*config, f"--gin.MBPP_FILE='{tmp_path}/mbpp.jsonl'", "--gin.NUM_WORKERS=1") == 1
  assert f"{tmp_path}/mbpp.jsonl{expected if text else ': ' + expected}" in one_line(capsys)
  assert not (tmp_path / "run").exists()


def test_system_errors_say_where_and_what_to_do():
  full = main.message(OSError(errno.ENOSPC, "No space left on device", "/data/run/samples.jsonl"))
  assert full.startswith("/data/run/samples.jsonl: No space left on device; free some space")
  denied = main.message(PermissionError(errno.EACCES, "Permission denied", "/data"))
  assert denied == "/data: Permission denied; give yourself permission, or use another path"
  assert "free some space" in main.message(ValueError("RESOURCE_EXHAUSTED: No space left on device [x]"))
  assert main.message(errors.UserError("key 'a': found 1, expected 2")) == "key 'a': found 1, expected 2"
  assert main.message(schema.RecordError("x")) == "x"
  unknown = main.message(ZeroDivisionError("no"))
  assert unknown == "internal error: ZeroDivisionError: no; run again with --debug for the stack trace"


def test_a_work_directory_that_cannot_be_made_is_named(tmp_path, config, capsys):
  (tmp_path / "file").write_text("")
  assert run(*config[:1], f"--gin.WORKDIR='{tmp_path}/file/run'", *config[2:]) == 1
  assert f"{tmp_path}/file/run" in one_line(capsys)


def test_debug_shows_the_stack_trace(capsys):
  assert run("--gin_file=no.gin", "--debug") == 1
  assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["run"], ["build"], ["sweep"], ["trace"], ["verify"], ["doctor"]])
def test_help_and_the_light_commands_import_neither_jax_nor_tensorflow(command):
  code = (
      "import sys\nfrom next_jax import main\n"
      f"try: main.main([*{command!r}, '--help'])\nexcept SystemExit: pass\n"
      "heavy = {'jax', 'tensorflow', 'flax', 'seqio', 'numpy', 'gin'} & set(sys.modules)\n"
      "assert not heavy, heavy"
  )
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
  assert done.returncode == 0, done.stderr
  assert " ".join(["usage: next-jax", *command]) in done.stdout


def test_every_config_file_constructs_and_says_how_to_run_it(tmp_path):
  (tmp_path / "checkpoint_0").mkdir()
  for path in sorted(ROOT.glob("gin_configs/**/*.gin")):
    name = path.relative_to(ROOT)
    text = path.read_text()
    assert text.startswith("# "), name
    if name.parts[1] in ("models", "corpora", "engines"):
      continue
    if name.parts[1] == "t5x":  # for T5X's own scripts, which tests/engines/test_t5x_scripts.py runs
      assert "python -m t5x." in text or name.stem == "decoder", name
      continue
    assert f"next-jax run --gin_file={name}" in text.replace("\\\n#", ""), name
    is_sweep = "@sweep.Sweep()" in text  # its arms start from the base
    words = ("BASE_CHECKPOINT =", 'include "gin_configs/quickstart.gin"', 'include "gin_configs/findings/arms/')
    starts_from_base = not is_sweep and any(word in text for word in words)
    base = [f"BASE_CHECKPOINT='{tmp_path}/checkpoint_0'"]
    parsing.parse([str(name)], base if starts_from_base else [], main.run)
    program = parsing.construct(main.run)
    if is_sweep:
      program = dataclasses.replace(program, bindings=(*program.bindings, *base))
    program.prepare()
    assert program.workdir.startswith("runs/"), name
