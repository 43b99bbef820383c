"""How a model is prompted that was not made for our tasks: its vocabulary and chat template in all of them."""

import dataclasses

import seqio

from next_jax.prompts import chat as chat_lib
from next_jax.prompts import seqio_tasks


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelPrompts:
  """What a model needs of every repair task.

  In gin, `main.run.prompts = @model_prompts.ModelPrompts()` makes a run take it for all its tasks.

  Attributes:
    vocabulary: Vocabulary of inputs and targets.
    chat: Chat template; None for completion models.
  """

  vocabulary: seqio.Vocabulary
  chat: chat_lib.Chat | None = None

  def adopt(self) -> None:
    """Registers all repair tasks again, with this vocabulary and template."""
    for form in seqio_tasks.registrations():
      prompt = dataclasses.replace(form.prompt, chat=self.chat)
      seqio_tasks.register(dataclasses.replace(form, vocabulary=self.vocabulary, prompt=prompt))
