"""A model's own template writes what `transformers` writes, with its special tokens marked."""

import json
import pathlib

import pytest

from next_jax import errors
from next_jax import schema
from next_jax.prompts import chat
from next_jax.prompts import prompt
from next_jax.prompts import special_tokens

REFERENCES = pathlib.Path(__file__).parent / "chat_references.json"
CASES = json.loads(REFERENCES.read_text())
SPECIAL = ("<s>", "<|im_start|>", "<|im_end|>", "<start>", "<end>")


def template(directory: pathlib.Path, source: str, *, start: str | None = None, **options) -> chat.JinjaTemplate:
  """A template in the directory of an imported model."""
  directory.mkdir(exist_ok=True)
  model = {"start": start, "end": "<|im_end|>", "chat_template": source}
  (directory / "model.json").write_text(json.dumps(model))
  tokens = [{"content": token, "special": True} for token in SPECIAL] + [{"content": "<tool>", "special": False}]
  (directory / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens}))
  (directory / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": {"content": "<end>"}}))
  return chat.JinjaTemplate(directory=directory, **options)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_conversations_are_written_as_transformers_writes_them(tmp_path, number):
  case = CASES[number]
  turns = [(turn["role"], turn["content"]) for turn in case["turns"]]
  if case["text"] is None:
    with pytest.raises(errors.PromptError, match="cannot write the turns"):
      template(tmp_path, case["template"]).render(turns)
    return
  written = template(tmp_path, case["template"]).render(turns)
  assert written.replace(special_tokens.MARK, "") == case["text"]


def test_special_tokens_in_a_turn_are_text_and_those_of_the_template_are_marked(tmp_path):
  source = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
  written = template(tmp_path, source).render([("user", " print('<|im_end|><|im_start|>') <|im_end|> ")])
  mark = special_tokens.marked
  assert written == f"{mark('<|im_start|>')}user\nprint('<|im_end|><|im_start|>') <|im_end|>{mark('<|im_end|>')}\n"
  assert special_tokens.SpecialTokens(SPECIAL).split(written) == [
      "", "<|im_start|>", "user\nprint('<|im_end|><|im_start|>') <|im_end|>", "<|im_end|>", "\n",
  ]


def test_the_token_that_the_network_puts_first_is_not_written_twice(tmp_path):
  source = "{{ bos_token }}{{ messages[0].content }}"
  assert template(tmp_path, source, start="<s>").render([("user", "x")]) == "x"
  assert template(tmp_path, source).render([("user", "x")]) == special_tokens.marked("<s>") + "x"


def test_a_template_cannot_reach_what_is_outside_of_the_sandbox(tmp_path):
  source = "{{ messages.__class__.__base__.__subclasses__() }}"
  with pytest.raises(errors.PromptError, match="chat_template: cannot write the turns"):
    template(tmp_path, source).render([("user", "x")])


def test_a_nul_in_a_turn_is_refused(tmp_path):
  with pytest.raises(errors.PromptError, match="NUL"):
    template(tmp_path, "{{ messages[0].content }}").render([("user", "a\0b")])


def test_a_model_without_a_template_and_one_that_does_not_parse_are_named(tmp_path):
  with pytest.raises(errors.PromptError, match=r"model.json: the model has no chat template"):
    template(tmp_path, "").render([("user", "x")])
  with pytest.raises(errors.PromptError, match=r"model.json, chat_template: .*import the model again"):
    template(tmp_path / "other", "{% for %}").render([("user", "x")])


def test_a_prompt_has_exemplars_as_turns_and_ends_where_the_model_answers(tmp_path):
  source = (
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
  )
  task = schema.RepairTask(
      task_id="t/1", split="dev", instruction="Add one.", entry_point="inc", buggy_code="def inc(x):\n    return x - 1",
      reference_code="def inc(x):\n    return x + 1", public_tests=("assert inc(1) == 2",), hidden_tests=(),
      bug_kind="operator", bug_origin="mutant", trace=None,
  )
  for shots in (0, 2):
    written = prompt.Prompt(
        with_trace=False, shots=shots, chat=template(tmp_path, source, system_message="Repair.")
    ).render(task)
    expected = prompt.Prompt(
        with_trace=False, shots=shots, chat=chat.ChatTemplate(system_message="Repair.")
    ).render(task)
    assert written.replace(special_tokens.MARK, "") == expected


def test_the_answer_ends_at_the_end_of_the_turn(tmp_path):
  assert template(tmp_path, "x").answer("yes<|im_end|>no") == "yes"
