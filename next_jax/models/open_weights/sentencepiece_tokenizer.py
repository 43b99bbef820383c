"""A SentencePiece BPE model with byte fallback, as a tokenizer of `tokenizers`."""

from collections.abc import Sequence
import os

from etils import epath
import sentencepiece
import tokenizers
from tokenizers import decoders
from tokenizers import models
from tokenizers import normalizers

from next_jax import errors

_SPACE = "\u2581"


def from_file(path: epath.Path) -> str:
  """tokenizer.json of a `tokenizer.model`; raises ModelError for a file that is none, or no BPE model."""
  try:
    processor = sentencepiece.SentencePieceProcessor(model_file=os.fspath(path))
  except Exception as error:  # of several classes, by what is damaged
    raise errors.ModelError(f"{path}: not a SentencePiece model ({error}); copy it again") from None
  ids = range(processor.vocab_size())
  if not any(processor.is_byte(id) for id in ids):
    raise errors.ModelError(f"{path}: has no tokens for bytes, so that not every program can be written; not supported")
  pieces = [processor.id_to_piece(id) for id in ids]
  plain = [processor.is_control(id) or processor.is_unknown(id) or processor.is_byte(id) for id in ids]
  # SentencePiece does not say which tokens are user-defined; their score is 0, which that of the first merge is too.
  own = [piece for id, piece in enumerate(pieces) if processor.get_score(id) == 0 and not plain[id] and len(piece) > 2]
  tokenizer = make(pieces, [processor.get_score(id) for id in ids], own)
  tokenizer.add_special_tokens([
      tokenizers.AddedToken(pieces[id], special=True, normalized=False)
      for id in ids
      if processor.is_control(id) or processor.is_unknown(id)
  ])
  return tokenizer.to_str()


def make(pieces: Sequence[str], scores: Sequence[float], user_defined: Sequence[str]) -> tokenizers.Tokenizer:
  """A tokenizer of these pieces.

  SentencePiece joins the two neighbours whose piece has the best score, `tokenizers` those that come first in a list of
  merges. So the list has, for every piece, all pairs that make it, in the order of scores.

  Args:
    pieces: The pieces by id, with U+2581 for spaces; GGUF has spaces in those that are user-defined.
    scores: Score of each piece.
    user_defined: Pieces that are cut out of a text before anything is joined.
  """
  own = {piece.replace(" ", _SPACE) for piece in user_defined}
  pieces = [_spaced(piece, user_defined) for piece in pieces]
  ids = {piece: id for id, piece in enumerate(pieces)}
  merges = []
  for id, piece in enumerate(pieces):
    pairs = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
    pairs = [pair for pair in pairs if pair[0] in ids and pair[1] in ids]
    merges += [(-scores[id], id, ids[left], ids[right], left, right) for left, right in pairs if piece not in own]
  merges.sort()
  model = models.BPE(
      ids, [(left, right) for *_, left, right in merges], unk_token=pieces[_unknown(pieces)], fuse_unk=True,
      byte_fallback=True,
  )
  tokenizer = tokenizers.Tokenizer(model)
  tokenizer.normalizer = normalizers.Replace(" ", _SPACE)
  tokenizer.decoder = decoders.Sequence(
      [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
  )
  # Matched after the spaces were replaced.
  tokenizer.add_tokens([tokenizers.AddedToken(piece, special=False, normalized=True) for piece in sorted(own)])
  return tokenizer


def _spaced(piece: str, user_defined: Sequence[str]) -> str:
  return piece.replace(" ", _SPACE)


def _unknown(pieces: Sequence[str]) -> int:
  return next((id for id, piece in enumerate(pieces) if piece == "<unk>"), 0)
