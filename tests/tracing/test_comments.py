"""The grammar of a comment: what is written is what is read, whatever the values are."""

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax.tracing.annotation import comments

_ON_A_BUSY_MACHINE = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
_TEXT = st.text() | st.lists(
    st.sampled_from(["; ", ";", "(3) ", "...", "return ", "raise ", "x=", "=1", "# ", "#", " ", "\\x3b", "\\", "x23",
                     "x5c", "'", "-", "a", "\n", "# (1) x=1", "# ...; (2) ", "# ..."])
).map("".join)
_VALUE = _TEXT.map(comments.one_line)
_STATE = st.builds(
    lambda changes, verb, value: comments.WrittenState(
        number=0, changes=tuple(changes), verb=verb, value=verb and value
    ),
    st.lists(st.tuples(st.sampled_from(["x", "größe", "_1", "℘", "returned"]), _VALUE), max_size=3),
    st.sampled_from([None, "return", "yield", "raise"]),
    _VALUE,
)


def test_a_comment_is_read_back():
  assert comments.parse("...; (2) n=1; m='a'; ...; (8) n=4; return [1, 2]; ...") == comments.Comment(
      states=(
          comments.WrittenState(number=2, changes=(("n", "1"), ("m", "'a'"))),
          comments.WrittenState(number=8, changes=(("n", "4"),), verb="return", value="[1, 2]"),
      ),
      gaps=frozenset({0, 1, 2}),
  )


def test_a_state_may_be_its_number_or_say_that_nothing_changed():
  assert comments.parse("(2) ...; (3) -") == comments.Comment(
      states=(comments.WrittenState(number=2), comments.WrittenState(number=3)), gaps=frozenset({1})
  )


@pytest.mark.parametrize("text", [
    "", "...", "of course", "(1) of course", "(1)", "(1) ", "(1) x", "(1) x=", "(1) return", "(1) return ", "(01) x=1",
    "(2) x=1; (1) x=2", "(1) x=1; (1) y=2", "(1) return 1; x=2", "(1) return 1; yield 2", "(1) -; x=1", "(1) ...; x=1",
    "x=1; (1) y=2", "(1)  x=1", "( 1) x=1", "(1234567890) x=1", "(1) 1x=1", "(1) x = 1", "(١) x=1",
])
def test_other_comments_are_not_ours(text):
  assert comments.parse(text) is None


@pytest.mark.parametrize("value, written", [
    ("'a; b'", "'a; b'"),
    ("'a; b=1'", "'a\\x3b b=1'"),
    ("'; (3) '", "'\\x3b (3) '"),
    ("'# (3) x'", "'\\x23 (3) x'"),
    ("'# no'", "'# no'"),
    ("# ...", "\\x23 ..."),
    ("ValueError: \\x3b", "ValueError: \\x5cx3b"),
])
def test_what_a_value_may_not_hold_is_escaped_as_in_a_string_literal(value, written):
  assert comments.write_state(1, [("x", value)], None, None) == f"(1) x={written}"


@_ON_A_BUSY_MACHINE
@hypothesis.given(st.lists(st.tuples(st.integers(0, 99), _STATE, st.booleans()), min_size=1, max_size=4), st.booleans())
def test_every_comment_parses_back_to_what_was_written(drawn, ends_in_gap):
  parts, states, gaps, number = [], [], set(), -1
  for step, state, has_gap in drawn:
    number += 1 + step
    if has_gap:
      gaps.add(len(states))
      parts.append("...")
    states.append(comments.WrittenState(number=number, changes=state.changes, verb=state.verb, value=state.value))
    parts.append(comments.write_state(number, state.changes, state.verb, state.value))
  if ends_in_gap:
    gaps.add(len(states))
    parts.append("...")
  text = comments.BETWEEN.join(parts)
  assert comments.parse(text) == comments.Comment(states=tuple(states), gaps=frozenset(gaps))
  starts = [match.start() for match in comments.START.finditer("# " + text)]
  assert starts == [0]  # no value looks like the beginning of another comment


@_ON_A_BUSY_MACHINE
@hypothesis.given(_TEXT)
def test_values_are_one_line_and_not_blank(text):
  value = comments.one_line(text)
  assert value and value.isprintable() and value == value.strip(" ")


@_ON_A_BUSY_MACHINE
@hypothesis.given(_TEXT | st.builds("(1) {}".format, _TEXT))
def test_no_text_can_make_the_parser_raise(text):
  comments.parse(text)
