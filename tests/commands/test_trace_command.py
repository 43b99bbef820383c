"""`next-jax trace`: the annotated source, the outcome, and errors for bad input."""

import os
import resource
import subprocess
import sys

import pytest

from next_jax import main

SEPARATE = """\
def separate(lst):             # (0) lst=[1, 2, 3, 4]
    even, odd = [], []         # (1) even=[]; odd=[]
    for n in lst:              # (2) n=1; (4) n=2; ...; (8) n=4
        if n % 2:
            even.append(n)     # (3) even=[1]; ...; (7) even=[1, 3]
    return even, odd           # (10) return ([1, 3], [])
"""


@pytest.fixture(name="program")
def _program(tmp_path):
  path = tmp_path / "separate.py"
  path.write_text("".join(line.split("#")[0].rstrip() + "\n" for line in SEPARATE.splitlines()))
  return path


def test_it_prints_the_annotated_source_and_the_outcome(program, capsys):
  assert main.main(["trace", str(program), "--call", "separate([1, 2, 3, 4])"]) == 0
  output = capsys.readouterr()
  assert output.out == SEPARATE
  assert output.err == "separate([1, 2, 3, 4]) returned: ([1, 3], [])\n"


def test_a_program_that_raises_was_traced(program, capsys):
  assert main.main(["trace", str(program), "--call", "separate(['a', None])"]) == 0
  output = capsys.readouterr()
  assert "if n % 2:          # (3) raise TypeError: not all arguments converted" in output.out
  assert output.err.startswith("separate(['a', None]) raised: TypeError")


def test_settings_are_options(program, capsys):
  main.main(["trace", str(program), "--call", "separate([1, 2, 3, 4])", "--first_visits", "1", "--value_width", "6"])
  assert "(2) n=1; ...; (8) n=4" in capsys.readouterr().out


def test_a_long_run_shows_its_first_and_last_visits(program, capsys):
  main.main(["trace", str(program), "--call", "separate(range(12000))", "--max_steps", "100000", "--last_visits", "2"])
  assert "# (2) n=0; (4) n=1; ...; (23998) n=11998; (24000) n=11999" in " ".join(capsys.readouterr().out.split())


def test_it_answers_in_under_a_second_without_jax(program):
  code = (
      "import sys\nfrom next_jax import main\n"
      f"code = main.main(['trace', {str(program)!r}, '--call', 'separate([1, 2])'])\n"
      "assert not {'jax', 'tensorflow', 'numpy', 'gin', 'flax'} & set(sys.modules)\nsys.exit(code)\n"
  )
  before = resource.getrusage(resource.RUSAGE_CHILDREN)
  subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0  # CPU seconds: 0.13 when idle


def test_unchanged_visits_and_functions_are_chosen(tmp_path, capsys):
  path = tmp_path / "program.py"
  path.write_text("def g(x):\n  y = x\n  y = x\ndef f(x):\n  return g(x)\n")
  assert main.main(["trace", str(path), "--call", "f(1)", "--function", "g", "--unchanged_visits"]) == 0
  assert capsys.readouterr().out == (
      "def g(x):     # (1) x=1\n  y = x       # (2) y=1\n  y = x       # (3) -\ndef f(x):\n  return g(x)\n"
  )
  assert main.main(["trace", str(path), "--call", "f(1)", "--function", "h"]) != 0
  assert "program.py: it defines no function 'h'; it defines f, g" in capsys.readouterr().err


def test_the_encoding_and_line_ends_of_the_file_are_respected(tmp_path, capsys):
  path = tmp_path / "program.py"
  path.write_bytes("# coding: latin-1\r\ndef f(größe):\r\n  return größe".encode("latin-1"))
  assert main.main(["trace", str(path), "--call", "f('é')"]) == 0
  assert capsys.readouterr().out == (
      "# coding: latin-1\r\ndef f(größe):      # (0) größe='é'\r\n  return größe     # (1) return 'é'\n"
  )


def test_standard_output_that_cannot_encode_the_text_is_an_error(tmp_path):
  path = tmp_path / "program.py"
  path.write_text("def f(größe): return größe\n", encoding="utf-8")
  command = [sys.executable, "-m", "next_jax.main", "trace", str(path), "--call", "f(1)"]
  done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False)
  assert done.returncode == 1
  assert b"standard output accepts only ascii" in done.stderr and b"PYTHONIOENCODING=utf-8" in done.stderr


def test_a_file_of_ten_megabytes_is_refused_at_once(tmp_path, capsys):
  path = tmp_path / "program.py"
  path.write_text("def f(): pass\n" + "x = 1\n" * 1_700_000)
  assert main.main(["trace", str(path), "--call", "f()"]) != 0
  assert "program.py: expected at most 1,000,000 bytes" in capsys.readouterr().err
  assert main.main(["trace", "/dev/zero", "--call", "f()"]) != 0
  assert "expected at most" in capsys.readouterr().err


@pytest.mark.parametrize("content, call, message", [
    (None, "f()", "program.py: no such file"),
    ("def f(:\n    pass\n", "f()", "program.py:1: the source does not compile: invalid syntax"),
    ("def f():\n    return 1\n x = 2\n", "f()", "program.py:3: the source does not compile: unindent"),
    (b"x = 1\0", "f()", "program.py"),
    (b"\xff\xfe\x00", "f()", "expected Python source"),
    (b"# coding: utf-7\nx = '\xff'", "f()", "expected Python source"),
    (b"# coding: rot13\nqrs s(): cnff", "f()", "expected Python source"),
    (b"# coding: undefined\nx = 1", "f()", "expected Python source"),
    (b"# coding: punycode\nx = 1\n", "f()", "expected Python source"),
    (b"# coding: nowhere\nx = 1", "f()", "expected Python source"),
    ("def f(): pass\n", "x = f()", "'x = f()' is not a Python expression"),
    ("def f(): pass\n", "f(", "is not a Python expression"),
    ("def f(): pass\n", "g()", "name 'g' is not defined; it defines f"),
    ("def f(): pass\n", "f(1)", "takes 0 positional arguments but 1 was given"),
    ("def f(): pass\n", "len('a')", "calls no function of the file"),
    ("def f(): pass\n", "5", "calls no function of the file"),
    ("def f(): pass\n", "", "is not a Python expression"),
    ("def f(): pass\n", "f(\0)", "is not a Python expression"),
    ("def f(): pass\n", "\udcff()", "is not a Python expression"),
    ("def f(): pass\n", "f" * 200_000 + "(", "is not a Python expression"),
    ("def f(): pass\nx = 5\n", "x()", "'int' object is not callable"),
    ("x = " + "(" * 300 + ")" * 300, "f()", "does not compile"),
    ("x = 1" + " + 1" * 20_000, "f()", "does not compile"),
    ("", "f()", "it defines no function"),
    ("import nowhere_to_be_found\ndef f(): pass\n", "f()", "No module named 'nowhere_to_be_found'"),
])
def test_bad_input_stops_with_a_message(content, call, message, tmp_path, capsys):
  path = tmp_path / "program.py"
  if isinstance(content, bytes):
    path.write_bytes(content)
  elif content is not None:
    path.write_text(content)
  assert main.main(["trace", str(path), "--call", call]) != 0
  output = capsys.readouterr()
  assert output.out == ""
  assert message in output.err
  assert len(output.err.splitlines()) == 1


def test_a_directory_and_a_file_without_permission_are_named(tmp_path, capsys):
  assert main.main(["trace", str(tmp_path), "--call", "f()"]) != 0
  assert f"{tmp_path}: expected a Python file, found a directory" in capsys.readouterr().err
  if os.geteuid() != 0:
    path = tmp_path / "secret.py"
    path.write_text("")
    path.chmod(0)
    assert main.main(["trace", str(path), "--call", "f()"]) != 0
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("option", [
    "--max_steps=0", "--max_seconds=-1", "--max_seconds=nan", "--first_visits=-1", "--value_width=x", "--value_width=0",
    "--comment_width=19",
])
def test_options_out_of_range_are_wrong_usage(option, program, capsys):
  with pytest.raises(SystemExit) as caught:
    main.main(["trace", str(program), "--call", "separate([])", option])
  assert caught.value.code == 2
  assert option.split("=")[0] in capsys.readouterr().err
