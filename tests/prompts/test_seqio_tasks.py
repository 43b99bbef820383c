"""Repair tasks and training sets as any SeqIO user reads them."""

import pytest
import seqio

from next_jax import files
from next_jax import schema
from next_jax.corpora import corpus
from next_jax.corpora import data_dir
from next_jax.models import vocabularies
from next_jax.prompts import example
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks
from next_jax.tracing import recorder
import tasks as declared  # registers

_CODE = "def inc(x):\n    return x - 1"


@pytest.fixture
def corpus_dir(tmp_path):
  task = schema.RepairTask(
      task_id="t/é", split="dev", instruction="Add one.", entry_point="inc", buggy_code=_CODE,
      reference_code=_CODE.replace("-", "+"), public_tests=("assert inc(1) == 2",), hidden_tests=(),
      bug_kind="operator", bug_origin="mutant", trace=recorder.record(_CODE, "inc(1)"),
  )
  files.write_jsonl(tmp_path / "minirepair" / "dev.jsonl", [task])
  data_dir.set_data_dir(tmp_path)
  yield tmp_path, task
  data_dir.set_data_dir(None)


@pytest.mark.parametrize("setting", ["trace", "notrace"])
@pytest.mark.parametrize("corpus_name", ["minirepair", "mbpp_r", "hefix_plus"])
def test_every_corpus_has_its_tasks(corpus_name, setting):
  assert declared is not None
  assert f"{corpus_name}_{setting}" in seqio.TaskRegistry.names()


def test_task_gives_the_prompt_and_empty_targets(corpus_dir):
  _, task = corpus_dir
  (read,) = seqio.get_mixture_or_task("minirepair_trace").get_dataset(None, split="dev", shuffle=False).as_numpy_iterator()
  vocabulary = vocabularies.minirepair_vocabulary()
  assert read["task_id"].decode() == "t/é"
  assert vocabulary.decode(read["inputs"].tolist()) == prompt.Prompt().render(task)
  assert read["targets"].tolist() == [vocabulary.eos_id]


def test_postprocessor_takes_completions_apart(corpus_dir):
  completion = seqio.get_mixture_or_task("minirepair_notrace").postprocess_fn("Why.\n### Fix\n```python\nx = 1\n```")
  assert (completion.rationale, completion.fix) == ("Why.", "x = 1")


def test_corpus_that_was_not_built_is_an_error_that_says_where_it_looked(corpus_dir):
  path, _ = corpus_dir
  with pytest.raises(corpus.CorpusError, match=str(path / "minirepair" / "unseen.jsonl")):
    data_dir.read_split("minirepair", "unseen")


def test_training_set_gives_inputs_and_targets_with_eos(tmp_path):
  files.write_jsonl(tmp_path / "train.jsonl", [example.Example(task_id="a", inputs="x = ", targets="12")])
  vocabulary = vocabularies.minirepair_vocabulary()
  for _ in range(2):  # registering again is harmless
    task = seqio_tasks.register_training_set("test_training_set", paths={"train": tmp_path / "train.jsonl"}, vocabulary=vocabulary)
  (read,) = task.get_dataset(None, split="train", shuffle=False).as_numpy_iterator()
  assert vocabulary.decode(read["inputs"].tolist()) == "x = "
  assert read["targets"].tolist() == [*vocabulary.encode("12"), vocabulary.eos_id]
