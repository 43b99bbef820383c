"""A vocabulary over tokenizers of Hugging Face gives every text back, in Python and in TensorFlow."""

import pickle
import unicodedata

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest
import seqio
import tensorflow as tf
import tokenizers
from tokenizers import models
from tokenizers import normalizers
from tokenizers import pre_tokenizers

from next_jax import errors
from next_jax.models.open_weights import gguf_tokenizer
from next_jax.models.open_weights import sentencepiece_tokenizer
from next_jax.models.open_weights import vocabulary
from next_jax.prompts import special_tokens

END = "<|im_end|>"
PROGRAM = "def f(x):\n\tif x  ==  'é▁':\n        return f'{x!r} 😀'  # <|im_end|>\r\n"


def byte_level() -> tokenizers.Tokenizer:
  """As Qwen's: bytes, a few merges, NFC."""
  made = tokenizers.Tokenizer(models.BPE(
      {**{token: id for id, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, "re": 256, "ret": 257},
      [("r", "e"), ("re", "t")],
  ))
  made.normalizer = normalizers.NFC()
  made.pre_tokenizer = gguf_tokenizer._PRE_TOKENIZERS["qwen2"]()
  made.decoder = tokenizers.decoders.ByteLevel()
  made.add_special_tokens(["<|endoftext|>", "<|im_start|>", END])
  return made


def sentencepiece() -> tokenizers.Tokenizer:
  """As Gemma's: pieces with scores, bytes for the rest, tokens for several spaces that GGUF writes as spaces."""
  plain = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
  letters = [chr(code) for code in range(33, 127)] + ["\u2581", "\n"]
  joined = ["re", "ret", "\u2581re", "\u2581ret", "de", "def", "(x"]
  own = ["  ", "    ", END]
  pieces = [*plain, *own, *letters, *joined]
  scores = [0.0] * len([*plain, *own, *letters]) + [-float(rank) for rank in range(1, len(joined) + 1)]
  made = sentencepiece_tokenizer.make(pieces, scores, own[:2])
  made.add_special_tokens(["<eos>", "<bos>", "<pad>", END])
  return made


def metaspace() -> tokenizers.Tokenizer:
  """As Llama 2's: a space is put before a text, and taken away from what is decoded."""
  made = sentencepiece()
  made.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
  made.decoder = tokenizers.decoders.Sequence([
      tokenizers.decoders.Replace("\u2581", " "), tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse(),
      tokenizers.decoders.Strip(content=" ", left=1),
  ])
  return made


@pytest.fixture(params=[byte_level, sentencepiece, metaspace], scope="module", name="words")
def fixture_words(request, tmp_path_factory) -> vocabulary.HuggingFaceVocabulary:
  directory = tmp_path_factory.mktemp(request.param.__name__)
  request.param().save(str(directory / "tokenizer.json"))
  return vocabulary.HuggingFaceVocabulary(directory, END)


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))) | st.lists(
    st.sampled_from(
        [" ", "  ", "    ", "\n", "\t", "return", "def", "\u2581", "e\u0301", END, "<0x41>", "<bos>", "(x", "1"]
    )
).map("".join)


@hypothesis.given(text=texts)
@hypothesis.example(text=PROGRAM)
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_comes_back_exactly(words, text):
  assert words.decode(words.encode(text)) == text


@hypothesis.given(texts=st.lists(texts, min_size=1, max_size=3))
@hypothesis.settings(
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None, max_examples=20
)
def test_tensorflow_gives_the_tokens_that_python_gives(words, texts):
  expected = [words.encode(text) for text in texts]
  batch = words.encode_tf(tf.constant([text.encode() for text in texts]))
  assert batch.to_list() == expected
  assert words.encode_tf(tf.constant(texts[0].encode())).numpy().tolist() == expected[0]
  if expected[0]:
    assert words.decode_tf(tf.constant([expected[0]])).numpy()[0].decode() == texts[0]


def test_a_special_token_is_special_only_where_it_is_marked(words):
  assert words.encode(special_tokens.marked(END)) == [words.eos_id]
  assert words.eos_id not in words.encode(f"x = '{END}'")
  ids = words.encode(f"a{special_tokens.marked(END)}b")
  assert ids == [*words.encode("a"), words.eos_id, *words.encode("b")]
  assert words.decode(ids) == f"a{END}"  # up to the end of the sequence, as SeqIO has it


def test_text_in_the_normal_form_has_the_tokens_that_the_tokenizer_gives(words):
  if words.tokenizer.normalizer is not None:
    return  # the space before a text is left out
  text = unicodedata.normalize("NFC", "def f(x):\n    return 'e\u0301'  # 12345")
  assert words.encode(text) == byte_level().encode(text, add_special_tokens=False).ids


def test_tokens_of_several_spaces_are_found_where_spaces_are(tmp_path):
  sentencepiece().save(str(tmp_path / "tokenizer.json"))
  words = vocabulary.HuggingFaceVocabulary(tmp_path, END)
  pieces = [words.tokenizer.id_to_token(id) for id in words.encode("      ret")]
  assert pieces == ["\u2581" * 4, "\u2581" * 2, "ret"]


def test_it_can_be_pickled_and_used_in_a_pipeline(words):
  copy = pickle.loads(pickle.dumps(words))
  assert copy == words and copy.encode(PROGRAM) == words.encode(PROGRAM)
  feature = {"inputs": seqio.Feature(copy, add_eos=True)}
  data = tf.data.Dataset.from_tensor_slices({"inputs": [PROGRAM, "x"]})
  data = seqio.preprocessors.append_eos(seqio.preprocessors.tokenize(data, feature), feature)
  rows = [row["inputs"] for row in data.as_numpy_iterator()]
  np.testing.assert_array_equal(rows[0], [*words.encode(PROGRAM), words.eos_id])
  np.testing.assert_array_equal(rows[1], [*words.encode("x"), words.eos_id])


def test_a_missing_tokenizer_and_an_unknown_end_are_named(tmp_path):
  with pytest.raises(errors.ModelError, match="tokenizer.json: no such file"):
    vocabulary.HuggingFaceVocabulary(tmp_path, END)
  byte_level().save(str(tmp_path / "tokenizer.json"))
  with pytest.raises(errors.ModelError, match="found no token '</s>'"):
    vocabulary.HuggingFaceVocabulary(tmp_path, "</s>")
  (tmp_path / "tokenizer.json").write_text("{")
  with pytest.raises(errors.ModelError, match="tokenizer.json: not a tokenizer"):
    vocabulary.HuggingFaceVocabulary(tmp_path, END)
