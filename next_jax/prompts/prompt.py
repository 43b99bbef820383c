"""A repair task as the text a model sees, and a rationale and fix as the text it should write."""

from collections.abc import Callable
import dataclasses
import functools
from typing import Self

from next_jax import errors
from next_jax import schema
from next_jax.prompts import chat as chat_lib
from next_jax.prompts import completion as completion_lib
from next_jax.prompts import exemplars
from next_jax.prompts import given_rationales
from next_jax.prompts import sections
from next_jax.prompts import token_budget
from next_jax.tracing import statements
from next_jax.tracing.annotation import fitting
from next_jax.tracing.annotation import inline

# Comments start two spaces after the code, not in a column: alignment costs tokens and adds no information.
PROMPT_STYLE = inline.InlineStyle(align=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendered:
  """A prompt, and how its budget abridged the trace in it; statistics of a corpus add these up.

  Attributes:
    text: The prompt.
    tokens: Number of tokens in the text; None without a budget.
    program: The annotated program: whether the prompt fits (always, without a budget), and the numbers of states
      written, shortened and left out. Exemplars are not counted, and never abridged.
  """

  text: str
  tokens: int | None
  program: fitting.Fitted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
  """The form of prompts and targets (docs/method.md: inline traces, few-shot or zero-shot).

  For completion models the prompt ends where the completion starts: below the heading of the rationale or, if none is
  asked for, inside the opened block of the fix. For chat models it ends with the marker of the assistant's turn, and
  the answer contains the headings.

  Attributes:
    with_trace: Annotate the program with its trace.
    with_rationale: Ask for a rationale before the fix.
    rationales: Give each task its rationale and ask for the fix only; requires `with_rationale=False`.
    shots: Number of solved exemplars before the task; 0 is zero-shot.
    chat: Chat template, for chat models; None for completion models.
    style: Style of the trace comments.
    budget: Budget of the whole prompt; the trace is abridged (`tracing.annotation.fitting`) until the prompt fits.
      None means no limit.
  """

  with_trace: bool = True
  with_rationale: bool = True
  rationales: given_rationales.Rationales | None = None
  shots: int = 0
  chat: chat_lib.Chat | None = None
  style: inline.InlineStyle = PROMPT_STYLE
  budget: token_budget.TokenBudget | None = None

  def __post_init__(self):
    if not 0 <= self.shots <= len(exemplars.NAMES):
      raise errors.PromptError(f"shots={self.shots}: there are exemplars for 0 to {len(exemplars.NAMES)} shots")
    if self.rationales is not None and self.with_rationale:
      raise errors.PromptError(
          "Prompt.rationales gives the rationales, so that none is asked for; set with_rationale=False"
      )

  @property
  def shows(self) -> str:
    """What the prompt shows besides the task, in words, such as "trace", "no trace" or "trace and rationale"."""
    return ("trace" if self.with_trace else "no trace") + (" and rationale" if self.rationales is not None else "")

  def with_shots(self, shots: int | None) -> Self:
    """This form with this number of exemplars; None keeps its own."""
    return self if shots is None else dataclasses.replace(self, shots=shots)

  def within(self, max_tokens: int, vocabulary: token_budget.Vocabulary) -> Self:
    """This form with a budget of `max_tokens`, or with its own budget if that is smaller."""
    if self.budget is not None and self.budget.max_tokens <= max_tokens:
      return self
    return dataclasses.replace(
        self, budget=token_budget.TokenBudget(max_tokens=max_tokens, vocabulary=vocabulary)
    )

  def render(self, task: schema.RepairTask) -> str:
    """The prompt, which ends where the completion starts.

    A prompt that cannot fit its budget is returned too, without states; an engine then refuses it for its length and
    names the task. `compose` tells beforehand whether it fits.

    Raises:
      PromptError: The task has no trace, its program does not compile and so cannot be annotated, or the rationale to
        give is missing.
    """
    return self.compose(task).text

  def compose(self, task: schema.RepairTask) -> Rendered:
    """The prompt and how its trace was abridged; raises what `render` raises."""
    given = None if self.rationales is None else self.rationales(task.task_id)

    def whole(program: str) -> str:
      return self._written(self._question(task, program, given))

    def fits(program: str) -> bool:
      return self.budget is None or self.budget.count(whole(program)) <= self.budget.max_tokens

    program = self._program(task, fits)
    text = whole(program.text)
    return Rendered(text=text, tokens=self.budget.count(text) if self.budget else None, program=program)

  @functools.cached_property
  def solved(self) -> tuple[tuple[str, str], ...]:
    """Questions and answers of the solved exemplars, the same in all prompts."""
    pairs = []
    for exemplar in exemplars.load(self.shots):
      program = self._program(exemplar.task, lambda program: True).text
      given = exemplar.rationale if self.rationales is not None else None
      pairs.append((self._question(exemplar.task, program, given), self.target(exemplar.rationale, exemplar.fix)))
    return tuple(pairs)

  def target(self, rationale: str, fix: str) -> str:
    """The completion that states `rationale` and `fix`."""
    if self.chat is None and not self.with_rationale:
      return fix.strip("\n") + sections.FENCE_CLOSE
    answer = sections.FIX + sections.fenced(fix)
    if self.with_rationale:
      answer = rationale.strip() + "\n" + answer
      if self.chat is not None:
        answer = sections.RATIONALE + answer
    return answer

  def parse(self, completion: str) -> completion_lib.Completion:
    """The parts of the answer in a completion of the prompt from `render`; never raises."""
    completion = completion[: self.end(completion)]
    if self.chat is not None:
      return completion_lib.parse(self.chat.answer(completion))
    if self.with_rationale:
      return completion_lib.parse(completion)
    # The prompt has already opened the block.
    return completion_lib.parse(sections.FIX + sections.FENCE_OPEN + completion)

  def end(self, completion: str) -> int | None:
    """Where the answer in a completion has ended although the model goes on; None while it has not.

    Completion models go on with another task when they have closed the block of a fix. Chat models end their turn.
    """
    if self.chat is not None:
      return None
    opening = "" if self.with_rationale else sections.FIX + sections.FENCE_OPEN
    end = completion_lib.end(opening + completion)
    return None if end is None else end - len(opening)

  def _written(self, question: str) -> str:
    """The whole prompt: exemplars, the question and, for completion models, the opening of the answer."""
    if self.chat is not None:
      return self.chat.prompt(self.solved, question, self.with_rationale)
    opening = sections.RATIONALE if self.with_rationale else sections.FIX + sections.FENCE_OPEN
    solved = "".join(solved + opening + answer + "\n\n" for solved, answer in self.solved)
    return solved + question + opening

  def _program(self, task: schema.RepairTask, fits: Callable[[str], bool]) -> fitting.Fitted:
    if not self.with_trace:
      return fitting.Fitted(text=task.buggy_code, fits=fits(task.buggy_code), states=0)
    if task.trace is None:
      raise errors.PromptError(f"task {task.task_id!r} has no trace, and the prompt wants one; build its corpus again")
    try:
      return fitting.fit(task.buggy_code, task.trace, self.style, fits)
    except (statements.SourceError, inline.MismatchError) as error:
      raise errors.PromptError(f"task {task.task_id!r}: {error}") from None

  def _question(self, task: schema.RepairTask, program: str, given: str | None) -> str:
    return (
        sections.TASK
        + task.instruction.strip()
        + "\n"
        + sections.TESTS
        + "".join(test.strip("\n") + "\n" for test in task.public_tests)
        + sections.PROGRAM
        + sections.fenced(program)
        + "\n"
        + ("" if given is None else sections.RATIONALE + given.strip() + "\n")
    )


FEW_SHOTS = 3

# The settings of docs/method.md, zero-shot and few-shot. Every corpus has a SeqIO task for each; see tasks/__init__.py.
SETTINGS = {
    f"{name}{suffix}": dataclasses.replace(form, shots=shots)
    for suffix, shots in (("", 0), (f"_{FEW_SHOTS}shot", FEW_SHOTS))
    for name, form in {
        "trace": Prompt(),
        "notrace": Prompt(with_trace=False),
        "direct": Prompt(with_rationale=False),
        "proxy": Prompt(with_rationale=False, rationales=given_rationales.FromSamples()),
    }.items()
}
