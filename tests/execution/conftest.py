"""Runs programs in a process of its own, as this user or as one without rights."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

from next_jax.execution.confinement import confinement

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_NOBODY = 65534
_WITHOUT_NAMESPACES = tuple(layer for layer in confinement.LAYERS if layer != "namespaces")

# name -> (layers, whether as a user without rights)
WAYS = {
    "all layers": (confinement.LAYERS, False),
    "no namespaces": (_WITHOUT_NAMESPACES, False),
    "ordinary user": (confinement.LAYERS, True),
    "ordinary user, no namespaces": (_WITHOUT_NAMESPACES, True),
    "no layers": ((), False),
}


@pytest.fixture(scope="session")
def run_confined():
  """Gives `run(way, programs)`, which returns what confined_run.py found; skips ways that this machine forbids."""

  def run(way: str, programs: dict[str, str]) -> dict:
    # Not below pytest's directory: every pytest that starts closes it to other users.
    with tempfile.TemporaryDirectory(prefix="next_jax_confined_") as directory:
      return run_in(directory, way, programs)

  def run_in(directory, way, programs):
    layers, without_rights = WAYS[way]
    python, options = sys.executable, {}
    if without_rights:
      if os.geteuid() != 0:
        pytest.skip("this is an ordinary user already, as all the other tests are")
      options = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
      python = _python_for_all(options)
      os.chown(directory, _NOBODY, _NOBODY)
    limits = {"cpu_seconds": 0.5, "wall_slack": 1.0, "judge_cpu_seconds": 1.0, "memory_bytes": 512 << 20,
              "max_processes": 32, "scratch_bytes": 32 << 20}
    result = subprocess.run(
        [python, str(pathlib.Path(__file__).parent / "confined_run.py"), str(_ROOT), directory],
        input=json.dumps({"programs": programs, "layers": layers, "limits": limits}),
        env={**os.environ, "SECRET_OF_THE_TESTS": "1"},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert result.returncode == 0, result.stderr
    outcome = json.loads(result.stdout)
    missing = dict(outcome["confinement"]["missing"])
    if lacking := missing.keys() & set(layers):
      pytest.skip(f"not on this machine: {', '.join(f'{layer} ({missing[layer]})' for layer in lacking)}")
    return outcome

  return run


def _python_for_all(options):
  """An interpreter that a user without rights can execute."""
  check = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); assert sys.version_info >= (3, 11); import next_jax.schema"
  for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
    try:
      subprocess.run([python, "-c", check], check=True, capture_output=True, **options)
    except (OSError, subprocess.CalledProcessError):
      continue
    return python
  pytest.skip("no interpreter of this package's Python that an ordinary user can execute")
