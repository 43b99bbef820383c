"""What the README tells people to type works as it stands there."""

import importlib.util
import itertools
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from next_jax import errors
from next_jax import files
from next_jax import main
from next_jax import schema
from next_jax.commands import parser as parser_lib
from next_jax.commands import sweep as sweep_lib
from next_jax.configuration import parsing
from next_jax.corpora import minirepair

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_README = (_ROOT / "README.md").read_text()
_BASH = "\n".join(re.findall(r"```bash\n(.*?)```", _README, re.DOTALL)).replace("\\\n", " ")
_COMMANDS = [shlex.split(line, comments=True) for line in _BASH.splitlines() if line.strip()]
_LIGHT = [command for command in _COMMANDS if command[0] == "next-jax" and command[1] in ("trace", "verify", "doctor")]
_RUNS = [command for command in _COMMANDS if command[0] == "next-jax" and command[1] in ("run", "build")]
_SWEEPS = [command for command in _COMMANDS if command[:2] == ["next-jax", "sweep"]]
_AFTER_THE_QUICKSTART = [command for command in _COMMANDS if "runs/quickstart" in " ".join(command)]


def test_every_row_of_a_table_has_a_cell_for_each_column():
  prose = re.sub(r"```.*?```", "", _README, flags=re.DOTALL)
  tables = re.findall(r"(?:^\|.*\|\n)+", prose, re.MULTILINE)
  assert len(tables) >= 4
  for table in tables:
    assert len({row.count("|") for row in table.splitlines()}) == 1, table


def test_every_command_is_of_a_kind_that_is_tested():
  scripts = [command for command in _COMMANDS if command[0].startswith("./launch/")]
  assert len(scripts) + len(_LIGHT) + len(_RUNS) + len(_SWEEPS) + len(_AFTER_THE_QUICKSTART) == len(_COMMANDS)
  for script in scripts:
    assert (_ROOT / script[0]).stat().st_mode & 0o111, f"{script[0]} is not executable"


@pytest.mark.parametrize("command", _LIGHT, ids=" ".join)
def test_light_command_runs(command, tmp_path):
  arguments = [argument.replace("/tmp/", f"{tmp_path}/") for argument in command[1:]]
  run = subprocess.run(
      [sys.executable, "-m", "next_jax.main", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True
  )
  if arguments[0] == "trace":
    assert run.stdout.strip() in _README


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
  """What the commands after a quickstart read of its work directory, with fewer tasks."""
  workdir = tmp_path_factory.mktemp("readme")
  tasks = [case.task for case in itertools.islice(minirepair.MiniRepair().cases("dev"), 5)]
  files.write_jsonl(workdir / "corpus/minirepair/dev.jsonl", tasks)
  for model in ("base", "iteration_03"):
    samples = [
        schema.Sample(
            task_id=task.task_id, sample_index=0, completion="", rationale="It is wrong.", fix=task.reference_code,
            log_probability=0.0, token_count=1, seed=0,
        )
        for task in tasks
    ]
    files.write_jsonl(workdir / model / "evaluate/dev/samples.jsonl", samples)
    verdicts = [schema.Verdict(task_id=task.task_id, sample_index=0, status="passed") for task in tasks]
    files.write_jsonl(workdir / model / "evaluate/dev/tasks.jsonl", tasks)
    files.write_jsonl(workdir / model / "evaluate/dev/verdicts.jsonl", verdicts)
  return workdir


@pytest.mark.parametrize("command", _AFTER_THE_QUICKSTART, ids=" ".join)
def test_command_after_the_quickstart_runs(command, quickstart, tmp_path):
  arguments = [argument.replace("/tmp/", f"{tmp_path}/") for argument in command[1:]]
  arguments = [argument.replace("runs/quickstart", str(quickstart)) for argument in arguments]
  subprocess.run([sys.executable, "-m", "next_jax.main", *arguments], cwd=_ROOT, check=True)


def test_run_commands_are_understood():
  """Parses and constructs everything that the commands would run; the runs themselves take minutes."""
  for command in _RUNS:
    given = {kind: [a.removeprefix(kind) for a in command[2:] if a.startswith(kind)] for kind in ("--gin_file=", "--gin.")}
    assert sum(map(len, given.values())) == len(command) - 2, command
    if any("t5x" in path for path in given["--gin_file="]) and importlib.util.find_spec("t5x") is None:
      with pytest.raises(errors.UserError, match="T5X is not on PyPI, install it with"):
        parsing.parse(given["--gin_file="], given["--gin."], main.run)
      continue
    parsing.parse(given["--gin_file="], given["--gin."], main.run)
    program = parsing.construct(main.run)
    assert type(program).__name__ in ("SelfTraining", "Pretraining", "VocabularyTraining", "BuildCorpora", "Sweep"), command


@pytest.mark.parametrize("command", _SWEEPS, ids=" ".join)
def test_a_sweep_is_understood_with_all_of_its_arms(command, tmp_path):
  parser = parser_lib.Parser()
  sweep_lib.add_arguments(parser)
  arguments = parser.parse_args(command[2:])
  path = tmp_path / "sweep.gin"
  path.write_text(sweep_lib.config(arguments, []))
  parsing.parse([str(path)], [], main.run)
  sweep = parsing.construct(main.run)
  assert len(sweep.runs()) == len(arguments.files) * len(arguments.seeds.split(","))


def test_pictures_and_links_of_the_repository_are_there():
  for path in re.findall(r"\]\(([^)#:]+)\)", _README):
    assert (_ROOT / path).exists(), path


def test_readme_says_what_continuous_integration_runs():
  ci = (_ROOT / ".ci" / "run").read_text()
  assert "./launch/test.sh" in ci and "./launch/test.sh" in _README
  assert "gin_configs/smoke.gin" in ci
