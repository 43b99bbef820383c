"""A run that is killed with SIGKILL, many times and anywhere, ends with the bytes of one that never was."""

import pathlib
import random
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent / "killed_run.py"


def run(workdir, *seconds):
  done = subprocess.run(
      [sys.executable, str(SCRIPT), str(workdir), *(f"{s:.3f}" for s in seconds)], capture_output=True, text=True,
      timeout=300,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  killed, last = done.stdout.splitlines()[-1].split()
  return int(killed), float(last)


def reproducible(workdir):
  """Every file of a finished work directory but the seconds it took."""
  return {
      str(path.relative_to(workdir)): path.read_bytes()
      for path in sorted(workdir.rglob("*"))
      if path.is_file() and path.name != "timing.json"
  }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, seed):
  killed, seconds = run(tmp_path / "undisturbed")
  assert killed == 0
  dice = random.Random(seed)
  killed, _ = run(tmp_path / "killed", *(dice.uniform(0.02, 0.6) * seconds for _ in range(8)))
  assert killed >= 3, "the run ended before it could be killed: kill earlier"
  expected, found = reproducible(tmp_path / "undisturbed"), reproducible(tmp_path / "killed")
  assert list(found) == list(expected)
  assert [name for name in expected if found[name] != expected[name]] == []
  assert any(name.endswith("samples.jsonl") for name in expected) and "best.json" in expected
