"""The gin file of an import makes the model the base of any run: network, vocabulary, prompts, checkpoint."""

import dataclasses
import json
import shutil

import imported_models
import pytest
import random_models
import seqio

from next_jax import main
from next_jax import schema
from next_jax.configuration import parsing
from next_jax.engines import lora
from next_jax.engines import streaming
from next_jax.models.open_weights import importing
from next_jax.models.open_weights import vocabulary
from next_jax.prompts import chat
from next_jax.prompts import seqio_tasks

TEMPLATE = "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}<s>assistant: "
TASK = schema.RepairTask(
    task_id="t/1", split="dev", instruction="Add one.", entry_point="inc", buggy_code="def inc(x):\n    return x - 1",
    reference_code="def inc(x):\n    return x + 1", public_tests=("assert inc(1) == 2",), hidden_tests=(),
    bug_kind="operator", bug_origin="mutant", trace=None,
)


@pytest.fixture(autouse=True)
def registered():
  """Runs change the registered tasks; afterwards they are as before."""
  import tasks  # noqa: F401  (registers them)

  before = seqio_tasks.registrations()
  yield
  for form in before:
    seqio_tasks.register(form)


def constructed(directory, *bindings):
  parsing.parse(["gin_configs/runs/open_model.gin", f"{directory}/network.gin"], bindings, main.run)
  return parsing.construct(main.run)


@pytest.mark.parametrize("family", list(random_models.CONFIGS))
def test_a_run_has_the_network_the_vocabulary_and_the_checkpoint_of_the_model(family, directory):
  model = imported_models.make(family, directory)
  program = constructed(model.directory)
  assert program.engine.network == dataclasses.replace(
      model.network, dtype="bfloat16", rematerialize=True, scan_layers=True
  )
  assert str(program.base_checkpoint) == str(model.directory / importing.CHECKPOINT)
  assert program.tuning.lora == lora.Lora()
  words = vocabulary.HuggingFaceVocabulary(model.directory, "</s>")
  for name in ("mbpp_r_trace", "mbpp_r_notrace", "mbpp_r_direct_3shot"):
    form = seqio_tasks.registration(name)
    assert form.vocabulary == words and form.prompt.chat is None
    assert seqio.get_mixture_or_task(name).output_features["targets"].vocabulary == words


def test_a_chat_model_is_asked_by_its_own_template(directory, tmp_path):
  source = tmp_path / "source"
  shutil.copytree(imported_models.make("qwen2", directory).source, source)
  (source / "chat_template.jinja").write_text(TEMPLATE)
  imported = importing.import_model(str(source), tmp_path / "chat", save=streaming.save)
  constructed(imported.directory, "chat.JinjaTemplate.system_message='Repair.'")
  form = seqio_tasks.registration("mbpp_r_notrace_3shot")
  assert isinstance(form.prompt.chat, chat.JinjaTemplate)
  ids = form.vocabulary.encode(form.prompt.render(TASK))
  # The first token of a text is the network's business; five turns begin and end, and one only begins.
  start = [random_models.START] * (2 * 3 + 1 + 1 + 1 - 1)
  assert [id for id in ids if id == random_models.START] == start
  assert ids.count(form.vocabulary.eos_id) == 2 * 3 + 1 + 1
  assert json.loads((imported.directory / importing.MODEL).read_text())["chat_template"] == TEMPLATE


def test_the_licence_and_the_digests_are_noted(directory):
  model = imported_models.make("llama3", directory)
  found = json.loads((model.directory / importing.MODEL).read_text())
  assert found["architecture"] == "LlamaForCausalLM" and found["start"] == "<s>" and found["end"] == "</s>"
  assert sorted(found["digests"]) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
  assert all(len(digest) == 64 for digest in found["digests"].values())
