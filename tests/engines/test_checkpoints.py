"""Checkpoints have T5X's layout, come whole or not at all, and say what does not fit."""

import dataclasses
import json
import pathlib
import shutil

from etils import epath
from flax import traverse_util
import jax
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from next_jax.engines import checkpoints
from next_jax.engines import engine
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.models import transformer


@pytest.fixture(scope="module")
def template(network):
  return parameters.abstract(transformer.Transformer(network), sharding.Layout.over_all_devices())


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
  """(checkpoint with an optimiser's state, parameters, that state)."""
  layout = sharding.Layout.over_all_devices()
  params = parameters.random(transformer.Transformer(network), layout, 7)
  state = optax.adamw(1e-3).init(params)
  directory = tmp_path_factory.mktemp("saved")
  return checkpoints.save(directory, 12, params, state, {"loss": 0.5}), params, state


def assert_equal_trees(left, right):
  assert jax.tree.structure(left) == jax.tree.structure(right)
  for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right)):
    np.testing.assert_array_equal(a, b)


def test_what_was_saved_is_restored(saved, template):
  path, params, state = saved
  abstract = jax.tree.map(
      lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state
  )
  step, found_params, found_state = checkpoints.restore(path, template, abstract)
  assert step == 12
  assert_equal_trees(found_params, params)
  assert_equal_trees(found_state, state)
  assert checkpoints.metrics(path) == {"loss": 0.5}


def test_a_relative_directory_keeps_its_last_checkpoint(saved, template, tmp_path, monkeypatch):
  _, params, _ = saved
  monkeypatch.chdir(tmp_path)
  for step in (1, 2):
    checkpoints.save("finetune", step, params, None, {"loss": 0.5})
  checkpoints.remove_all_but("finetune", [2])
  assert checkpoints.steps("finetune") == [2]
  _, found, _ = checkpoints.restore("finetune/checkpoint_2", template)
  assert_equal_trees(found, params)


def test_plain_orbax_finds_the_tree_that_t5x_reads(saved, network):
  path, params, _ = saved
  assert path.name == "checkpoint_12"
  tree = ocp.PyTreeCheckpointer().restore(path / "state")
  assert set(tree) == {"target", "state"}
  assert set(tree["state"]) == {"step", "param_states"}
  assert int(tree["state"]["step"]) == 12
  flat = traverse_util.flatten_dict(tree["target"], sep="/")
  assert flat["layers_0/attention/query/kernel"].shape == (network.embed_dim, network.num_heads, network.head_dim)
  np.testing.assert_array_equal(flat["final_norm/scale"], params["final_norm"]["scale"])
  assert (path / "state" / "manifest.ocdbt").exists()
  metadata = json.loads((path / "state" / "_METADATA").read_text())
  assert not metadata["use_zarr3"]


def test_a_finished_training_keeps_parameters_and_step_alone(memorised):
  path, metrics = memorised
  tree = ocp.PyTreeCheckpointer().restore(path / "state")
  assert set(tree["state"]) == {"step"}
  assert int(tree["state"]["step"]) == metrics["steps"]
  assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_a_checkpoint_of_another_network_names_parameters_and_shapes(saved, network):
  wider = dataclasses.replace(network, mlp_dim=80, num_layers=3)
  template = parameters.abstract(transformer.Transformer(wider), sharding.Layout.over_all_devices())
  with pytest.raises(engine.CheckpointError) as error:
    checkpoints.restore(saved[0], template)
  message = str(error.value)
  assert str(saved[0]) in message
  assert "target/layers_0/mlp/down/kernel: found shape [64, 32], expected shape [80, 32]" in message
  assert "more; give the checkpoint of this network" in message


def test_a_missing_layer_is_named(saved, network):
  deeper = dataclasses.replace(network, num_layers=3)
  template = parameters.abstract(transformer.Transformer(deeper), sharding.Layout.over_all_devices())
  with pytest.raises(engine.CheckpointError, match="target/layers_2/.*: found no such parameter, expected shape"):
    checkpoints.restore(saved[0], template)


def test_a_missing_checkpoint_is_named(template, saved, tmp_path):
  with pytest.raises(engine.CheckpointError, match="nowhere: .*no such directory"):
    checkpoints.restore(tmp_path / "nowhere", template)
  with pytest.raises(engine.CheckpointError, match="give the path of a checkpoint_N"):
    checkpoints.restore(saved[0].parent, template)


@pytest.mark.parametrize("harm", ["truncate", "remove", "metadata"])
def test_a_damaged_checkpoint_is_an_error_of_the_user(harm, saved, template, tmp_path):
  path = tmp_path / "checkpoint_12"
  shutil.copytree(saved[0], path)
  if harm == "metadata":
    (path / "state" / "_METADATA").write_text("{")
  else:
    data = sorted((path / "state").glob("**/d/*"))
    assert data
    for file in data:
      if harm == "remove":
        file.unlink()
      else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
  with pytest.raises(engine.CheckpointError, match="cannot be read as a checkpoint"):
    checkpoints.restore(path, template)


def test_a_save_that_fails_leaves_no_checkpoint(saved, tmp_path):
  _, params, _ = saved
  broken = {**params, "final_norm": {"scale": object()}}
  with pytest.raises(Exception):  # noqa: B017  (whatever Orbax raises)
    checkpoints.save(tmp_path, 3, broken, None, {})
  assert checkpoints.steps(tmp_path) == []
  assert not (tmp_path / "checkpoint_3").exists()
  checkpoints.save(tmp_path, 3, params, None, {})  # And the next attempt is not disturbed.
  assert checkpoints.steps(tmp_path) == [3]


def test_a_save_that_is_killed_while_gs_renames_file_by_file_leaves_no_checkpoint(saved, tmp_path, monkeypatch):
  _, params, _ = saved
  path_type = type(epath.Path(tmp_path))
  whole_rename = path_type.rename

  def rename(source, target):
    if target.name != "checkpoint_3":  # Orbax's own
      return whole_rename(source, target)
    first = min(file for file in pathlib.Path(source).rglob("*") if file.is_file())
    (target / first.relative_to(source)).parent.mkdir(parents=True)
    shutil.copy(first, target / first.relative_to(source))
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(path_type, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
      checkpoints.save(tmp_path, 3, params, None, {})
  assert checkpoints.steps(tmp_path) == []
  assert checkpoints.steps(checkpoints.save(tmp_path, 3, params, None, {}).parent) == [3]


def test_steps_are_sorted_as_numbers_and_incomplete_ones_do_not_count(tmp_path):
  for name in ("checkpoint_10", "checkpoint_9", "checkpoint_11", "checkpoint_12.partial", "other"):
    (tmp_path / name).mkdir()
    if name != "checkpoint_11":
      (tmp_path / name / "metrics.json").write_text("{}")
  assert checkpoints.steps(tmp_path) == [9, 10]
  checkpoints.remove_all_but(tmp_path, [10])
  assert sorted(path.name for path in epath.Path(tmp_path).iterdir()) == ["checkpoint_10", "other"]
