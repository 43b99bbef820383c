"""Chat templates, for models tuned on conversations."""

import dataclasses

from next_jax import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatTemplate:
  """The markers of turns and the requests to the model; the default markers are ChatML's.

  A prompt is `begin`, a system turn if there is a system message, a user and an assistant turn for each solved
  exemplar, the user's turn with the task, and the marker of the assistant's turn. A turn is its marker, its text and
  `end`.

  Attributes:
    begin: Text before the first turn, such as a beginning-of-sequence token that the vocabulary does not add itself.
    system, user, assistant: Markers before turns; `system` is "" for models without system turns. Special tokens must
      be special tokens of the vocabulary.
    end: Marker after each turn. Only the part of a completion before it counts. If the model is to learn to write it,
      it must be the vocabulary's end-of-sequence token.
    system_message: Text of the system turn; "" for none.
    ask_rationale, ask_fix: Request at the end of the user's turn, with and without a rationale before the fix.
  """

  begin: str = ""
  system: str = "<|im_start|>system\n"
  user: str = "<|im_start|>user\n"
  assistant: str = "<|im_start|>assistant\n"
  end: str = "<|im_end|>\n"
  system_message: str = ""
  ask_rationale: str = (
      "The program fails a test. Under the heading `### Rationale`, say what goes wrong, from the states in the"
      " comments of the program where it has them, and how to fix it. Then, under the heading `### Fix`, write the"
      " whole fixed program in one ```python block."
  )
  ask_fix: str = (
      "The program fails a test. Under the heading `### Fix`, write the whole fixed program in one ```python block, and"
      " nothing else."
  )

  def __post_init__(self):
    if self.system_message and not self.system:
      raise errors.PromptError(
          f"ChatTemplate.system_message: found {self.system_message[:40]!r}, but these models have no system turn"
          " (ChatTemplate.system is empty); put it into ask_rationale and ask_fix"
      )

  def opening(self) -> str:
    """The text before the first user turn."""
    if not self.system_message:
      return self.begin
    return self.begin + self.system + self.system_message + self.end

  def asked(self, question: str, with_rationale: bool) -> str:
    """The user's turn and the marker of the assistant's turn."""
    request = self.ask_rationale if with_rationale else self.ask_fix
    return self.user + question.rstrip("\n") + "\n\n" + request + self.end + self.assistant

  def answered(self, answer: str) -> str:
    """The rest of the assistant's turn."""
    return answer + self.end

  def answer(self, completion: str) -> str:
    """The assistant's turn: the completion up to the end marker."""
    end = self.end.strip()
    return completion.partition(end)[0] if end else completion


def gemma() -> ChatTemplate:
  """The markers of Gemma's instruction-tuned models, which have no system turn."""
  return ChatTemplate(
      begin="<bos>", system="", user="<start_of_turn>user\n", assistant="<start_of_turn>model\n", end="<end_of_turn>\n"
  )


def llama3() -> ChatTemplate:
  """The markers of Llama 3's instruction-tuned models."""
  return ChatTemplate(
      begin="<|begin_of_text|>",
      system="<|start_header_id|>system<|end_header_id|>\n\n",
      user="<|start_header_id|>user<|end_header_id|>\n\n",
      assistant="<|start_header_id|>assistant<|end_header_id|>\n\n",
      end="<|eot_id|>",
  )
