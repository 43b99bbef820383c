"""A repair task as the text a model sees, and a rationale and fix as the text it should write."""

import dataclasses
from collections.abc import Callable

from next_jax import errors
from next_jax import schema
from next_jax.prompts import completion as completions
from next_jax.prompts import exemplars
from next_jax.prompts import sections
from next_jax.prompts import token_budget
from next_jax.tracing import fitting
from next_jax.tracing import inline
from next_jax.tracing import statements


class PromptError(errors.UserError):
  """A task that cannot be rendered; the message names the task."""


# Comments two spaces after the code, not in a column: alignment costs tokens and carries nothing.
PROMPT_STYLE = inline.InlineStyle(align=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendered:
  """A prompt, and what keeping its budget did to the program in it; statistics of a corpus add these up.

  Attributes:
    text: the prompt.
    tokens: of the text; None without a budget.
    program: whether it fits (without a budget everything does), how many states are written, and how many the budget
      has shortened or left out. Exemplars are not part of it, and never abridged.
  """

  text: str
  tokens: int | None
  program: fitting.Fitted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
  """The form of prompts and targets (METHOD.md: inline traces, few-shot or zero-shot).

  Attributes:
    with_trace: annotate the program with its trace.
    with_rationale: ask for a rationale before the fix.
    shots: number of solved exemplars before the task; 0 is zero-shot.
    style: of the trace comments.
    budget: of the whole prompt; the trace is abridged (`tracing.fitting`) until it is kept. None for no limit.
  """

  with_trace: bool = True
  with_rationale: bool = True
  shots: int = 0
  style: inline.InlineStyle = PROMPT_STYLE
  budget: token_budget.TokenBudget | None = None

  def __post_init__(self):
    if not 0 <= self.shots <= len(exemplars.NAMES):
      raise PromptError(f"shots={self.shots}: there are exemplars for 0 to {len(exemplars.NAMES)} shots")

  def render(self, task: schema.RepairTask) -> str:
    """The prompt, which ends where the model goes on.

    One that cannot fit its budget is given too, without states: an engine refuses it by its length, with the task's
    name. `compose` says so beforehand.

    Raises:
      PromptError: the task has no trace, or its program does not compile and so cannot be annotated.
    """
    return self.compose(task).text

  def compose(self, task: schema.RepairTask) -> Rendered:
    """The prompt and what became of the trace in it. Raises as `render`."""
    solved = "".join(
        self._question(exemplar.task, self._program(exemplar.task, lambda program: True).text) + self._opening
        + self.target(exemplar.rationale, exemplar.fix) + "\n\n"
        for exemplar in exemplars.load(self.shots)
    )  # fmt: skip

    def whole(program: str) -> str:
      return solved + self._question(task, program) + self._opening

    def fits(program: str) -> bool:
      return self.budget is None or self.budget.count(whole(program)) <= self.budget.max_tokens

    program = self._program(task, fits)
    text = whole(program.text)
    return Rendered(text=text, tokens=self.budget.count(text) if self.budget else None, program=program)

  def target(self, rationale: str, fix: str) -> str:
    """The completion that says `rationale` and `fix`."""
    if not self.with_rationale:
      return fix.strip("\n") + sections.FENCE_CLOSE
    return rationale.strip() + "\n" + sections.FIX + sections.fenced(fix)

  def parse(self, completion: str) -> completions.Completion:
    """The parts of what a model wrote after `render`; never raises."""
    if self.with_rationale:
      return completions.parse(completion)
    return completions.parse(self._opening + completion)  # the prompt has opened the block already

  @property
  def _opening(self) -> str:
    return sections.RATIONALE if self.with_rationale else sections.FIX + sections.FENCE_OPEN

  def _program(self, task: schema.RepairTask, fits: Callable[[str], bool]) -> fitting.Fitted:
    if not self.with_trace:
      return fitting.Fitted(text=task.buggy_code, fits=fits(task.buggy_code), states=0)
    if task.trace is None:
      raise PromptError(f"task {task.task_id!r} has no trace, and the prompt wants one; build its corpus again")
    try:
      return fitting.fit(task.buggy_code, task.trace, self.style, fits)
    except (statements.SourceError, inline.MismatchError) as error:
      raise PromptError(f"task {task.task_id!r}: {error}") from None

  def _question(self, task: schema.RepairTask, program: str) -> str:
    return (
        sections.TASK
        + task.instruction.strip()
        + "\n"
        + sections.TESTS
        + "".join(test.strip("\n") + "\n" for test in task.public_tests)
        + sections.PROGRAM
        + sections.fenced(program)
        + "\n"
    )


# The settings of METHOD.md that every corpus has a SeqIO task for: `<corpus>_<setting>`.
SETTINGS = {
    "trace": Prompt(),
    "notrace": Prompt(with_trace=False),
}
