"""A repair task as the text a model sees, and a rationale and fix as the text it should write."""

import dataclasses

from next_jax import errors
from next_jax import schema
from next_jax.prompts import completion as completions
from next_jax.prompts import exemplars
from next_jax.prompts import sections
from next_jax.tracing import inline


class PromptError(errors.UserError):
  """A task that cannot be rendered; the message names the task."""


# Comments two spaces after the code, not in a column: alignment costs tokens and carries nothing.
PROMPT_STYLE = inline.InlineStyle(align=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
  """The form of prompts and targets (METHOD.md: inline traces, few-shot or zero-shot).

  Attributes:
    with_trace: annotate the program with its trace.
    with_rationale: ask for a rationale before the fix.
    shots: number of solved exemplars before the task; 0 is zero-shot.
    style: of the trace comments.
  """

  with_trace: bool = True
  with_rationale: bool = True
  shots: int = 0
  style: inline.InlineStyle = PROMPT_STYLE

  def __post_init__(self):
    if not 0 <= self.shots <= len(exemplars.NAMES):
      raise PromptError(f"shots={self.shots}: there are exemplars for 0 to {len(exemplars.NAMES)} shots")

  def render(self, task: schema.RepairTask) -> str:
    """The prompt, which ends where the model goes on. Raises PromptError for a task without a trace."""
    solved = [
        self._question(exemplar.task) + self._opening + self.target(exemplar.rationale, exemplar.fix) + "\n\n"
        for exemplar in exemplars.load(self.shots)
    ]
    return "".join(solved) + self._question(task) + self._opening

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

  def _question(self, task: schema.RepairTask) -> str:
    program = task.buggy_code
    if self.with_trace:
      if task.trace is None:
        raise PromptError(f"task {task.task_id!r} has no trace, and the prompt wants one; build its corpus again")
      program = inline.annotate(program, task.trace, self.style)
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
