"""Trainer, sampler and scorer run on a machine that has only JAX, Flax, Optax and Orbax."""

import os
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).with_name("only_jax.py")


def test_a_network_is_trained_and_sampled_without_tensorflow_seqio_or_a_progress_bar(tmp_path):
  done = subprocess.run(
      [sys.executable, str(SCRIPT), str(tmp_path)], cwd=SCRIPT.parents[2], capture_output=True, text=True, check=False,
      env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
  )
  assert done.returncode == 0, done.stderr[-3000:]
  first, last = map(float, done.stdout.split()[:2])
  assert last < first / 5  # it has learned to repeat
  assert done.stdout.split(maxsplit=2)[2].strip() == "[5, 1] [9, 1] 14"
