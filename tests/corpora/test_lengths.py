"""Prompts are measured in tokens, with and without budgets."""

import pytest

from next_jax import schema
from next_jax.corpora import lengths
from next_jax.prompts import prompt


class Characters:
  """A vocabulary in which every character is a token."""

  def encode(self, text):
    return list(text)


def _task(rounds):
  steps = [schema.Step(line=1, event="call", changes=(("x", "0"),))]
  steps += [schema.Step(line=2, event="line", changes=((f"y{number}", "1"),)) for number in range(rounds)]
  return schema.RepairTask(
      task_id=f"t/{rounds}", split="dev", instruction="Double.", entry_point="f", buggy_code="def f(x):\n  y = x\n",
      reference_code="def f(x):\n  return 2 * x\n", public_tests=("assert f(1) == 2",), hidden_tests=(),
      bug_kind="constant", bug_origin="mutant",
      trace=schema.Trace(call="f(0)", steps=tuple(steps), outcome="returned", detail="None"),
  )


def _measure(tasks, **fields):
  return lengths.PromptLengths(vocabulary=Characters(), **fields).of_tasks(tasks)


def test_tokens_are_those_of_the_whole_prompt_and_of_its_trace():
  task = _task(1)
  found = _measure([task])
  whole, without = (len(form.render(task)) for form in (prompt.Prompt(), prompt.Prompt(with_trace=False)))
  assert found["prompt_tokens"]["max"] == whole
  assert found["trace_tokens"]["max"] == whole - without > 0


def test_every_prompt_is_whole_or_abridged_or_too_long():
  tasks = [_task(rounds) for rounds in range(4)]
  sizes = [len(prompt.Prompt().render(task)) for task in tasks]
  bare = len(prompt.Prompt(with_trace=False).render(tasks[0]))
  found = _measure(tasks, budgets=(bare - 1, sizes[1], sizes[3]))["budgets"]
  assert [(kept["whole"], kept["abridged"], kept["too_long"]) for kept in found.values()] == [
      (0, 0, 4), (2, 2, 0), (4, 0, 0),
  ]
  assert found[str(sizes[1])]["states_left_out"] >= 2 and found[str(sizes[3])]["states_left_out"] == 0


def test_states_that_the_style_leaves_out_are_counted_before_any_budget():
  assert _measure([_task(10)])["states"] == {"recorded": 11, "written": 4}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([7], {"median": 7, "p90": 7, "p99": 7, "max": 7}),
        (list(range(1000, -1, -1)), {"median": 500, "p90": 900, "p99": 990, "max": 1000}),
    ],
)
def test_quantiles(values, expected):
  assert lengths.quantiles(values) == expected
