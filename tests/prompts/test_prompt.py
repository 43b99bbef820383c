"""Prompts say what the model may know, and nothing else."""

import ast
import dataclasses

import pytest

from next_jax import schema
from next_jax.execution import executor as executor_lib
from next_jax.execution import program
from next_jax.prompts import exemplars
from next_jax.prompts import prompt
from next_jax.tracing import recorder

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
  with pytest.raises(prompt.PromptError, match="t/1"):
    prompt.Prompt().render(dataclasses.replace(task, trace=None))
  prompt.Prompt(with_trace=False).render(dataclasses.replace(task, trace=None))


def test_few_shot_prompts_show_solved_exemplars_in_the_form_that_is_asked_for(task):
  text = prompt.Prompt(shots=2).render(task)
  assert text.count("### Rationale\n") == 3
  assert text.count("### Fix\n") == 2
  assert text.endswith(prompt.Prompt().render(task))


def test_more_shots_than_exemplars_is_an_error():
  with pytest.raises(prompt.PromptError, match="shots=99"):
    prompt.Prompt(shots=99)


def test_exemplars_are_real_bugs_with_real_fixes():
  loaded = exemplars.load(len(exemplars.NAMES))
  programs = [
      program.Program(task_id=exemplar.task.task_id, code=code, entry_point=exemplar.task.entry_point, tests=exemplar.task.tests)
      for exemplar in loaded
      for code in (exemplar.task.buggy_code, exemplar.fix)
  ]
  with executor_lib.Executor(num_workers=1) as executor:
    verdicts = list(executor.verify(programs))
  assert [verdict.passed for verdict in verdicts] == [False, True] * len(loaded)
  for exemplar in loaded:
    assert ast.dump(ast.parse(exemplar.task.buggy_code)) != ast.dump(ast.parse(exemplar.fix))
    assert exemplar.task.trace.steps
