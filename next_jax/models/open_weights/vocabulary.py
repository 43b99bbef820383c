"""A SeqIO vocabulary over a `tokenizer.json`, as open models come with.

Special tokens are special only where somebody puts them: in `<|im_end|>` inside a program or a test the vocabulary
sees text. `prompts.special_tokens` marks them for `encode`; chat templates do so.
"""

from collections.abc import Sequence
import functools
import json
import os
from typing import Any

from etils import epath
import numpy as np
import seqio
import tensorflow as tf
import tokenizers

from next_jax import errors
from next_jax.prompts import special_tokens

_SPACE = "\u2581"  # SentencePiece's sign for a space
# Normalizers that make another text of a text; the others only replace spaces, which decoding undoes.
_INEXACT = ("NFC", "NFD", "NFKC", "NFKD", "Prepend", "Strip")


class HuggingFaceVocabulary(seqio.Vocabulary):
  """A tokenizer of Hugging Face's `tokenizers`: byte-level BPE, or SentencePiece's BPE with byte fallback.

  Any text without NUL encodes and decodes exactly. To that end two things are left out. Qwen's normalizer to NFC would
  change identifiers and strings of a program; on text in NFC, as nearly all is, it changes nothing. The space that
  Llama 2 and Mistral put before a text would be taken from the completions, which begin in the middle of a line.

  `vocab_size` counts the tokenizer's tokens; a network may have more rows, which never occur.
  """

  def __init__(self, directory: epath.PathLike, eos: str, extra_ids: int = 0):
    """Makes a vocabulary.

    Args:
      directory: Directory with `tokenizer.json`.
      eos: Token that ends a completion, such as "<|im_end|>".
      extra_ids: Number of ids after the tokenizer's.

    Raises:
      ModelError: There is no tokenizer, it cannot be read, or it has no such token.
    """
    super().__init__(extra_ids=extra_ids)
    self.directory = os.fspath(directory)
    self.eos = eos
    self._eos_id = self.id_of(eos)

  def __reduce__(self):
    return type(self), (self.directory, self.eos, self.extra_ids)

  def __eq__(self, other: object) -> bool:
    return isinstance(other, HuggingFaceVocabulary) and self.__reduce__() == other.__reduce__()

  def __hash__(self) -> int:
    return hash(self.__reduce__())

  def id_of(self, token: str) -> int:
    """The id of a token; raises ModelError if there is none."""
    found = self.tokenizer.token_to_id(token)
    if found is None:
      raise errors.ModelError(f"{self.directory}/tokenizer.json: found no token {token!r}")
    return found

  @functools.cached_property
  def tokenizer(self) -> tokenizers.Tokenizer:
    """The tokenizer, which takes special tokens for text."""
    path = epath.Path(self.directory) / "tokenizer.json"
    try:
      description = json.loads(path.read_text())
      _make_exact(description)
      description.update(truncation=None, padding=None)
      tokenizer = tokenizers.Tokenizer.from_str(json.dumps(description))
    except FileNotFoundError:
      raise errors.ModelError(f"{os.fspath(path)}: no such file; import the model again") from None
    except Exception as error:  # `tokenizers` raises Exception itself
      raise errors.ModelError(f"{os.fspath(path)}: not a tokenizer ({error}); import the model again") from None
    tokenizer.encode_special_tokens = True
    return tokenizer

  @property
  def bos_id(self) -> None:
    """None: the network puts its own token before the first one (`TransformerConfig.start_id`)."""
    return None

  @property
  def eos_id(self) -> int:
    return self._eos_id

  @property
  def unk_id(self) -> None:
    return None

  @functools.cached_property
  def _base_vocab_size(self) -> int:
    return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

  @functools.cached_property
  def _special_ids(self) -> dict[str, int]:
    return {token.content: id for id, token in self.tokenizer.get_added_tokens_decoder().items() if token.special}

  @functools.cached_property
  def _special(self) -> special_tokens.SpecialTokens:
    return special_tokens.SpecialTokens(tuple(self._special_ids))

  @functools.cached_property
  def _space_ids(self) -> list[int] | None:
    """The bytes of SentencePiece's sign for a space, where decoding would make a space of it; else None."""
    if self._decode(self._encode_text(_SPACE)) == _SPACE:
      return None
    ids = [self.tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in _SPACE.encode()]
    return [id for id in ids if id is not None] if None not in ids else None

  def _encode(self, s: str) -> Sequence[int]:
    ids: list[int] = []
    for number, piece in enumerate(self._special.split(s)):
      if number % 2:
        ids.append(self._special_ids[piece])
      elif piece:
        ids += self._encode_exactly(piece)
    return ids

  def _encode_exactly(self, text: str) -> list[int]:
    if _SPACE not in text or self._space_ids is None:
      return self._encode_text(text)
    ids: list[int] = []
    for number, piece in enumerate(text.split(_SPACE)):
      ids += self._space_ids if number else []
      ids += self._encode_text(piece) if piece else []
    return ids

  def _encode_text(self, text: str) -> list[int]:
    return self.tokenizer.encode(text, add_special_tokens=False).ids

  def _decode(self, ids: Sequence[int]) -> str:
    return self.tokenizer.decode([int(id) for id in ids], skip_special_tokens=False)

  def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
    def encode(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
      rows = [self._encode(text.decode("utf-8")) for text in texts]
      return np.array([id for row in rows for id in row], np.int32), np.array([len(row) for row in rows], np.int64)

    s = tf.convert_to_tensor(s)
    ids, lengths = tf.numpy_function(encode, [tf.reshape(s, [-1])], (tf.int32, tf.int64))
    ids, lengths = tf.ensure_shape(ids, [None]), tf.ensure_shape(lengths, [None])
    if s.shape.rank == 0:
      return ids
    return tf.RaggedTensor.from_row_lengths(ids, lengths)

  def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
    def decode(rows: np.ndarray) -> np.ndarray:
      flat = rows.reshape(-1, rows.shape[-1])
      return np.array([self.decode(row).encode("utf-8") for row in flat], object).reshape(rows.shape[:-1])

    texts = tf.numpy_function(decode, [ids], tf.string)
    return tf.ensure_shape(texts, ids.shape[:-1])


def _make_exact(description: dict[str, Any]) -> None:
  """Removes from a tokenizer's description what keeps a text from coming back as it was."""
  for key, plural in (("normalizer", "normalizers"), ("decoder", "decoders")):
    part = description.get(key)
    if part:
      kept = [one for one in part.get(plural, [part]) if one["type"] not in _INEXACT]
      description[key] = {"type": "Sequence", plural: kept} if kept else None
  for key in ("pre_tokenizer", "decoder"):
    part = description.get(key) or {}
    for one in [part, *part.get("pretokenizers", []), *part.get("decoders", [])]:
      if one.get("type") == "Metaspace":
        one["prepend_scheme"] = "never"
