"""Any text encodes and decodes exactly; names and numbers are copied token by token."""

import pathlib

from hypothesis import given
from hypothesis import strategies as st
import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
import tensorflow_text

from next_jax.models import vocabularies


@pytest.fixture(scope="module")
def vocabulary():
  return vocabularies.minirepair_vocabulary()


@given(st.text())
def test_any_text_comes_back(text):
  vocabulary = vocabularies.minirepair_vocabulary()
  assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.fixture(scope="module")
def unnormalised(vocabulary):
  proto = sentencepiece_model_pb2.ModelProto.FromString(vocabulary.sp_model)
  proto.normalizer_spec.ClearField("precompiled_charsmap")
  return sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())


@given(st.text() | st.text("a\U0010fffe\U0010ffff\U0010bfff\U000fffff\x00"))
def test_its_normalisation_changes_no_token(vocabulary, unnormalised, text):
  assert vocabulary.encode(text) == unnormalised.encode(text)


def test_tensorflow_writes_nothing_when_it_reads_it(vocabulary, capfd):
  tensorflow_text.SentencepieceTokenizer(vocabulary.sp_model).tokenize(["x"])
  assert "charsmap" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "\t if  x:\r\n", " leading and trailing  ", "a\u2581b", "'é漢🙂\u3000'", "<s></s><unk><pad><0x0A>", "x\x00y",
        "\n\n",
    ],
)
def test_awkward_text_comes_back(vocabulary, text):
  assert vocabulary.decode(vocabulary.encode(text)) == text


def test_own_source_comes_back_and_tensorflow_agrees(vocabulary):
  text = pathlib.Path(vocabularies.__file__).read_text()
  tokens = vocabulary.encode(text)
  assert vocabulary.decode(tokens) == text
  assert vocabulary.encode_tf(text).numpy().tolist() == tokens


def test_no_text_needs_the_unknown_token(vocabulary):
  assert vocabulary.unk_id not in vocabulary.encode("漢字 \u0000 \U0010ffff ▁")


def test_line_break_with_indentation_is_one_token(vocabulary):
  assert len(vocabulary.encode("\n        ")) == 1


@pytest.mark.parametrize("number", [0, 7, 10, 99])
def test_small_integer_is_one_token_wherever_it_stands(vocabulary, number):
  (token,) = vocabulary.encode(str(number))
  for text in (f"f({number}) == {number}", f"x = {number}\n", f"# ({number}) n={number}; m=[{number}, {number}]"):
    assert vocabulary.encode(text).count(token) == text.count(str(number))


@pytest.mark.parametrize("name", ["total", "nums", "result"])
def test_name_is_the_same_tokens_wherever_it_stands(vocabulary, name):
  tokens = vocabulary.encode(name)
  texts = (
      f"{name} = 1", f"return {name}", f"f({name}) == 3", f"    for x in {name}:",
      f"  # (3) {name}=[1]; (4) {name}=[2]",
  )
  for text in texts:
    encoded = vocabulary.encode(text)
    assert any(encoded[start : start + len(tokens)] == tokens for start in range(len(encoded))), text


def test_special_tokens_are_where_seqio_and_t5x_expect_them(vocabulary):
  assert (vocabulary.pad_id, vocabulary.eos_id, vocabulary.unk_id) == (0, 1, 2)
