"""The command line names the command or flag that may have been meant, and its own version."""

import argparse
import re
import subprocess
import sys

import pytest

from next_jax import main
from next_jax.commands import parser as parser_lib


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["trase"], "unknown command 'trase'; did you mean trace?"),
        (["--debug", "trase", "program.py"], "unknown command 'trase'; did you mean trace?"),
        (["xyzzy"], "unknown command 'xyzzy'; expected run, build, sweep, trace,"),
        (["--verison"], "--verison: did you mean --version?"),
        (["verify", "--samles=s.jsonl", "--problems=p.jsonl"], "--samles: did you mean --samples?"),
        (["verify", "--samles", "s.jsonl", "--problems=p.jsonl"], "--samles: did you mean --samples?"),
        (["trace", "program.py", "--cal", "f()", "--functoin=f"], "--functoin: did you mean --function?"),
        (["run", "--gin_flie=x"], "--gin_flie: did you mean --gin_file?"),
        (["run", "--gin_fil=x"], "--gin_fil: did you mean --gin_file?"),
        (["sweep", "--sed=1"], "--sed: did you mean --seeds?"),
        (["rate", "mke"], "unknown command 'mke'; did you mean make?"),
        (["rate", "make", "--num_taks=3", "--out=x", "a"], "--num_taks: did you mean --num_tasks?"),
        (["rate", "make", "--num_taks=3"], "--num_taks: did you mean --num_tasks?"),
        (["doctor", "--xyzzy"], "unknown argument --xyzzy"),
        (["doctor", "now"], "unknown argument now"),
        (["doctor", "--gin.SEED=1"], "unknown argument --gin.SEED"),
        ([], "the following arguments are required"),
        (["report"], "the following arguments are required: WORKDIR"),
    ],
)
def test_wrong_usage_names_what_may_have_been_meant(arguments, expected, capsys):
  with pytest.raises(SystemExit) as stop:
    main.main(arguments)
  assert stop.value.code == main.USAGE_ERROR
  error = capsys.readouterr().err
  assert expected in error and "usage: next-jax" in error


@pytest.mark.parametrize("command", main._COMMANDS)
def test_every_command_has_a_help_text(command, capsys):
  with pytest.raises(SystemExit) as stop:
    main.main([command, "--help"])
  assert stop.value.code == 0
  assert f"usage: next-jax {command}" in capsys.readouterr().out


def test_usage_is_that_of_the_command_at_fault(capsys):
  with pytest.raises(SystemExit):
    main.main(["rate", "make", "--num_taks=3"])
  assert "usage: next-jax rate make" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, value",
    [(["--name", "--x - y"], "--x - y"), (["--name=--other"], "--other"), (["--na", "z"], "z")],
)
def test_values_that_look_like_flags_and_short_forms_are_taken_as_argparse_takes_them(arguments, value):
  parser = parser_lib.Parser(prog="next-jax")
  parser.add_argument("--name")
  assert parser.parse_args(arguments).name == value


def test_bindings_are_kept_in_order_apart_from_the_rest():
  parser = parser_lib.Parser(prog="next-jax")
  parser.take_bindings()
  parser.add_argument("files", nargs="*")
  found = parser.parse_args(["a.gin", "--gin.SEED=1", "--gin.Sweep.seeds=(0, 1)", "b.gin", "--gin.SEED=2"])
  assert found == argparse.Namespace(files=["a.gin", "b.gin"], bindings=["SEED=1", "Sweep.seeds=(0, 1)", "SEED=2"])


@pytest.mark.parametrize("options", [[], ["-S"]])  # -S: no installed package is in sight
def test_the_version_is_printed_installed_or_not(options):
  root = main.__file__.rsplit("/next_jax/", 1)[0]
  command = [sys.executable, *options, "-m", "next_jax.main", "--version"]
  done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
  assert re.match(r"next-jax \d+\.\d+", done.stdout), done.stdout
