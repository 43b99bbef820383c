"""Prompts say what the model may know, and nothing else."""

import ast
import dataclasses
import re

import pytest

from next_jax import errors
from next_jax import main
from next_jax import schema
from next_jax.configuration import parsing
from next_jax.execution import executor as executor_lib
from next_jax.execution import program
from next_jax.models import vocabularies
from next_jax.prompts import exemplars
from next_jax.prompts import prompt
from next_jax.prompts import token_budget
from next_jax.stages import settings
from next_jax.tracing.annotation import inline
from next_jax.tracing.annotation import scopes
from next_jax.tracing.recording import recorder

_BUGGY = "def total(xs):\n    s = 1\n    for x in xs:\n        s += x\n    return s"
_REFERENCE = _BUGGY.replace("s = 1", "s = 0")


@pytest.fixture
def task():
  return schema.RepairTask(
      task_id="t/1", split="dev", instruction="Sum the numbers.", entry_point="total", buggy_code=_BUGGY,
      reference_code=_REFERENCE, public_tests=("assert total([2]) == 2",), hidden_tests=("assert total([77]) == 77",),
      bug_kind="initial_value", bug_origin="mutant", trace=recorder.record(_BUGGY, "total([2])"),
  )


def test_shows_instruction_public_tests_and_trace(task):
  text = prompt.Prompt().render(task)
  assert text.startswith("### Task\nSum the numbers.\n### Tests\nassert total([2]) == 2\n### Program\n```python\n")
  assert "s = 1  # (1) s=1" in text
  assert text.endswith("```\n### Rationale\n")


def test_never_shows_reference_or_hidden_tests(task):
  for shots in (0, 2):
    text = prompt.Prompt(shots=shots).render(task)
    assert "s = 0" not in text
    assert "77" not in text


def test_without_trace_the_program_stands_as_it_is(task):
  assert f"```python\n{_BUGGY}\n```" in prompt.Prompt(with_trace=False).render(task)


def test_target_parses_back(task):
  for form in (prompt.Prompt(), prompt.Prompt(with_rationale=False)):
    parsed = form.parse(form.target("s starts at 1.", _REFERENCE))
    assert parsed.fix == _REFERENCE
    assert parsed.refusal is None


def test_without_rationale_the_prompt_ends_in_the_open_block(task):
  assert prompt.Prompt(with_rationale=False).render(task).endswith("### Fix\n```python\n")


def test_task_without_trace_is_an_error_that_names_it(task):
  with pytest.raises(errors.PromptError, match="t/1"):
    prompt.Prompt().render(dataclasses.replace(task, trace=None))
  prompt.Prompt(with_trace=False).render(dataclasses.replace(task, trace=None))


def test_few_shot_prompts_show_solved_exemplars_in_the_form_that_is_asked_for(task):
  text = prompt.Prompt(shots=2).render(task)
  assert text.count("### Rationale\n") == 3
  assert text.count("### Fix\n") == 2
  assert text.endswith(prompt.Prompt().render(task))


def test_more_shots_than_exemplars_is_an_error():
  with pytest.raises(errors.PromptError, match="shots=99"):
    prompt.Prompt(shots=99)


def test_exemplars_are_real_bugs_with_real_fixes():
  loaded = exemplars.load(len(exemplars.NAMES))
  programs = [
      program.Program(
          task_id=exemplar.task.task_id, code=code, entry_point=exemplar.task.entry_point, tests=exemplar.task.tests
      )
      for exemplar in loaded
      for code in (exemplar.task.buggy_code, exemplar.fix)
  ]
  with executor_lib.Executor(num_workers=1) as executor:
    verdicts = list(executor.verify(programs))
  assert [verdict.passed for verdict in verdicts] == [False, True] * len(loaded)
  for exemplar in loaded:
    assert ast.dump(ast.parse(exemplar.task.buggy_code)) != ast.dump(ast.parse(exemplar.fix))
    assert exemplar.task.trace.steps


def test_what_rationales_of_exemplars_quote_is_in_their_traces():
  assert len(exemplars.NAMES) >= 6
  for exemplar in exemplars.load(len(exemplars.NAMES)):
    shown = prompt.Prompt().render(exemplar.task)
    states = re.findall(r"\b[a-z_]+=(?:'[^']*'|\[[^ ]*(?:, [^ ]*)*\]|\{\}|-?[\d.]*\d)", exemplar.rationale)
    assert states, exemplar.task.task_id
    for state in states:
      assert state in shown, (exemplar.task.task_id, state)
    for error in re.findall(r"raises (\w+: [\w ]+?)(?:\.| in the)", exemplar.rationale):
      assert f"raise {error}" in shown


def test_exemplars_show_returned_raised_and_changed_states():
  outcomes = [exemplar.task.trace.outcome for exemplar in exemplars.load(len(exemplars.NAMES))]
  assert {"returned", "raised"} <= set(outcomes)


def test_the_zero_shot_form_is_what_the_shipped_base_was_trained_on(task):
  assert prompt.SETTINGS["trace"].render(task) == """\
### Task
Sum the numbers.
### Tests
assert total([2]) == 2
### Program
```python
def total(xs):  # (0) xs=[2]
    s = 1  # (1) s=1
    for x in xs:  # (2) x=2
        s += x  # (3) s=3
    return s  # (4) return 3
```
### Rationale
"""
  assert prompt.SETTINGS["trace"].target("Why.", "x = 1\n") == "Why.\n### Fix\n```python\nx = 1\n```"


def test_given_rationales_stand_where_the_model_would_have_written_them(task):
  form = prompt.Prompt(with_rationale=False, rationales=lambda task_id: "s starts at 1.")
  written = prompt.Prompt().target("s starts at 1.", _REFERENCE)
  assert form.render(task) + form.target("", _REFERENCE) == prompt.Prompt().render(task) + written
  assert (form.shows, prompt.Prompt(with_trace=False).shows) == ("trace and rationale", "no trace")
  with pytest.raises(errors.PromptError, match="set with_rationale=False"):
    prompt.Prompt(rationales=lambda task_id: "")


def test_the_smaller_of_two_budgets_is_kept():
  form = prompt.Prompt(budget=_budget(100))
  assert form.within(200, Characters()) is form
  assert form.within(50, Characters()).budget.max_tokens == 50
  assert prompt.Prompt().within(50, Characters()).budget.max_tokens == 50


class Characters:
  """A vocabulary of characters."""

  def encode(self, text):
    return list(text)


def _budget(max_tokens):
  return token_budget.TokenBudget(max_tokens=max_tokens, vocabulary=Characters())


def test_the_whole_prompt_keeps_its_budget(task):
  full = prompt.Prompt().render(task)
  bare = prompt.Prompt(with_trace=False).render(task)
  for shots in (0, 1):
    before = len(prompt.Prompt(shots=shots).render(task)) - len(full)
    for max_tokens in range(len(bare), len(full) + 2, 7):
      rendered = prompt.Prompt(shots=shots, budget=_budget(before + max_tokens)).compose(task)
      assert rendered.program.fits
      assert rendered.tokens == len(rendered.text) <= before + max_tokens
      assert rendered.program.is_abridged == (max_tokens < len(full))
      assert prompt.Prompt(shots=shots).render(task).startswith(rendered.text[:before])


def test_abridged_prompts_keep_the_wrong_return(task):
  bare = prompt.Prompt(with_trace=False).render(task)
  rendered = prompt.Prompt(budget=_budget(len(bare) + 20)).compose(task)
  assert "return s  # (4) return 3" in rendered.text
  assert (rendered.program.states, rendered.program.left_out) == (1, 4)


def test_a_program_that_cannot_fit_is_rendered_and_said_not_to(task):
  bare = prompt.Prompt(with_trace=False).render(task)
  for form in (prompt.Prompt(budget=_budget(len(bare) - 1)), prompt.Prompt(with_trace=False, budget=_budget(9))):
    rendered = form.compose(task)
    assert not rendered.program.fits
    assert rendered.text == form.render(task) == bare


def test_a_budget_that_leaves_everything_changes_nothing(task):
  assert prompt.Prompt(budget=_budget(10_000)).render(task) == prompt.Prompt().render(task)
  assert prompt.Prompt().compose(task).tokens is None


@pytest.mark.parametrize("arguments, message", [
    ({"max_tokens": 0, "vocabulary": Characters()}, "TokenBudget.max_tokens=0"),
    ({"max_tokens": 1.5, "vocabulary": Characters()}, "TokenBudget.max_tokens=1.5"),
    ({"max_tokens": 9, "vocabulary": "minirepair"}, "TokenBudget.vocabulary='minirepair'"),
])
def test_a_budget_that_cannot_be_counted_is_an_error(arguments, message):
  with pytest.raises(errors.PromptError, match=message):
    token_budget.TokenBudget(**arguments)


def test_a_task_that_cannot_be_annotated_is_an_error_that_names_it(task):
  for broken in (dataclasses.replace(task, buggy_code="def total(:"), dataclasses.replace(task, buggy_code="x = 1")):
    with pytest.raises(errors.PromptError, match="task 't/1': "):
      prompt.Prompt().render(broken)


def test_a_stage_knows_the_budget_its_prompts_were_made_with():
  form = prompt.Prompt(budget=token_budget.TokenBudget(max_tokens=512, vocabulary=vocabularies.minirepair_vocabulary()))
  described = settings.describe(form)
  assert described["budget"]["max_tokens"] == 512
  assert described["style"]["functions"] == {"class": "next_jax.tracing.annotation.scopes.AllFunctions"}


def test_gin_binds_the_style_and_the_budget(tmp_path):
  path = tmp_path / "prompt.gin"
  path.write_text("""\
from __gin__ import dynamic_registration
from next_jax import main
from next_jax.models import vocabularies
from next_jax.prompts import prompt
from next_jax.prompts import token_budget
from next_jax.tracing.annotation import inline
from next_jax.tracing.annotation import scopes
main.run.program = @prompt.Prompt()
prompt.Prompt.budget = @token_budget.TokenBudget()
prompt.Prompt.style = @inline.InlineStyle()
token_budget.TokenBudget.max_tokens = 512
token_budget.TokenBudget.vocabulary = @vocabularies.minirepair_vocabulary()
inline.InlineStyle.unchanged_visits = True
inline.InlineStyle.functions = @scopes.NamedFunctions()
scopes.NamedFunctions.names = ("total",)
""")
  parsing.parse([path], [], main.run)
  form = parsing.construct(main.run)
  assert form.budget.max_tokens == 512
  assert form.style == inline.InlineStyle(unchanged_visits=True, functions=scopes.NamedFunctions(names=("total",)))
