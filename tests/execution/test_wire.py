"""Messages arrive whole however the stream is cut; one that is too long is refused."""

import hypothesis
from hypothesis import strategies as st
import pytest

from next_jax.execution.judging import wire


@hypothesis.given(st.lists(st.binary(max_size=50)), st.lists(st.integers(1, 20), min_size=1))
def test_messages_arrive_whole_however_the_stream_is_cut(messages, cuts):
  stream = b"".join(map(wire.frame, messages))
  reader, received = wire.Reader(limit=100), []
  position = 0
  while position < len(stream):
    for cut in cuts:
      reader.feed(stream[position : position + cut])
      position += cut
      while (message := reader.take()) is not None:
        received.append(message)
  assert received == messages


def test_a_message_longer_than_agreed_is_refused_before_it_has_arrived():
  reader = wire.Reader(limit=100)
  reader.feed(wire.frame(b"x" * 101)[: wire.HEADER_BYTES])
  with pytest.raises(wire.MessageTooLong, match="101 bytes; at most 100 are accepted"):
    reader.take()
