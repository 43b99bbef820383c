"""What the README tells people to type works as it stands there."""

import pathlib
import re
import shlex
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_README = (_ROOT / "README.md").read_text()
_BASH = "\n".join(re.findall(r"```bash\n(.*?)```", _README, re.DOTALL)).replace("\\\n", " ")
_COMMANDS = [shlex.split(line, comments=True) for line in _BASH.splitlines() if line.strip()]
_LIGHT = [command for command in _COMMANDS if command[:2] in (["next-jax", "trace"], ["next-jax", "verify"])]
_RUNS = [command for command in _COMMANDS if command[:2] == ["next-jax", "run"]]


def test_every_command_is_of_a_kind_that_is_tested():
  scripts = [command for command in _COMMANDS if command[0].startswith("./launch/")]
  assert len(scripts) + len(_LIGHT) + len(_RUNS) == len(_COMMANDS)
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


@pytest.mark.parametrize("command", _RUNS, ids=" ".join)
def test_run_command_is_understood(command):
  """Parses and constructs everything that the command would run; the runs themselves take minutes."""
  script = (
      "import sys\n"
      "from next_jax import main\n"
      "from next_jax.configuration import parsing as configuration\n"
      "configuration.parse(*[[a.partition('=')[2] for a in sys.argv[1:] if a.startswith('--gin_file=')],"
      " [a.removeprefix('--gin.') for a in sys.argv[1:] if a.startswith('--gin.')]], main.run)\n"
      "print(type(configuration.construct(main.run)).__name__)\n"
  )
  run = subprocess.run(
      [sys.executable, "-c", script, *command[2:]], cwd=_ROOT, capture_output=True, text=True, check=False
  )
  assert run.returncode == 0, run.stderr[-2000:]
  assert run.stdout.split()[-1] in ("SelfTraining", "Pretraining", "VocabularyTraining")


def test_pictures_and_links_of_the_repository_are_there():
  for path in re.findall(r"\]\(([^)#:]+)\)", _README):
    assert (_ROOT / path).exists(), path


def test_readme_says_what_continuous_integration_runs():
  ci = (_ROOT / ".ci" / "run").read_text()
  assert "./launch/test.sh" in ci and "./launch/test.sh" in _README
  assert "gin_configs/smoke.gin" in ci
