"""Turns of a conversation, for models that were tuned to answer in one."""

import dataclasses

from next_jax import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatTemplate:
  """How turns are marked, and what is asked of the model; the default markers are ChatML's.

  A prompt is `begin`, a system turn where there is a message for one, a user and an assistant turn for each solved
  exemplar, the user's turn with the task, and the marker after which the assistant writes. A turn is its marker, its
  text and `end`.

  Attributes:
    begin: before the first turn, such as a beginning-of-sequence token that the vocabulary does not add itself.
    system, user, assistant: markers in front of turns; `system` is "" for models without such a turn. Special tokens
      must be in the vocabulary as such.
    end: after each turn. Of a completion only what stands before it counts; where the model shall learn to write it,
      it is the end-of-sequence token of the vocabulary.
    system_message: "" for no system turn.
    ask_rationale, ask_fix: the request that closes the user's turn, with and without a rationale before the fix.
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
    """What stands before the first user turn."""
    if not self.system_message:
      return self.begin
    return self.begin + self.system + self.system_message + self.end

  def asked(self, question: str, with_rationale: bool) -> str:
    """The user's turn, and the marker of the assistant's."""
    request = self.ask_rationale if with_rationale else self.ask_fix
    return self.user + question.rstrip("\n") + "\n\n" + request + self.end + self.assistant

  def answered(self, answer: str) -> str:
    """The rest of the assistant's turn."""
    return answer + self.end

  def answer(self, completion: str) -> str:
    """What the assistant wrote in its turn: the completion up to the marker of its end."""
    end = self.end.strip()
    return completion.partition(end)[0] if end else completion


def gemma() -> ChatTemplate:
  """The markers of Gemma's instruction-tuned models, which know no system turn."""
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
