"""Measures the prompts of a corpus in tokens, and how much of their traces each budget removes."""

import collections
from collections.abc import Iterable, Sequence
import dataclasses
import statistics
from typing import Any

import tqdm

from next_jax import schema
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import token_budget

Counts = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PromptLengths:
  """Measures prompts with the vocabulary of a model.

  Attributes:
    vocabulary: Counts tokens; any object with `encode`.
    prompt: Form of the prompts; its own budget is ignored.
    budgets: Maximum tokens of a prompt, for each budget to measure.
  """

  vocabulary: token_budget.Vocabulary
  prompt: prompt_lib.Prompt = prompt_lib.Prompt()
  budgets: tuple[int, ...] = (512, 1024, 2048)

  def of_tasks(self, tasks: Iterable[schema.RepairTask]) -> Counts:
    """Quantiles of prompt and trace tokens, and the effect of each budget, as JSON.

    The tokens of a trace are the difference between the prompts with and without it.
    """
    whole, traces, recorded, written = [], [], 0, 0
    kept: dict[int, collections.Counter[str]] = {budget: collections.Counter() for budget in self.budgets}
    without = dataclasses.replace(self.prompt, with_trace=False, budget=None)
    for task in tqdm.tqdm(tasks, unit=" tasks", desc="  prompt lengths", leave=False):
      rendered = dataclasses.replace(self.prompt, budget=None).compose(task)
      tokens = self._count(rendered.text)
      whole.append(tokens)
      traces.append(tokens - self._count(without.render(task)))
      recorded += len(task.trace.steps) if task.trace else 0
      written += rendered.program.states
      for budget in self.budgets:
        if tokens <= budget:
          kept[budget]["whole"] += 1
          continue
        limited = token_budget.TokenBudget(max_tokens=budget, vocabulary=self.vocabulary)
        program = dataclasses.replace(self.prompt, budget=limited).compose(task).program
        kept[budget]["abridged" if program.fits else "too_long"] += 1
        kept[budget]["states_shortened"] += program.shortened
        kept[budget]["states_left_out"] += program.left_out
    return {
        "prompt_tokens": quantiles(whole),
        "trace_tokens": quantiles(traces),
        "states": {"recorded": recorded, "written": written},
        "budgets": {str(budget): {**dict.fromkeys(_KEPT, 0), **kept[budget]} for budget in self.budgets},
    }

  def _count(self, text: str) -> int:
    return len(self.vocabulary.encode(text))


_KEPT = ("whole", "abridged", "too_long", "states_shortened", "states_left_out")


def quantiles(values: Sequence[int]) -> dict[str, int]:
  """Median, 90th and 99th percentile and maximum; empty if there are no values."""
  if not values:
    return {}
  ordered = sorted(values)
  at = {f"p{percent}": ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] for percent in (90, 99)}
  return {"median": int(statistics.median_low(ordered)), **at, "max": ordered[-1]}
