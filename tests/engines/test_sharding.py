"""Parameters and moments lie in pieces on 4 and 8 devices, and move from one mesh to another."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("sharded_training.py")
# Axes of the tiny network's parameters: embed 32, heads 4, kv_heads 2, mlp 64, vocab 260.
PIECES = {  # path -> (whole, on a device of 2x2, on one of 4x2)
    "token_embedder/embedding": ([260, 32], [130, 16], [130, 8]),
    "layers_0/attention/query/kernel": ([32, 4, 8], [16, 2, 8], [8, 2, 8]),
    "layers_0/attention/key/kernel": ([32, 2, 8], [16, 1, 8], [8, 1, 8]),
    "layers_1/mlp/gate/kernel": ([32, 64], [16, 32], [8, 32]),
    "layers_1/mlp/down/kernel": ([64, 32], [32, 16], [32, 8]),
    "layers_1/mlp_norm/scale": ([32], [16], [8]),
    "logits/kernel": ([32, 260], [16, 130], [8, 130]),
}


@pytest.fixture(name="found", scope="module")
def _found(tmp_path_factory):
  """What the script prints."""
  environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
  environment.pop("JAX_NUM_CPU_DEVICES", None)
  done = subprocess.run(
      [sys.executable, str(SCRIPT), str(tmp_path_factory.mktemp("sharded"))],
      env=environment, capture_output=True, text=True, check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("mesh, place, devices", [("2x2", 1, 4), ("4x2", 2, 8)])
def test_parameters_and_moments_are_split_over_both_axes_of_the_mesh(found, mesh, place, devices):
  for kind in ("parameters", "moments"):
    for path, shapes in PIECES.items():
      whole, on_device, pieces = found[mesh][kind][path]
      assert (whole, on_device) == (shapes[0], shapes[place]), (kind, path)
      assert pieces == (devices if len(whole) > 1 else devices // 2), (kind, path)
    # Nothing is whole anywhere: a device holds its share, and the norms of its row of the mesh.
    assert all(on_device != whole for whole, on_device, _ in found[mesh][kind].values()), kind


@pytest.mark.slow
def test_a_checkpoint_of_four_devices_is_restored_whole_onto_eight(found):
  assert found["equal"]
  assert found["4x2"]["step"] == found["2x2"]["step"] > 0


@pytest.mark.slow
def test_both_meshes_train_alike(found):
  assert found["4x2"]["loss"] == pytest.approx(found["2x2"]["loss"], rel=1e-3)
