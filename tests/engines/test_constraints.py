"""Activations lie on 4 and 8 devices as the axis rules say, inside what is compiled."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("constrained_activations.py")
BATCH, LENGTH, EMBED, HEADS, KV, MLP = 8, 16, 32, 4, 8, 64
MODEL = 2  # Devices along this axis; along "data" are 2 or 4.


@pytest.fixture(name="found", scope="module")
def _found():
  """What the script prints."""
  environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
  environment.pop("JAX_NUM_CPU_DEVICES", None)
  done = subprocess.run(
      [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr[-3000:]
  return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("rules", ["tensor", "fsdp"])
@pytest.mark.parametrize("mesh, data", [("2x2", 2), ("4x2", 4)])
def test_each_device_computes_its_rows_and_its_heads_and_its_part_of_the_mlp(found, rules, mesh, data):
  expected = {"logits": [BATCH // data, LENGTH, EMBED]}
  for layer in ("layers_0", "layers_1"):
    expected |= {
        f"{layer}/attention/out": [BATCH // data, LENGTH, HEADS // MODEL, KV],
        f"{layer}/mlp_norm": [BATCH // data, LENGTH, EMBED],  # Whole rows, even where parameters are in pieces.
        f"{layer}/mlp/down": [BATCH // data, LENGTH, MLP // MODEL],
    }
  on_device = found[f"{rules} {mesh}"]["on_device"]
  assert {name: shape for name, shape in on_device.items() if name in expected} == expected
  # Embeddings, logits, and of each layer query, key, value, attended, hidden, and the residual stream twice.
  assert found[f"{rules} {mesh}"]["constraints"] == 2 + 2 * 7


@pytest.mark.parametrize("rules", ["tensor", "fsdp"])
def test_one_device_is_not_constrained_and_gives_the_same_logits(found, rules):
  assert found[f"{rules} 1x1"]["constraints"] == 0
  assert found[f"{rules} 2x2"]["distance"] < 1e-5
  assert found[f"{rules} 4x2"]["distance"] < 1e-5
