"""Vocabularies: SentencePiece models in which any Python text encodes and decodes exactly.

The shipped one, `minirepair`, was trained by `gin_configs/runs/vocabulary_minirepair.gin`. Its design
is that of a lexer, because a network of a million parameters has to copy names and numbers:

* an integer from 0 to 99 is one token, and so is a line break together with its indentation;
* operators, keywords and the connecting words of our rationales carry their spaces, so that a name
  is the same token wherever it stands;
* what is left are byte-pair merges inside words, and bytes for everything never seen.

Spaces are not escaped to U+2581, as SentencePiece does by default, because then a U+2581 in a
program's string would come back as a space.
"""

import functools
import importlib.resources

import seqio

SHIPPED = "minirepair.model"


@functools.lru_cache
def minirepair_vocabulary() -> seqio.SentencePieceVocabulary:
  """The vocabulary of the shipped base model."""
  return seqio.SentencePieceVocabulary(str(importlib.resources.files("next_jax.models") / "shipped" / SHIPPED))
