"""What an engine promises: training, sampling and scoring of a task by name."""

import dataclasses

import jax
import numpy as np
import pytest
import seqio

from next_jax import errors
from next_jax.engines import checkpoints
from next_jax.engines import engine
from next_jax.engines import parameters as parameters_lib
from next_jax.engines import sharding
from next_jax.models import transformer

VOCABULARY = seqio.ByteVocabulary()
GREEDY = engine.Sampling(temperature=0, max_prompt_length=40, max_completion_length=48)
WARM = dataclasses.replace(GREEDY, temperature=1.0)


def parameters(checkpoint, network):
  layout = sharding.Layout.over_all_devices()
  template = parameters_lib.abstract(transformer.Transformer(network), layout)
  return checkpoints.restore(checkpoint, template)[1]


def by_row(chunks):
  return {(sample.task_id, sample.sample_index): sample for chunk in chunks for sample in chunk}


def test_a_memorised_completion_is_sampled_greedily(tiny_engine, task, memorised, pairs):
  samples = by_row(
      tiny_engine.sample(task=task, split="dev", checkpoint=memorised[0], num_samples=2, sampling=GREEDY, seed=0)
  )
  assert len(samples) == 2 * len(pairs)
  for (task_id, _), sample in samples.items():
    _, target = pairs[int(task_id.split("/")[1])]
    assert sample.completion == target
    assert sample.token_count == len(target.encode()) + 1
    assert (sample.rationale, sample.fix, sample.refusal) == (None, None, None)


def test_the_log_probability_of_a_sample_is_that_of_scoring_its_text(tiny_engine, task, memorised, pairs):
  samples = by_row(
      tiny_engine.sample(task=task, split="dev", checkpoint=memorised[0], num_samples=1, sampling=GREEDY, seed=0)
  )
  scores = list(tiny_engine.score(task=task, split="dev", checkpoint=memorised[0]))
  assert [score.task_id for score in scores] == [f"{task}/{number}" for number in range(len(pairs))]
  for score in scores:
    sample = samples[score.task_id, 0]
    assert score.log_probability == pytest.approx(sample.log_probability, abs=1e-4)
    assert score.token_count == sample.token_count
    assert score.log_probability < 0


def test_greedy_sampling_is_step_by_step_argmax_of_full_passes(tiny_engine, task, memorised, network, pairs):
  params = parameters(memorised[0], network)
  model = transformer.Transformer(network)
  logits_of = jax.jit(lambda tokens: model.apply({"params": params}, tokens, enable_dropout=False))
  samples = by_row(
      tiny_engine.sample(task=task, split="dev", checkpoint=memorised[0], num_samples=1, sampling=GREEDY, seed=0)
  )
  for number, (inputs, _) in enumerate(pairs):
    prompt = VOCABULARY.encode(inputs)
    tokens, log_probability = list(prompt), 0.0
    while tokens[-1] != VOCABULARY.eos_id and len(tokens) < len(prompt) + GREEDY.max_completion_length:
      row = np.zeros((1, 96), np.int32)
      row[0, 1 : len(tokens) + 1] = tokens
      logits = np.asarray(logits_of(row))[0, len(tokens)]
      tokens.append(int(logits.argmax()))
      log_probability += float(jax.nn.log_softmax(logits)[tokens[-1]])
    sample = samples[f"{task}/{number}", 0]
    assert sample.token_count == len(tokens) - len(prompt)
    assert sample.completion == VOCABULARY.decode([t for t in tokens[len(prompt) :] if t != VOCABULARY.eos_id])
    assert sample.log_probability == pytest.approx(log_probability, abs=1e-4)


def test_samples_do_not_depend_on_which_other_tasks_are_in_the_run(tiny_engine, make_engine, task, memorised):
  settings = {"split": "dev", "checkpoint": memorised[0], "num_samples": 8, "sampling": WARM, "seed": 5}
  together = by_row(tiny_engine.sample(task=task, **settings))
  one_by_one = by_row(make_engine(sample_batch_size=8).sample(task=task, **settings))
  assert together.keys() == one_by_one.keys()
  for key, sample in together.items():
    assert sample.completion == one_by_one[key].completion
    assert sample.log_probability == pytest.approx(one_by_one[key].log_probability, abs=1e-3)


def test_a_seed_gives_the_same_samples_again_and_another_seed_others(tiny_engine, task, memorised):
  def completions(seed):
    settings = {"checkpoint": memorised[0], "num_samples": 4, "sampling": dataclasses.replace(WARM, temperature=2.0)}
    return [
        sample.completion
        for chunk in tiny_engine.sample(task=task, split="dev", seed=seed, **settings)
        for sample in chunk
    ]

  assert completions(1) == completions(1)
  assert completions(1) != completions(2)
  assert len(set(completions(1)[:4])) > 1  # The samples of one task differ.


def test_a_second_run_compiles_nothing(tiny_engine, task, memorised):
  settings = {"split": "dev", "checkpoint": memorised[0], "num_samples": 3, "sampling": WARM}
  list(tiny_engine.sample(task=task, seed=0, **settings))
  compiled = tiny_engine._sampler.num_compiled
  list(tiny_engine.sample(task=task, seed=0, **settings))
  assert tiny_engine._sampler.num_compiled == compiled


def test_skipped_chunks_are_the_first_ones(make_engine, task, memorised):
  small = make_engine(sample_batch_size=4)
  settings = {"split": "dev", "checkpoint": memorised[0], "num_samples": 2, "sampling": WARM, "seed": 0}
  chunks = list(small.sample(task=task, **settings))
  assert [len(chunk) for chunk in chunks] == [4, 4, 4]
  assert list(small.sample(task=task, skip=1, **settings)) == chunks[1:]
  assert list(small.sample(task=task, skip=3, **settings)) == []


def test_a_prompt_that_is_too_long_is_refused_and_not_cut(tiny_engine, task, memorised, pairs):
  short = dataclasses.replace(GREEDY, max_prompt_length=12)
  settings = {"split": "dev", "checkpoint": memorised[0], "num_samples": 2, "sampling": short, "seed": 0}
  samples = by_row(tiny_engine.sample(task=task, **settings))
  for number, (inputs, target) in enumerate(pairs):
    sample = samples[f"{task}/{number}", 1]
    if len(inputs) > 12:
      assert sample.refusal == f"prompt of {len(inputs)} tokens exceeds max_prompt_length=12"
      assert (sample.completion, sample.token_count) == ("", 0)
    else:
      assert (sample.refusal, sample.completion) == (None, target)
  chunks = list(tiny_engine.sample(task=task, **settings))
  assert list(tiny_engine.sample(task=task, skip=1, **settings)) == chunks[1:]


def test_an_unfinished_completion_is_given_as_it_is(tiny_engine, task, memorised):
  cut = dataclasses.replace(GREEDY, max_completion_length=3)
  samples = by_row(
      tiny_engine.sample(task=task, split="dev", checkpoint=memorised[0], num_samples=1, sampling=cut, seed=0)
  )
  assert samples[f"{task}/1", 0].completion == "pur"
  assert samples[f"{task}/1", 0].token_count == 3


def test_training_counts_what_it_saw(memorised, task, pairs):
  checkpoint, metrics = memorised
  tokens = sum(len(inputs.encode()) + len(target.encode()) + 1 for inputs, target in pairs)
  assert metrics["tokens"] == 40 * tokens
  assert metrics["examples"] == len(pairs)
  assert metrics["examples_too_long"] == 0
  assert metrics["loss"] < 0.5
  assert checkpoint.name == f"checkpoint_{int(metrics['steps'])}"


def test_examples_longer_than_a_row_are_left_out_and_counted(make_engine, task, tuning, tmp_path):
  short = dataclasses.replace(tuning, sequence_length=32, num_epochs=1)
  _, metrics = make_engine().finetune(task=task, checkpoint=None, directory=tmp_path, tuning=short, seed=0)
  assert (metrics["examples"], metrics["examples_too_long"]) == (4, 2)
  with pytest.raises(errors.EngineError, match="no example has at most 2 tokens"):
    tiny = dataclasses.replace(short, sequence_length=2)
    make_engine().finetune(task=task, checkpoint=None, directory=tmp_path / "none", tuning=tiny, seed=0)


def test_unknown_tasks_splits_and_larger_vocabularies_are_named(make_engine, tiny_engine, task, memorised, network):
  settings = {"checkpoint": memorised[0], "num_samples": 1, "sampling": GREEDY, "seed": 0}
  with pytest.raises(errors.EngineError, match="'no_such_task'"):
    list(tiny_engine.sample(task="no_such_task", split="dev", **settings))
  with pytest.raises(errors.EngineError, match="no split 'test', it has: train, dev"):
    list(tiny_engine.sample(task=task, split="test", **settings))
  small = make_engine(network=dataclasses.replace(network, vocab_size=100))
  with pytest.raises(errors.EngineError, match="vocab_size is 100"):
    list(small.sample(task=task, split="dev", **settings))
