"""What both engines promise, and that they keep it alike: T5X's half is skipped where T5X is not installed."""

import collections
import dataclasses
import functools
import json
import pathlib
import socket
import subprocess
import sys

from flax import linen as nn
from flax import serialization
import jax
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
import tensorflow as tf

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import engine
from next_jax.engines import optimizers
from next_jax.engines import packing
from next_jax.engines import parameters
from next_jax.engines import sharding
from next_jax.engines import stops
from next_jax.engines import task_reader
from next_jax.engines.native import native
from next_jax.models import transformer

GREEDY = engine.Sampling(temperature=0, max_prompt_length=40, max_completion_length=40)
WARM = dataclasses.replace(GREEDY, temperature=2.0)


def t5x_module(name):
  """A module of `next_jax.engines.t5x`, or a skip that says what is missing."""
  try:
    return __import__(f"next_jax.engines.t5x.{name}", fromlist=[name])
  except ImportError as error:
    pytest.skip(str(error))


@pytest.fixture(scope="module")
def make(network, tmp_path_factory):
  """`make(name, **settings)`: an engine by its name, made once for the same settings."""
  cache = str(tmp_path_factory.mktemp("compiled"))

  @functools.lru_cache
  def build(name, **settings):
    made = native.NativeEngine if name == "native" else t5x_module("t5x").T5XEngine
    return made(**{"network": network, "write_summaries": False, "compilation_cache": cache, **settings})

  return build


@pytest.fixture(params=["native", "t5x"])
def either(request, make):
  return make(request.param)


@pytest.fixture
def small(either, make):
  """The same engine, with one task of four samples a chunk."""
  return make("native" if isinstance(either, native.NativeEngine) else "t5x", sample_batch_size=4)


@pytest.fixture
def both(make):
  return make("native"), make("t5x")


@pytest.fixture(scope="module")
def short(tuning):
  """Twelve steps, of which the sixth is saved on the way."""
  return dataclasses.replace(tuning, num_epochs=8, save_every=6)


def samples(an_engine, task, checkpoint, *, num_samples=4, sampling=WARM, seed=0, **settings):
  chunks = an_engine.sample(
      task=task, split="dev", checkpoint=checkpoint, num_samples=num_samples, sampling=sampling, seed=seed, **settings
  )
  return {(sample.task_id, sample.sample_index): sample for chunk in chunks for sample in chunk}


def texts(found):
  return {key: sample.completion for key, sample in found.items()}


def stored(checkpoint):
  """Flat `{path: array}` of all that a checkpoint holds, as plain Orbax reads it."""
  with ocp.PyTreeCheckpointer() as checkpointer:
    tree = checkpointer.metadata(checkpoint / "state").item_metadata.tree
    as_numpy = jax.tree.map(lambda leaf: ocp.RestoreArgs(restore_type=np.ndarray), tree)
    tree = checkpointer.restore(checkpoint / "state", restore_args=as_numpy)
  return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def assert_same_checkpoint(found, expected, tolerance):
  found, expected = stored(found), stored(expected)
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, atol=tolerance, rtol=0, err_msg=name)


@dataclasses.dataclass
class Killed(Exception):
  """Stands for the signal that ends a process."""


def train_until_saved(an_engine, monkeypatch, step, **settings):
  """Trains, and is killed right after the checkpoint of this step."""
  save = checkpoints.save

  def save_and_die(directory, saved_step, *rest):
    save(directory, saved_step, *rest)
    if saved_step == step:
      raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints, "save", save_and_die)
    with pytest.raises(Killed):
      an_engine.finetune(**settings)


# Each engine by itself.


def test_samples_repeat_under_a_seed_and_differ_under_another(either, task, memorised):
  first = texts(samples(either, task, memorised[0], seed=1))
  assert texts(samples(either, task, memorised[0], seed=1)) == first
  assert texts(samples(either, task, memorised[0], seed=2)) != first
  assert len({first[f"{task}/1", index] for index in range(4)}) > 1


def test_chunks_change_no_sample_and_the_first_ones_are_those_that_are_skipped(either, small, task, memorised):
  settings = {"task": task, "split": "dev", "checkpoint": memorised[0], "num_samples": 4, "sampling": WARM, "seed": 5}
  chunks = [texts_of(chunk) for chunk in small.sample(**settings)]
  assert [len(chunk) for chunk in chunks] == [4] * 6
  assert sum(chunks, []) == [text for chunk in either.sample(**settings) for text in texts_of(chunk)]
  assert [texts_of(chunk) for chunk in small.sample(skip=4, **settings)] == chunks[4:]


def test_the_index_of_a_sample_says_nothing_of_its_probability(either, task, memorised):
  found = samples(either, task, memorised[0], seed=1)
  ordered = []
  for task_id in {task_id for task_id, _ in found}:
    scores = [found[task_id, index].log_probability for index in range(4)]
    ordered.append(scores in (sorted(scores), sorted(scores, reverse=True)))
  assert not all(ordered)  # By chance one in twelve is in order.


def test_a_sample_is_scored_as_it_was_drawn(either, task, memorised):
  found = samples(either, task, memorised[0], num_samples=1, sampling=GREEDY)
  for score in either.score(task=task, split="dev", checkpoint=memorised[0]):
    sample = found[score.task_id, 0]
    assert score.token_count == sample.token_count
    assert score.log_probability == pytest.approx(sample.log_probability, abs=1e-4)


def test_a_text_ends_where_a_stop_rule_ends_it_and_so_do_its_tokens(either, task, memorised):
  stopping = dataclasses.replace(GREEDY, stop=stops.Texts(texts=("e", "]")))
  plain = samples(either, task, memorised[0], sampling=GREEDY)
  stopped = samples(either, task, memorised[0], sampling=stopping)
  cut = 0
  for key, whole in plain.items():
    part = stopped[key]
    ends = [place for place in map(whole.completion.find, "e]") if place >= 0]
    assert part.completion == whole.completion[: min(ends, default=None)]
    if ends:
      cut += 1
      assert part.token_count == len(whole.completion[: min(ends)].encode()) + 1  # bytes, and the one that ended it
      assert part.log_probability >= whole.log_probability - 1e-4
    else:
      assert part.token_count == whole.token_count
      assert part.log_probability == pytest.approx(whole.log_probability, abs=1e-4)
  assert cut > 3


def test_a_long_prompt_is_refused_and_a_long_completion_is_cut(either, task, memorised, pairs):
  tight = dataclasses.replace(GREEDY, max_prompt_length=20, max_completion_length=3)
  found = samples(either, task, memorised[0], num_samples=1, sampling=tight)
  for number, (inputs, target) in enumerate(pairs):
    sample = found[f"{task}/{number}", 0]
    if len(inputs) > 20:
      assert sample.refusal == f"prompt of {len(inputs)} tokens exceeds max_prompt_length=20"
    else:
      assert (sample.completion, sample.token_count) == (target[:3], min(3, len(target) + 1))


def texts_of(chunk):
  return [sample.completion for sample in chunk]


def test_a_killed_training_ends_with_the_same_parameters(either, task, short, tmp_path, monkeypatch):
  settings = {"task": task, "checkpoint": None, "tuning": short, "seed": 0}
  whole, metrics = either.finetune(directory=tmp_path / "whole", **settings)
  train_until_saved(either, monkeypatch, 6, directory=tmp_path / "killed", **settings)
  killed, metrics_again = either.finetune(directory=tmp_path / "killed", **settings)
  assert_same_checkpoint(killed, whole, 1e-5)
  assert {**metrics, "loss": 0} == {**metrics_again, "loss": 0}
  assert metrics["loss"] == pytest.approx(metrics_again["loss"], abs=1e-4)


def test_as_many_checkpoints_are_kept_as_asked_for(either, task, short, tmp_path):
  tuning = dataclasses.replace(short, save_every=3, keep_checkpoints=3)
  last, metrics = either.finetune(task=task, checkpoint=None, directory=tmp_path, tuning=tuning, seed=0)
  assert checkpoints.steps(tmp_path) == [6, 9, 12]
  assert (last, metrics["steps"]) == (checkpoints.path_of(tmp_path, 12), 12)


@pytest.fixture
def validated(short, task):
  """Four checkpoints, each measured."""
  validation = engine.Validation(task=task, metric="length", sampling=GREEDY)
  return dataclasses.replace(short, save_every=3, keep_checkpoints=4, validation=validation)


def test_the_best_checkpoint_by_a_seqio_metric_is_given_also_by_a_killed_training(
    either, make, task, validated, pairs, tmp_path, monkeypatch
):
  watched = make("native" if isinstance(either, native.NativeEngine) else "t5x", write_summaries=True)
  settings = {"task": task, "checkpoint": None, "tuning": validated, "seed": 0, "directory": tmp_path}
  train_until_saved(watched, monkeypatch, 6, **settings)
  best, metrics = watched.finetune(**settings)
  lengths = {}
  for step in checkpoints.steps(tmp_path):
    found = samples(watched, task, checkpoints.path_of(tmp_path, step), num_samples=1, sampling=GREEDY)
    lengths[step] = sum(len(sample.completion) for sample in found.values()) / len(pairs)
  assert list(lengths) == [3, 6, 9, 12]
  assert len(set(lengths.values())) > 1
  expected = max(lengths, key=lengths.get)
  assert (best, metrics["steps"]) == (checkpoints.path_of(tmp_path, expected), expected)
  assert metrics["validation_length"] == pytest.approx(lengths[expected])
  assert watched.finetune(**settings) == (best, metrics)
  scalars = tensorboard(tmp_path)
  assert scalars["eval/length"] == pytest.approx(lengths)
  assert {12} <= scalars["loss"].keys()


def test_of_measured_checkpoints_the_best_and_the_last_are_kept(either, task, validated, tmp_path):
  all_of_them, _ = either.finetune(task=task, checkpoint=None, directory=tmp_path / "all", tuning=validated, seed=0)
  tuning = dataclasses.replace(validated, keep_checkpoints=1)
  best, _ = either.finetune(task=task, checkpoint=None, directory=tmp_path / "one", tuning=tuning, seed=0)
  assert best.name == all_of_them.name
  assert {path.name for path in (tmp_path / "one").glob("checkpoint_*")} == {best.name, "checkpoint_12"}


def test_a_metric_that_the_task_does_not_have_is_named(either, task, validated, tmp_path):
  tuning = dataclasses.replace(validated, validation=engine.Validation(task=task, sampling=GREEDY))
  with pytest.raises(errors.EngineError, match="found 'pass_at_1', expected one of those of .*: length"):
    either.finetune(task=task, checkpoint=None, directory=tmp_path, tuning=tuning, seed=0)


def tensorboard(directory):
  """Tag -> step -> value of all events below a directory."""
  found = collections.defaultdict(dict)
  for path in sorted(directory.rglob("events.out.tfevents.*")):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      for value in event.summary.value:
        is_tensor = value.HasField("tensor")
        found[value.tag][event.step] = float(tf.make_ndarray(value.tensor)) if is_tensor else value.simple_value
  return found


def test_the_second_iteration_compiles_nothing_whatever_its_length_and_seed(
    either, task, memorised, validated, tmp_path
):
  """What the loop does with one engine: sample, tune and measure on dev, sample from what came of it, score."""

  def iterate(start, tuning, seed):
    samples(either, task, start, seed=seed)
    tuned, _ = either.finetune(
        task=task, checkpoint=memorised[0], directory=tmp_path / str(seed), tuning=tuning, seed=seed
    )
    samples(either, task, tuned, seed=seed + 10)
    list(either.score(task=task, split="dev", checkpoint=tuned))
    return tuned

  tuned = iterate(memorised[0], validated, 0)
  longer = dataclasses.replace(validated, num_epochs=12, learning_rate=0.003, save_every=5)
  assert compilations(lambda: iterate(tuned, longer, 1)) == []


# One beside the other.


def test_greedy_completions_and_their_probabilities_are_the_same(both, task, memorised):
  ours, theirs = (samples(one, task, memorised[0], num_samples=1, sampling=GREEDY) for one in both)
  assert texts(ours) == texts(theirs)
  for key, sample in ours.items():
    assert theirs[key].log_probability == pytest.approx(sample.log_probability, abs=1e-5)
    assert theirs[key].token_count == sample.token_count


@pytest.mark.parametrize("truncated", [{}, {"top_k": 8, "top_p": 0.9}, {"stop": stops.Texts(texts=("e", "]"))}])
def test_samples_of_one_seed_are_the_same(both, task, memorised, truncated, pairs):
  sampling = dataclasses.replace(WARM, temperature=3.0, max_completion_length=8, **truncated)
  ours, theirs = (samples(one, task, memorised[0], num_samples=16, sampling=sampling, seed=3) for one in both)
  # Rounding may turn a draw at the edge between two tokens, once in very many.
  same = sum(ours[key].completion == theirs[key].completion for key in ours)
  assert same >= 0.98 * len(ours)
  assert len(set(texts(ours).values())) > 2 * len(pairs)


def test_samples_of_different_seeds_have_the_same_distribution(both, task, memorised, pairs):
  """First tokens of 512 samples a task: a chi-square-like distance that one task in thousands exceeds."""
  sampling = dataclasses.replace(WARM, max_completion_length=1)
  counts = []
  for seed, one in enumerate(both):
    found = samples(one, task, memorised[0], num_samples=512, sampling=sampling, seed=seed)
    counts.append({number: collections.Counter() for number in range(len(pairs))})
    for (task_id, _), sample in found.items():
      counts[-1][int(task_id.split("/")[1])][sample.completion] += 1
  for number in range(len(pairs)):
    ours, theirs = counts[0][number], counts[1][number]
    distance = sum(abs(ours[text] - theirs[text]) for text in ours.keys() | theirs.keys()) / 1024
    kinds = len(ours.keys() | theirs.keys())
    assert distance < 1.5 * (kinds / 512) ** 0.5


def test_logits_and_scores_are_the_same(both, task, memorised, network):
  ours, theirs = (list(one.score(task=task, split="dev", checkpoint=memorised[0])) for one in both)
  for a, b in zip(ours, theirs, strict=True):
    assert (a.task_id, a.token_count) == (b.task_id, b.token_count)
    assert b.log_probability == pytest.approx(a.log_probability, abs=1e-5)
  params, batch = packed_batch(task, memorised[0], network)
  model = t5x_module("decoder").Decoder(network, None, None)
  expected = transformer.Transformer(network).apply(
      {"params": params}, batch["decoder_input_tokens"], decoder_segment_ids=batch["decoder_segment_ids"],
      decoder_positions=batch["decoder_positions"], enable_dropout=False,
  )
  np.testing.assert_allclose(model._compute_logits(params, batch), expected, atol=1e-5)


def test_the_loss_of_t5x_is_that_of_the_targets_alone(both, task, memorised, network):
  del both  # Skips without T5X.
  params, batch = packed_batch(task, memorised[0], network)
  model = t5x_module("decoder").Decoder(network, None, None, loss_normalizing_factor="NUM_REAL_TARGET_TOKENS")
  loss, _ = model.loss_fn(params, batch, None)
  logits = model._compute_logits(params, batch)
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["decoder_target_tokens"])
  weights = batch["decoder_loss_weights"]
  assert float(loss) == pytest.approx(float((losses * weights).sum() / weights.sum()), abs=1e-6)


def packed_batch(task, checkpoint, network):
  template = parameters.abstract(transformer.Transformer(network), sharding.Layout.over_all_devices())
  found = task_reader.find_task(task, network.vocab_size)
  examples = task_reader.read_tokens(found, "train", 64)
  batch = packing.make_batch(examples, packing.best_fit(examples.lengths, range(len(examples)), 64)[:3],
                             num_rows=4, row_length=64)
  return checkpoints.restore(checkpoint, template)[1], batch


@pytest.mark.parametrize("optimizer", [optax.adamw, optimizers.muon])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_training_gives_the_same_parameters(make, task, short, optimizer, accumulation, tmp_path):
  tuning = dataclasses.replace(short, optimizer=optimizer, accumulation=accumulation, num_epochs=4)
  found = {
      name: make(name, keep_optimizer_state=True).finetune(
          task=task, checkpoint=None, directory=tmp_path / name, tuning=tuning, seed=0
      )
      for name in ("native", "t5x")
  }
  # Moments too. Muon's steps are of unit size however small the gradient is, which enlarges rounding.
  assert_same_checkpoint(found["t5x"][0], found["native"][0], 1e-5 if optimizer is optax.adamw else 1e-3)
  assert found["t5x"][1].keys() == found["native"][1].keys()
  for name in ("steps", "tokens", "rows", "examples", "examples_too_long"):
    assert found["t5x"][1][name] == found["native"][1][name]


def test_scanned_layers_train_and_are_sampled_alike(make, network, task, short, tmp_path):
  scanned = dataclasses.replace(network, scan_layers=True, rematerialize=True)
  tuning = dataclasses.replace(short, num_epochs=4)
  found, drawn = {}, {}
  for name in ("native", "t5x"):
    one = make(name, network=scanned, keep_optimizer_state=True)
    found[name], _ = one.finetune(task=task, checkpoint=None, directory=tmp_path / name, tuning=tuning, seed=0)
    drawn[name] = texts(samples(one, task, found["native"], num_samples=1, sampling=GREEDY))
  assert any("['layers']" in path for path in stored(found["t5x"]))
  assert_same_checkpoint(found["t5x"], found["native"], 1e-5)
  assert drawn["t5x"] == drawn["native"]


@pytest.mark.parametrize("order", [("native", "t5x"), ("t5x", "native")])
def test_a_training_begun_by_one_engine_is_ended_by_the_other(make, task, short, order, tmp_path, monkeypatch):
  first, second = (make(name, keep_optimizer_state=True) for name in order)
  settings = {"task": task, "checkpoint": None, "tuning": short, "seed": 0}
  whole, _ = make("native", keep_optimizer_state=True).finetune(directory=tmp_path / "whole", **settings)
  train_until_saved(first, monkeypatch, 6, directory=tmp_path / "moved", **settings)
  moved, metrics = second.finetune(directory=tmp_path / "moved", **settings)
  assert metrics["steps"] == 12
  assert_same_checkpoint(moved, whole, 1e-5)


def test_t5x_reads_and_writes_the_same_checkpoints_with_its_own_manager(make, task, short, tmp_path):
  made, _ = make("native", keep_optimizer_state=True).finetune(
      task=task, checkpoint=None, directory=tmp_path / "native", tuning=short, seed=0
  )
  trained = make("t5x")._trainer(short)
  t5x_checkpoints = pytest.importorskip("t5x.checkpoints")
  manager = t5x_checkpoints.OrbaxCheckpointManagerInterface(
      str(tmp_path), trained._state_shapes, trained._trainer._partitioner
  )
  state = manager.restore(path=str(made))
  assert int(state.step) == 12
  manager.save(state)
  manager.close()
  assert_same_checkpoint(tmp_path / "checkpoint_12", made, 0)
  template = parameters.abstract(transformer.Transformer(make("native").network), make("native").layout)
  step, params, _ = checkpoints.restore(tmp_path / "checkpoint_12", template)
  assert step == 12
  assert serialization.to_state_dict(params).keys() == template.keys()


# What T5X alone has.


def test_parameters_and_moments_are_partitioned_by_the_axis_rules(make, short):
  trained = make("t5x", axis_rules=(*sharding.DEFAULT_RULES[:5], ("embed", "data"), *sharding.DEFAULT_RULES[6:]))
  axes = trained._trainer(short)._state_axes.state_dict()
  spec = jax.sharding.PartitionSpec
  assert axes["target"]["layers_0"]["mlp"]["gate"]["kernel"] == spec("data", "model")
  assert axes["target"]["layers_0"]["attention"]["out"]["kernel"] == spec("model", None, "data")
  moments = axes["state"]["param_states"]["0"]["mu"]
  assert moments["layers_0"]["attention"]["out"]["kernel"] == spec("model", None, "data")


def test_what_t5x_compiles_is_traced_with_mesh_and_rules_active(make):
  seen = []

  def look(params, batch):
    seen.append((jax.sharding.get_abstract_mesh().axis_names, dict(nn.get_logical_axis_rules())["batch"]))
    return params, batch

  partitioner = t5x_module("partitioner").MeshPartitioner(make("t5x").layout)
  spec = jax.sharding.PartitionSpec()
  partitioner.partition(look, in_axis_resources=(spec, spec), out_axis_resources=(spec, spec))(np.ones(2), np.ones(2))
  assert seen == [(("data", "model"), "data")]


def compilations(use):
  """Names of what JAX compiles, or reads from its cache on disk, while `use` runs."""
  compiled = []

  def listen(event, duration, **facts):
    del duration
    if event == "/jax/core/compile/backend_compile_duration":
      compiled.append(facts.get("fun_name", event))

  jax.monitoring.register_event_duration_secs_listener(listen)
  try:
    use()
  finally:
    jax.monitoring.unregister_event_duration_listener(listen)
  return compiled


@pytest.mark.slow
def test_t5x_shards_over_four_devices_and_restores_on_another_mesh(tmp_path):
  t5x_module("t5x")
  script = pathlib.Path(__file__).with_name("four_devices_t5x.py")
  done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr[-3000:]
  found = json.loads(done.stdout.splitlines()[-1])
  assert found["mesh"] == {"data": 2, "model": 2}
  assert (found["shape"], found["shards"]) == ([32, 64], [[32, 32], [32, 32]])
  assert len(found["2x2"]) == 12
  assert found["2x2"] == found["1x4"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["native", "t5x"])
def test_two_processes_do_what_one_does(name, tmp_path):
  """Training sums in another order: parameters are the same up to rounding, and so are the samples of them."""
  if name == "t5x":
    t5x_module("t5x")
  (alone,) = in_processes(1, name, tmp_path / "alone")
  pair = in_processes(2, name, tmp_path / "pair")
  assert [found["devices"] for found in pair] == [2, 2]
  assert_same_checkpoint(tmp_path / "pair" / "checkpoint_12", tmp_path / "alone" / "checkpoint_12", 1e-5)
  for found in pair:
    assert found["checkpoint"] == alone["checkpoint"]
    assert found["metrics"] == pytest.approx(alone["metrics"], abs=1e-4)
    assert found["scores"] == pytest.approx(alone["scores"], abs=1e-4)
  shares = [found["samples"] for found in pair]
  assert len(shares[0]) == len(shares[1]) == 12
  together = {**shares[0], **shares[1]}
  assert sum(together[key] == text for key, text in alone["samples"].items()) >= 23


def in_processes(count, name, directory):
  """What each of `count` processes of two_processes.py has printed."""
  script = pathlib.Path(__file__).with_name("two_processes.py")
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    address = f"localhost:{probe.getsockname()[1]}"
  running = [
      subprocess.Popen(
          [sys.executable, script, name, directory, address, str(count), str(index)],
          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
      )
      for index in range(count)
  ]
  try:
    ended = [process.communicate(timeout=600) for process in running]
  finally:
    for process in running:
      process.kill()
  for process, (_, stderr) in zip(running, ended, strict=True):
    assert process.returncode == 0, stderr[-3000:]
  return [json.loads(stdout.splitlines()[-1]) for stdout, _ in ended]
