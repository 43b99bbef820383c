"""Repair tasks and training sets as any SeqIO user reads and measures them."""

import collections
import dataclasses
import functools
import importlib
import importlib.util
import json

import pytest
import seqio

from next_jax import errors
from next_jax import files
from next_jax import schema
from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import given_rationales
from next_jax.prompts import metrics
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks
from next_jax.prompts import training_example
import tasks as declared  # registers

SPLITS = {"minirepair": "unseen", "mbpp_r": "dev", "hefix_plus": "test"}
NAMES = [f"{corpus_name}_{setting}" for corpus_name in SPLITS for setting in prompt.SETTINGS]
VOCABULARY = vocabularies.minirepair_vocabulary()


def split_of(name):
  return SPLITS[seqio_tasks.registration(name).corpus]


def read(name, split=None, lengths=None, **options):
  task = seqio.get_mixture_or_task(name)
  dataset = task.get_dataset(lengths, split=split or split_of(name), shuffle=False, **options)
  return list(dataset.as_numpy_iterator())


def text_of(row):
  return VOCABULARY.decode(row["inputs"].tolist())


def test_the_settings_are_those_of_the_method():
  assert set(prompt.SETTINGS) == {
      f"{setting}{shots}" for setting in ("trace", "notrace", "direct", "proxy") for shots in ("", "_3shot")
  }


@pytest.mark.parametrize("name", NAMES)
def test_every_corpus_has_a_task_for_every_setting(corpora, name):
  form = seqio_tasks.registration(name)
  repair_tasks = files.read_jsonl(corpora / form.corpus / f"{split_of(name)}.jsonl", schema.RepairTask)
  rows = read(name)
  assert [row["task_id"].decode() for row in rows] == [task.task_id for task in repair_tasks]
  assert [text_of(row) for row in rows] == [form.prompt.render(task) for task in repair_tasks]
  assert all(row["targets"].tolist() == [VOCABULARY.eos_id] for row in rows)
  assert [json.loads(row["problem"]) for row in rows] == [metrics.problem(task) for task in repair_tasks]
  assert not any(task.reference_code in text_of(row) for task, row in zip(repair_tasks, rows, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_name_without_version_is_that_of_the_newest(name):
  newest = seqio_tasks.registration(name)
  versioned = seqio_tasks.registration(name.replace(f"{newest.corpus}_", f"{newest.corpus}_v100_"))
  for field in ("corpus", "splits", "prompt", "vocabulary"):
    assert getattr(versioned, field) == getattr(newest, field)
  assert tuple(seqio.TaskRegistry.get(versioned.name).splits) == newest.splits


def test_importing_a_module_again_or_under_another_name_is_harmless(corpora):
  before = set(seqio.TaskRegistry.names())
  rows = read("minirepair_trace")
  importlib.reload(declared.minirepair)
  spec = importlib.util.spec_from_file_location("other_name", declared.minirepair.__file__)
  spec.loader.exec_module(importlib.util.module_from_spec(spec))
  assert set(seqio.TaskRegistry.names()) == before
  assert [text_of(row) for row in read("minirepair_trace")] == [text_of(row) for row in rows]


def test_a_name_that_is_not_registered_is_an_error_with_the_near_ones():
  with pytest.raises(errors.PromptError, match="known: minirepair_"):
    seqio_tasks.registration("minirepair_trce")


def test_a_variant_differs_in_what_is_given_only(corpora):
  name = seqio_tasks.register_variant("test_variant", like="minirepair_trace", prompt=prompt.Prompt(with_trace=False))
  form, like = seqio_tasks.registration(name), seqio_tasks.registration("minirepair_trace")
  for field in ("corpus", "splits", "read", "vocabulary"):
    assert getattr(form, field) == getattr(like, field)
  assert [text_of(row) for row in read(name, "dev")] == [text_of(row) for row in read("minirepair_notrace", "dev")]


def test_a_temporary_task_is_gone_afterwards_also_after_an_error():
  form = dataclasses.replace(seqio_tasks.registration("minirepair_trace"), name="test_temporary")
  with pytest.raises(ZeroDivisionError), seqio_tasks.temporary(seqio_tasks.register(form)) as name:
    assert seqio_tasks.registration(name).prompt == form.prompt and name in seqio.TaskRegistry.names()
    raise ZeroDivisionError
  assert "test_temporary" not in seqio.TaskRegistry.names()
  with pytest.raises(errors.PromptError, match="'test_temporary' is not registered"):
    seqio_tasks.registration("test_temporary")


def test_postprocessor_takes_completions_apart():
  task = seqio.get_mixture_or_task("minirepair_notrace")
  assert task.postprocess_fn("Why.\n### Fix\n```python\nx = 1\n```", example={}, is_target=False) == {
      "rationale": "Why.", "fix": "x = 1", "refusal": None
  }


def test_corpus_that_was_not_built_is_an_error_that_says_where_it_looked(corpora, tmp_path):
  data_dir.set_data_dir(tmp_path)
  with pytest.raises(errors.CorpusError, match=str(tmp_path / "minirepair" / "unseen.jsonl")):
    data_dir.read_split("minirepair", "unseen")


# Over-long prompts.


def test_prompts_are_abridged_to_the_sequence_length_and_never_cut(corpora):
  whole, bare = read("minirepair_trace", "dev"), read("minirepair_notrace", "dev")
  became = collections.Counter()
  for length in (30, 50, 70, 10_000):
    rows = read("minirepair_trace", "dev", {"inputs": length, "targets": 9})
    for row, full, without in zip(rows, whole, bare, strict=True):
      assert len(row["inputs"]) <= length
      if len(full["inputs"]) <= length:
        became["whole"] += 1
        assert text_of(row) == text_of(full)
      elif len(without["inputs"]) <= length:
        became["abridged"] += 1
        assert text_of(row).endswith("```\n### Rationale\n") and text_of(row) != text_of(full)
      else:
        became["empty"] += 1
        assert text_of(row) == ""
  assert set(became) == {"whole", "abridged", "empty"}


def test_a_task_read_for_several_epochs_abridges_too(corpora):
  rows = read("minirepair_trace", "dev", {"inputs": 60, "targets": 9}, num_epochs=2)
  assert len(rows) == 6 and [text_of(row) for row in rows[:3]] == [text_of(row) for row in rows[3:]]


# Rationales that are given.


def test_proxy_tasks_need_rationales_and_say_so(corpora, tmp_path, monkeypatch):
  monkeypatch.delenv(given_rationales.ENVIRONMENT_VARIABLE, raising=False)
  (task, *_) = seqio_tasks.registration("minirepair_proxy").read("dev")
  form = seqio_tasks.registration("minirepair_proxy").prompt
  assert form.render(task).endswith("### Rationale\ninc is wrong.\n### Fix\n```python\n")
  given_rationales.set_path(None)
  with pytest.raises(errors.PromptError, match="no rationales are given; set NEXT_JAX_RATIONALES"):
    form.render(task)
  monkeypatch.setenv(given_rationales.ENVIRONMENT_VARIABLE, str(tmp_path / "samples.jsonl"))
  with pytest.raises(errors.PromptError, match="samples.jsonl: no such file"):
    form.render(task)
  files.write_jsonl(tmp_path / "samples.jsonl", [])
  with pytest.raises(errors.PromptError, match="no sample with a rationale for task 'minirepair/dev/é0'"):
    form.render(task)


def test_the_first_rationale_of_a_task_counts_without_its_code(tmp_path):
  sample = functools.partial(schema.Sample, task_id="a", completion="", log_probability=0.0, token_count=0, seed=0)
  files.write_jsonl(tmp_path / "samples.jsonl", [
      sample(sample_index=0, refusal="there is no code block"),
      sample(sample_index=1, rationale="Off by one:\n```python\nreturn x + 1\n```\nis right.\n```\nreturn"),
      sample(sample_index=2, rationale="No."),
  ])
  assert given_rationales.FromSamples(tmp_path / "samples.jsonl")("a") == "Off by one:\nis right."


# Feature converters and evaluators.


def prompt_of_encoder(row):
  return row["encoder_input_tokens"]


def prompt_of_decoder(row):
  return row["decoder_target_tokens"][row["decoder_loss_weights"] == 0]


@pytest.mark.parametrize("converter, prompt_of", [
    (seqio.EncDecFeatureConverter(pack=False), prompt_of_encoder),
    (seqio.PrefixLMFeatureConverter(pack=False), prompt_of_decoder),
])
@pytest.mark.parametrize("name", ["minirepair_trace", "mbpp_r_direct_3shot", "hefix_plus_proxy"])
def test_encoder_decoder_and_decoder_only_models_see_the_whole_prompt(corpora, name, converter, prompt_of):
  lengths = {"inputs": 900, "targets": 8}
  dataset = seqio.get_dataset(
      name, lengths, dataset_split=split_of(name), shuffle=False, feature_converter=converter, num_epochs=1
  )
  for converted, row in zip(list(dataset.as_numpy_iterator()), read(name), strict=True):
    seen = prompt_of(converted)
    assert seen[seen != 0].tolist() == row["inputs"].tolist()


def test_decoder_only_models_are_trained_on_prompts_and_completions(tmp_path):
  files.write_jsonl(tmp_path / "kept.jsonl", [training_example.Example(task_id="a", inputs="x = ", targets="12")] * 3)
  seqio_tasks.register_training_set("test_training", tmp_path, vocabulary=VOCABULARY)
  for converter, tokens in (
      (seqio.PrefixLMFeatureConverter(pack=True), "decoder_target_tokens"),
      (seqio.DecoderFeatureConverter(pack=True), "decoder_target_tokens"),
      (seqio.EncDecFeatureConverter(pack=True), "decoder_target_tokens"),
  ):
    dataset = seqio.get_dataset(
        "test_training", {"inputs": 32, "targets": 32}, dataset_split="train", shuffle=False, num_epochs=1,
        feature_converter=converter,
    )
    (row,) = dataset.as_numpy_iterator()
    assert row[tokens].tolist().count(VOCABULARY.eos_id) == 3


def evaluate(name, answer, converter, log_dir=None):
  """The metrics of a model that gives `answer(task, form)`, through SeqIO's evaluator."""
  form = seqio_tasks.registration(name)
  completions = [answer(task, form.prompt) for task in form.read(split_of(name))]

  def predict_fn(dataset, model_feature_shapes=None):
    answers = [(int(index), VOCABULARY.encode(completions[int(index)])) for index, _ in dataset.as_numpy_iterator()]
    longest = max(len(tokens) for _, tokens in answers)
    return [(index, tokens + [0] * (longest - len(tokens))) for index, tokens in reversed(answers)]

  evaluator = seqio.Evaluator(
      name, converter, eval_split=split_of(name), sequence_length={"inputs": 1500, "targets": 64},
      logger_cls=[seqio.JSONLogger] if log_dir else [], log_dir=str(log_dir) if log_dir else None,
  )
  computed, _ = evaluator.evaluate(compute_metrics=True, predict_fn=predict_fn, step=1)
  return computed.result()[name]


@pytest.mark.parametrize(
    "name", ["minirepair_trace", "mbpp_r_v100_notrace_3shot", "hefix_plus_direct", "minirepair_proxy_3shot"]
)
def test_seqio_evaluators_measure_pass_at_1_by_execution(corpora, name):
  def oracle(task, form):
    return form.target("It is wrong.", task.reference_code)

  def parrot(task, form):
    return form.target("It is right.", task.buggy_code)

  converter = seqio.EncDecFeatureConverter(pack=False)
  assert evaluate(name, oracle, converter) == {"pass_at_1": 1.0, "refused": 0.0, "not_judged": 0.0}
  assert evaluate(name, parrot, converter) == {"pass_at_1": 0.0, "refused": 0.0, "not_judged": 0.0}


def test_a_share_of_right_answers_is_measured_and_what_was_written_is_logged(corpora, tmp_path):
  def answer(task, form):
    return {"inc": "no", "total": form.target("It is.", task.reference_code), "root": form.target("", "pass")}[
        task.entry_point
    ]

  found = evaluate("minirepair_trace", answer, seqio.PrefixLMFeatureConverter(pack=False), tmp_path)
  assert found == {"pass_at_1": pytest.approx(1 / 3), "refused": pytest.approx(1 / 3), "not_judged": 0.0}
  logged = [json.loads(line) for line in (tmp_path / "minirepair_trace-000001.jsonl").read_text().splitlines()]
  assert [row["prediction"]["refusal"] for row in logged] == ["there is no code block", None, None]
  assert logged[1]["target"]["entry_point"] == "total"
  (measured,) = (tmp_path / "minirepair_trace-metrics.jsonl").read_text().splitlines()
  assert json.loads(measured)["pass_at_1"] == pytest.approx(1 / 3)


# Training sets.


def test_training_set_gives_inputs_and_targets_with_eos(tmp_path):
  files.write_jsonl(tmp_path / "kept.jsonl", [training_example.Example(task_id="a", inputs="x = ", targets="12")])
  for _ in range(2):  # registering again is harmless
    name = seqio_tasks.register_training_set("test_training_set", tmp_path, vocabulary=VOCABULARY)
  (row,) = read(name, "train")
  assert text_of(row) == "x = "
  assert row["targets"].tolist() == [*VOCABULARY.encode("12"), VOCABULARY.eos_id]


def test_training_examples_that_are_too_long_are_left_out_whole(tmp_path):
  examples = [
      training_example.Example(task_id=f"{n} {m}", inputs="x" + " = 1" * n, targets="y" * m)
      for n in (1, 30) for m in (1, 30)
  ]
  files.write_jsonl(tmp_path / "train.jsonl", examples)
  name = seqio_tasks.register_training_set("test_training_set", tmp_path, file="train.jsonl", vocabulary=VOCABULARY)
  assert [row["task_id"].decode() for row in read(name, "train", {"inputs": 20, "targets": 20})] == ["1 1"]
  assert len(read(name, "train", {"inputs": 20})) == 2
  assert len(read(name, "train")) == 4


def test_shards_hold_every_prompt_once(corpora):
  shards = [
      read("minirepair_trace", "dev", shard_info=seqio.ShardInfo(index=index, num_shards=2)) for index in range(2)
  ]
  assert sorted(map(text_of, shards[0] + shards[1])) == sorted(map(text_of, read("minirepair_trace", "dev")))
