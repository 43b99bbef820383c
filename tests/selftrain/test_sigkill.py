"""A run that is killed with SIGKILL, many times and anywhere, ends with the bytes of one that never was."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent / "killed_run.py"


def run(workdir, seed, kills):
  done = subprocess.run(
      [sys.executable, str(SCRIPT), str(workdir), str(seed), str(kills)], capture_output=True, text=True, timeout=400
  )
  assert done.returncode == 0, done.stderr[-3000:]
  return int(done.stdout.splitlines()[-1])


def reproducible(workdir):
  """Every file of a finished work directory but the seconds it took."""
  return {
      str(path.relative_to(workdir)): path.read_bytes()
      for path in sorted(workdir.rglob("*"))
      if path.is_file() and path.name != "timing.json"
  }


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bytes(tmp_path):
  assert run(tmp_path / "undisturbed", 0, 0) == 0
  expected = reproducible(tmp_path / "undisturbed")
  assert any(name.endswith("samples.jsonl") for name in expected) and "best.json" in expected
  assert run(tmp_path / "killed", 0, 12) >= 8
  found = reproducible(tmp_path / "killed")
  assert list(found) == list(expected)
  assert [name for name in expected if found[name] != expected[name]] == []
