"""Vocabularies: SentencePiece models in which any Python text encodes and decodes exactly.

The shipped vocabulary, `minirepair`, was trained by `gin_configs/runs/vocabulary_minirepair.gin`. It
works like a lexer, because a network of a million parameters has to copy names and numbers:

* an integer from 0 to 99 is one token, and so is a line break with its indentation;
* operators, keywords and the connecting words of our rationales carry their spaces, so that a name
  is the same token everywhere;
* the rest are byte-pair merges inside words, and bytes for everything never seen.

SentencePiece escapes spaces to U+2581 by default. Here it does not, because a U+2581 in a program's
string would come back as a space.
"""

import functools
import importlib.resources

import seqio

SHIPPED = "minirepair.model"


@functools.lru_cache
def minirepair_vocabulary() -> seqio.SentencePieceVocabulary:
  """The vocabulary of the shipped base model."""
  return seqio.SentencePieceVocabulary(str(importlib.resources.files("next_jax.models") / "shipped" / SHIPPED))
