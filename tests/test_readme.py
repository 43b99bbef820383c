"""README, CONTRIBUTING and docs/: what they tell people to type works, what they name is there, and the site builds."""

import argparse
import functools
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
from next_jax.corpora.minirepair import minirepair
from next_jax.selftrain import filters
from next_jax.selftrain import loop

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "launch/README.md", *(ROOT / "docs").glob("*.md"))
}
README = PAGES["README.md"]
LIGHT, CONFIGURED = ("trace", "verify", "doctor"), ("run", "build")


def commands(text: str) -> list[tuple[str, ...]]:
  """The commands in the ```bash blocks of a page."""
  blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
  found = (tuple(shlex.split(line, comments=True)) for line in blocks.splitlines())
  return [command for command in found if command]


# Each once, wherever it stands. Those of launch/README.md are tested in tests/launch.
COMMANDS = list(dict.fromkeys(
    command for page, text in PAGES.items() if not page.startswith("launch/") for command in commands(text)
))


def are(*kinds: str) -> list[tuple[str, ...]]:
  return [command for command in COMMANDS if command[0] == "next-jax" and set(command[1:2]) & set(kinds)]


AFTER_THE_QUICKSTART = [
    command for command in are("prompt", "compare", "rate", "report") if "runs/quickstart" in " ".join(command)
]


def test_the_readme_can_be_read_in_one_sitting():
  assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_has_a_cell_for_each_column(page):
  prose = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
  for table in re.findall(r"(?:^\|.*\|\n)+", prose, re.MULTILINE):
    assert len({row.count("|") for row in table.splitlines()}) == 1, table


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_lead_somewhere(page):
  here = (ROOT / page).parent
  prose = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
  for path in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
    assert (here / path).exists(), path
  for path in re.findall(r"`((?:next_jax|gin_configs|tests|tasks|launch|benchmarks|examples|docs)/[\w./-]+)`", prose):
    assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_python_names_in_the_text_are_there(page):
  for dotted in re.findall(r"`(next_jax(?:\.\w+)+)`", PAGES[page]):
    parts = dotted.split(".")
    path = next(
        (ROOT.joinpath(*parts[:length]).with_suffix(".py") for length in range(len(parts), 0, -1)
         if ROOT.joinpath(*parts[:length]).with_suffix(".py").exists()),
        None,
    )
    assert path is not None, dotted
    rest = parts[len(path.relative_to(ROOT).with_suffix("").parts) :]
    assert not rest or re.search(rf"^(def|class) {rest[0]}\b", path.read_text(), re.MULTILINE), dotted


def test_every_command_is_of_a_kind_that_is_tested():
  scripts = [command for command in COMMANDS if command[0].startswith(("./launch/", "launch/"))]
  tested = {*scripts, *are(*LIGHT), *are(*CONFIGURED), *are("sweep"), *AFTER_THE_QUICKSTART}
  assert [command for command in COMMANDS if command not in tested] == []
  for script in scripts:
    assert (ROOT / script[0]).stat().st_mode & 0o111, f"{script[0]} is not executable"


@pytest.mark.parametrize("command", are(*LIGHT), ids=" ".join)
def test_light_command_runs(command, tmp_path):
  arguments = [argument.replace("/tmp/", f"{tmp_path}/") for argument in command[1:]]
  run = subprocess.run(
      [sys.executable, "-m", "next_jax.main", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
  )
  if arguments[0] == "trace":
    assert run.stdout.strip() in README


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
  """What the commands after a quickstart read of its work directory, with fewer tasks."""
  workdir = tmp_path_factory.mktemp("readme")
  tasks = [case.task for case in itertools.islice(minirepair.MiniRepair().items("dev"), 5)]
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


@pytest.mark.parametrize("command", AFTER_THE_QUICKSTART, ids=" ".join)
def test_command_after_the_quickstart_runs(command, quickstart, tmp_path):
  arguments = [argument.replace("/tmp/", f"{tmp_path}/") for argument in command[1:]]
  arguments = [argument.replace("runs/quickstart", str(quickstart)) for argument in arguments]
  subprocess.run([sys.executable, "-m", "next_jax.main", *arguments], cwd=ROOT, check=True)


def test_run_commands_are_understood():
  """Parses and constructs everything that the commands would run; the runs themselves take minutes."""
  for command in are(*CONFIGURED):
    flags = ("--gin_file=", "--gin.")
    given = {flag: [a.removeprefix(flag) for a in command[2:] if a.startswith(flag)] for flag in flags}
    others = [a for a in command[2:] if not a.startswith(tuple(given))]
    assert all(a.startswith("--take_from=") for a in others), command
    if any("t5x" in path for path in given["--gin_file="]) and importlib.util.find_spec("t5x") is None:
      with pytest.raises(errors.UserError, match="T5X is not on PyPI, install it with"):
        parsing.parse(given["--gin_file="], given["--gin."], main.run)
      continue
    parsing.parse(given["--gin_file="], given["--gin."], main.run)
    program = parsing.construct(main.run)
    kinds = ("SelfTraining", "Pretraining", "VocabularyTraining", "BuildCorpora", "Sweep")
    assert type(program).__name__ in kinds, command


@pytest.mark.parametrize("command", are("sweep"), ids=" ".join)
def test_a_sweep_is_understood_with_all_of_its_arms(command, tmp_path):
  parser = parser_lib.Parser()
  sweep_lib.add_arguments(parser)
  arguments: argparse.Namespace = parser.parse_args(command[2:])
  path = tmp_path / "sweep.gin"
  path.write_text(sweep_lib.config(arguments, arguments.bindings))
  parsing.parse([str(path)], [], main.run)
  sweep = parsing.construct(main.run)
  assert len(sweep.runs()) == len(arguments.files) * len(arguments.seeds.split(","))


def test_where_is_what_names_what_is_there():
  """The five questions of a newcomer are two hops from the README: CONTRIBUTING, then the file."""
  assert "(CONTRIBUTING.md)" in README
  answers = PAGES["CONTRIBUTING.md"]
  assert hasattr(loop.SelfTraining, "_hard_tasks") and "SelfTraining._hard_tasks" in answers
  assert hasattr(filters, "PassesTests") and "(next_jax/selftrain/filters.py)" in answers
  assert "(next_jax/selftrain/verbs/verify.py)" in answers and "(next_jax/prompts/prompt.py)" in answers
  parsing.parse(["gin_configs/quickstart.gin"], ["engine.Sampling.temperature=0.5"], main.run)
  assert parsing.construct(main.run).sampling.temperature == 0.5 and "`engine.Sampling.temperature`" in answers


def test_readme_says_what_continuous_integration_runs():
  ci = (ROOT / ".ci" / "run").read_text()
  assert "./launch/test.sh" in ci and "./launch/test.sh" in README
  for command in ("ruff check", "mypy", "sphinx -W", "gin_configs/smoke.gin"):
    assert command in ci, command


@functools.cache
def requirements(text: str, name: str) -> set[str]:
  """Requirements of an extra of setup.py."""
  found = re.search(rf'"{name}": \[(.*?)\]', text, re.DOTALL)
  return set(re.findall(r'"([^"]+)"', found[1]))


def test_read_the_docs_installs_what_the_extra_has():
  lines = (ROOT / "requirements/docs.txt").read_text().splitlines()
  listed = {line for line in lines if line and not line.startswith("#")}
  assert listed == requirements((ROOT / "setup.py").read_text(), "docs")
