"""Chat templates, for models tuned on conversations."""

import abc
from collections.abc import Sequence
import dataclasses
import functools
import json
import os
from typing import Any

from etils import epath

from next_jax import errors
from next_jax import files
from next_jax.prompts import special_tokens

Turn = tuple[str, str]  # role ("system", "user" or "assistant") and text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chat(abc.ABC):
  """How a conversation is written, and the requests to the model.

  A prompt is a system turn if there is a system message, a user and an assistant turn for each solved exemplar, the
  user's turn with the task, and the beginning of the assistant's turn.

  Attributes:
    system_message: Text of the system turn. None leaves it to the template, some of which have a message of their own;
      "" displaces that one.
    ask_rationale, ask_fix: Request at the end of the user's turn, with and without a rationale before the fix.
  """

  system_message: str | None = None
  ask_rationale: str = (
      "The program fails a test. Under the heading `### Rationale`, say what goes wrong, from the states in the"
      " comments of the program where it has them, and how to fix it. Then, under the heading `### Fix`, write the"
      " whole fixed program in one ```python block."
  )
  ask_fix: str = (
      "The program fails a test. Under the heading `### Fix`, write the whole fixed program in one ```python block, and"
      " nothing else."
  )

  def prompt(self, solved: Sequence[tuple[str, str]], question: str, with_rationale: bool) -> str:
    """The conversation up to the beginning of the assistant's turn; `solved` are pairs of question and answer."""
    request = self.ask_rationale if with_rationale else self.ask_fix

    def asked(text: str) -> Turn:
      return "user", text.rstrip("\n") + "\n\n" + request

    turns: list[Turn] = [] if not self.system_message else [("system", self.system_message)]
    for solved_question, answer in solved:
      turns += [asked(solved_question), ("assistant", answer)]
    return self.render([*turns, asked(question)])

  @abc.abstractmethod
  def render(self, turns: Sequence[Turn]) -> str:
    """The text of these turns, and the beginning of the assistant's next one."""

  @abc.abstractmethod
  def answer(self, completion: str) -> str:
    """The assistant's turn: the completion up to the marker that ends a turn."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatTemplate(Chat):
  """A template written down as the markers of turns; the default markers are ChatML's.

  A turn is its marker, its text and `end`.

  Attributes:
    begin: Text before the first turn, such as a beginning-of-sequence token that the vocabulary does not add itself.
    system, user, assistant: Markers before turns; `system` is "" for models without system turns. Special tokens must
      be special tokens of the vocabulary.
    end: Marker after each turn. Only the part of a completion before it counts. If the model is to learn to write it,
      it must be the vocabulary's end-of-sequence token.
  """

  begin: str = ""
  system: str = "<|im_start|>system\n"
  user: str = "<|im_start|>user\n"
  assistant: str = "<|im_start|>assistant\n"
  end: str = "<|im_end|>\n"

  def __post_init__(self):
    if self.system_message and not self.system:
      raise errors.PromptError(
          f"ChatTemplate.system_message: found {self.system_message[:40]!r}, but these models have no system turn"
          " (ChatTemplate.system is empty); put it into ask_rationale and ask_fix"
      )

  def render(self, turns: Sequence[Turn]) -> str:
    """See `Chat.render`."""
    markers = {"system": self.system, "user": self.user, "assistant": self.assistant}
    return self.begin + "".join(markers[role] + text + self.end for role, text in turns) + self.assistant

  def answer(self, completion: str) -> str:
    """See `Chat.answer`."""
    end = self.end.strip()
    return completion.partition(end)[0] if end else completion


@dataclasses.dataclass(frozen=True, kw_only=True)
class JinjaTemplate(Chat):
  """The template that an imported model came with, in Jinja; rendered in a sandbox, as `transformers` does.

  Special tokens of the template are marked for `HuggingFaceVocabulary`; the same characters in a turn are text. The
  token that begins a text is left out, because the network puts it there itself (`TransformerConfig.start_id`).
  Templates that write the date get none, and take the fixed one that they have for this case.

  Attributes:
    directory: Directory of the imported model, with model.json and tokenizer.json.
  """

  directory: epath.PathLike

  def render(self, turns: Sequence[Turn]) -> str:
    """See `Chat.render`.

    Raises:
      PromptError: The template cannot write these turns, or a turn holds a NUL.
    """
    if any("\0" in text for _, text in turns):
      raise errors.PromptError("a turn of the conversation holds a NUL character, which no program may; remove it")
    special = self._special
    messages = [{"role": role, "content": special.disguised(text)} for role, text in turns]
    if self.system_message == "":
      messages.insert(0, {"role": "system", "content": ""})
    try:
      text = self._template.render(
          messages=messages, add_generation_prompt=True, tools=None, documents=None, **self._named_tokens
      )
    except Exception as error:  # whatever a template raises
      raise errors.PromptError(
          f"{os.fspath(self.directory)}/{_MODEL}, chat_template: cannot write the turns"
          f" {', '.join(role for role, _ in turns)} ({error}); for a template without system turn set"
          " system_message=None"
      ) from None
    revealed, start = special.revealed(text), self._model["start"]
    return revealed if start is None else revealed.removeprefix(special_tokens.marked(start))

  def answer(self, completion: str) -> str:
    """See `Chat.answer`."""
    return completion.partition(self._model["end"])[0]

  @functools.cached_property
  def _model(self) -> dict[str, Any]:
    model = files.read_json(epath.Path(self.directory) / _MODEL)
    if not model.get("chat_template"):
      raise errors.PromptError(f"{os.fspath(self.directory)}/{_MODEL}: the model has no chat template; set chat=None")
    return model

  @functools.cached_property
  def _special(self) -> special_tokens.SpecialTokens:
    tokens = files.read_json(epath.Path(self.directory) / "tokenizer.json").get("added_tokens", [])
    return special_tokens.SpecialTokens(tuple(token["content"] for token in tokens if token["special"]))

  @functools.cached_property
  def _named_tokens(self) -> dict[str, str]:
    path = epath.Path(self.directory) / "tokenizer_config.json"
    settings = files.read_json(path) if path.exists() else {}
    found = {name: settings.get(name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    return {name: token["content"] if isinstance(token, dict) else token for name, token in found.items() if token}

  @functools.cached_property
  def _template(self) -> Any:
    import jinja2
    import jinja2.ext
    import jinja2.sandbox

    def raise_exception(message: str) -> None:
      raise jinja2.TemplateError(message)

    def tojson(value: Any, indent: int | None = None) -> str:
      return json.dumps(value, ensure_ascii=False, indent=indent)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    try:
      return environment.from_string(self._model["chat_template"])
    except jinja2.TemplateError as error:
      raise errors.PromptError(
          f"{os.fspath(self.directory)}/{_MODEL}, chat_template: {error}; import the model again"
      ) from None


_MODEL = "model.json"  # as `open_weights.importing` writes it


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
