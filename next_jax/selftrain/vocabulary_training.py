"""Trains a lexer-like SentencePiece vocabulary (see vocabularies.py) on demonstrations."""

from collections.abc import Iterable, Iterator
import dataclasses
import io
import re
import struct
from typing import Any

from etils import epath
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from next_jax.corpora.minirepair import minirepair
from next_jax.models import vocabularies
from next_jax.prompts import prompt as prompt_lib
from next_jax.prompts import sections
from next_jax.stages import invocation as invocation_lib

_PROTO = sentencepiece_model_pb2.ModelProto  # type: ignore[attr-defined]  # protobuf makes it at import
_USER_DEFINED = _PROTO.SentencePiece.USER_DEFINED

_INDENTS = tuple("\n" + "    " * depth for depth in range(5))
_HEADINGS = tuple(
    before + heading
    for before in ("", "\n")
    for heading in (sections.TASK, sections.TESTS, sections.RATIONALE)
) + (
    "\n" + sections.PROGRAM + sections.FENCE_OPEN,
    sections.FENCE_CLOSE + "\n" + sections.RATIONALE,
    "\n" + sections.FIX + sections.FENCE_OPEN,
    sections.FIX + sections.FENCE_OPEN,
    sections.FENCE_CLOSE,
)
_OPERATORS = tuple(
    f" {operator} "
    for operator in (
        "=", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "//", "%", "**", "+=", "-=", "*=", "//=",
        "and", "or", "in", "not in", "is", "is not", "if", "else", "for",
    )
)
_KEYWORDS = tuple(f"{word} " for word in "def return if elif while for assert not lambda".split())
_PUNCTUATION = (
    ", ", ": ", "; ", ". ", "):", "()", "[]", "{}", "''", "([", "])", "]:", "else:", ".append(", "(len(", " (", ") ",
    # The longest symbol wins, so ") " must not keep "f(3) == 4" from its " == ".
    *(")" + operator for operator in _OPERATORS),
)
_TRACE = (
    *(end + "  # (" for end in ("", ":", "):", "]:", ")", "]")), "; (", "; ...; (", ") return ", ") raise ", ") yield ",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VocabularyTraining:
  """Trains a vocabulary and writes it to `workdir`/minirepair.model; a program for `next-jax run`.

  Attributes:
    workdir: Directory that the file is written to.
    corpus: Gives the demonstrations.
    num_demonstrations: Number of demonstrations to read.
    connectors: Phrases of rationales and instructions that are one token with their spaces.
    num_merges: Number of byte-pair merges.
  """

  workdir: str
  corpus: minirepair.MiniRepair
  num_demonstrations: int = 10_000
  connectors: tuple[str, ...] = ()
  num_merges: int = 700

  def prepare(self) -> None:
    pass

  def run(self, invocation: invocation_lib.Invocation = invocation_lib.Invocation()) -> None:
    del invocation  # one file, no stages
    path = epath.Path(self.workdir) / vocabularies.SHIPPED
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(train(self._texts(), connectors=self.connectors, num_merges=self.num_merges))
    print(path)

  def run_facts(self) -> dict[str, Any]:
    return {"seed": self.corpus.seed}

  def _texts(self) -> Iterator[str]:
    prompt = prompt_lib.Prompt()
    for demonstration in self.corpus.demonstrations(self.num_demonstrations):
      yield prompt.render(demonstration.task) + prompt.target(demonstration.rationale, demonstration.fix)


# A normalisation of one rule, which makes U+10FFFF of U+10FFFF. With none at all, whatever reads the vocabulary in C++
# writes a line about it each time, and TensorFlow Text has nothing that would silence it. The format is
# SentencePiece's: the size of a double-array trie, the trie (a unit each for the root and the four bytes of U+10FFFF,
# one for the place of the result, and unused ones), the results.
_UNITS = (0x3D400, 0x230F4, 0x2F88F, 0x2E0BF, 0x5BF, 1 << 31, *(index ^ 1 for index in range(6, 256)))
_TRIE = struct.pack("<256I", *_UNITS)
_NO_CHANGES = struct.pack("<I", len(_TRIE)) + _TRIE + "\U0010ffff\0".encode()


def train(texts: Iterable[str], *, connectors: Iterable[str], num_merges: int) -> bytes:
  """A serialised SentencePiece model; the same texts give the same bytes."""
  symbols = _symbols(connectors)
  # Longest first, as SentencePiece itself matches user-defined symbols.
  splitter = re.compile("|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True)) + r"|\s")
  words = (word for text in texts for word in splitter.split(text) if word)
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=words,
      model_writer=model,
      model_type="bpe",
      vocab_size=num_merges + 256 + 3,
      byte_fallback=True,
      split_digits=True,
      normalization_rule_name="identity",
      add_dummy_prefix=False,
      remove_extra_whitespaces=False,
      character_coverage=1.0,
      hard_vocab_limit=False,
      pad_id=0,
      eos_id=1,
      unk_id=2,
      bos_id=-1,
      num_threads=1,
      minloglevel=2,
  )
  proto = _PROTO.FromString(model.getvalue())
  proto.normalizer_spec.escape_whitespaces = False
  proto.normalizer_spec.precompiled_charsmap = _NO_CHANGES
  for piece in proto.pieces:
    if piece.piece == "\u2581":
      piece.piece = " "
  pieces = {piece.piece: piece for piece in proto.pieces}
  rarest = min(piece.score for piece in proto.pieces)
  for character in map(chr, range(32, 127)):
    if character not in pieces and character not in symbols:
      proto.pieces.add(piece=character, score=rarest - 1)
  for symbol in symbols:
    if symbol in pieces:
      pieces[symbol].type = _USER_DEFINED
    else:
      proto.pieces.add(piece=symbol, score=0.0, type=_USER_DEFINED)
  return proto.SerializeToString(deterministic=True)


def _symbols(connectors: Iterable[str]) -> tuple[str, ...]:
  """Symbols that are always one token, each once."""
  return tuple(dict.fromkeys((
      *_INDENTS, *_HEADINGS, *_OPERATORS, *_KEYWORDS, *_PUNCTUATION, *_TRACE, *connectors,
      *(str(number) for number in range(100)),
  )))
