"""Prompts as conversations, for models that were tuned to answer in one."""

import dataclasses

import pytest

from next_jax import errors
from next_jax import main
from next_jax import schema
from next_jax.configuration import parsing
from next_jax.prompts import chat
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks
from next_jax.stages import settings
from next_jax.tracing.recording import recorder

_BUGGY = "def inc(x):\n    return x - 1"
_FIX = "def inc(x):\n    return x + 1"


@pytest.fixture(name="task")
def fixture_task():
  return schema.RepairTask(
      task_id="t/1", split="dev", instruction="Add one.", entry_point="inc", buggy_code=_BUGGY, reference_code=_FIX,
      public_tests=("assert inc(1) == 2",), hidden_tests=("assert inc(77) == 78",), bug_kind="operator",
      bug_origin="mutant", trace=recorder.record(_BUGGY, "inc(1)"),
  )


def test_the_users_turn_holds_the_task_and_what_is_asked(task):
  form = prompt.Prompt(chat=chat.ChatTemplate(ask_rationale="Say why, then fix it."))
  question = prompt.Prompt().render(task).removesuffix("### Rationale\n")
  assert form.render(task) == (
      f"<|im_start|>user\n{question}\nSay why, then fix it.<|im_end|>\n<|im_start|>assistant\n"
  )


def test_a_system_turn_stands_first_where_there_is_a_message(task):
  text = prompt.Prompt(chat=chat.ChatTemplate(system_message="You repair programs.")).render(task)
  assert text.startswith("<|im_start|>system\nYou repair programs.<|im_end|>\n<|im_start|>user\n### Task\n")


def test_a_system_message_for_models_without_system_turn_is_refused():
  with pytest.raises(errors.PromptError, match="have no system turn"):
    dataclasses.replace(chat.gemma(), system_message="You repair programs.")


@pytest.mark.parametrize("template", [chat.ChatTemplate(), chat.gemma(), chat.llama3()])
def test_exemplars_are_turns_that_answer_in_the_form_that_is_asked_for(task, template):
  for with_rationale in (True, False):
    form = prompt.Prompt(chat=template, shots=2, with_rationale=with_rationale)
    text = form.render(task)
    assert text.count(template.user) == text.count(template.assistant) == 3
    assert text.count(template.end) == 5 and text.endswith(template.end + template.assistant)
    answers = [part.partition(template.end)[0] for part in text.split(template.assistant)[1:3]]
    for answer in answers:
      assert form.parse(answer).fix and bool(form.parse(answer).rationale) == with_rationale
    assert text.startswith(template.begin + template.user)


def test_what_comes_after_the_turn_does_not_count():
  form = prompt.Prompt(chat=chat.ChatTemplate())
  answer = form.target("It subtracts.", _FIX)
  assert answer == f"### Rationale\nIt subtracts.\n### Fix\n```python\n{_FIX}\n```"
  parsed = form.parse(answer + f"<|im_end|>\n<|im_start|>user\n### Fix\n```python\n{_BUGGY}\n```")
  assert (parsed.rationale, parsed.fix) == ("It subtracts.", _FIX)


def test_a_given_rationale_is_in_the_users_turn(task):
  form = prompt.Prompt(
      chat=chat.ChatTemplate(), with_rationale=False, rationales=lambda task_id: f"{task_id} subtracts."
  )
  user, assistant = form.render(task).split("<|im_start|>assistant\n")
  assert "### Rationale\nt/1 subtracts.\n" in user and assistant == ""
  assert form.parse(form.target("", _FIX)).fix == _FIX


def test_reference_and_hidden_tests_are_in_no_turn(task):
  text = prompt.Prompt(chat=chat.gemma(), shots=1).render(task)
  assert "x + 1" not in text and "77" not in text


def test_gin_binds_a_template_and_a_task_with_it(tmp_path, task):
  path = tmp_path / "chat.gin"
  path.write_text("""\
from __gin__ import dynamic_registration
from next_jax import main
from next_jax.prompts import chat
from next_jax.prompts import prompt
from next_jax.prompts import seqio_tasks
from next_jax.selftrain.verbs import evaluate
import tasks.minirepair
main.run.program = @evaluate.Evaluation()
evaluate.Evaluation.name = "dev"
evaluate.Evaluation.task = @seqio_tasks.register_variant()
seqio_tasks.register_variant.name = "test_chat"
seqio_tasks.register_variant.like = "minirepair_trace"
seqio_tasks.register_variant.prompt = @prompt.Prompt()
prompt.Prompt.chat = @chat.ChatTemplate()
chat.ChatTemplate.user = "<user>"
chat.ChatTemplate.end = "</s>"
""")
  parsing.parse([path], [], main.run)
  assert parsing.construct(main.run).task == "test_chat"
  form = seqio_tasks.registration("test_chat").prompt
  assert form.render(task).startswith("<user>### Task\n")
  assert settings.describe(form)["chat"]["end"] == "</s>"
