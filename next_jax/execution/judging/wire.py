"""Messages between processes: 4 bytes of length, then JSON.

JSON and nothing else, never pickle: a reply comes from a process that runs an untrusted program, so
reading it must not be able to run code.
"""

import struct

_LENGTH = struct.Struct(">I")
HEADER_BYTES = _LENGTH.size


class MessageTooLong(ValueError):
  """A message announces more bytes than the reader accepts."""


def frame(payload: bytes) -> bytes:
  """The payload with its length before it."""
  return _LENGTH.pack(len(payload)) + payload


class Reader:
  """Cuts a stream of bytes into messages of at most `limit` bytes."""

  def __init__(self, limit: int):
    self._limit = limit
    self._chunks = bytearray()

  def feed(self, data: bytes) -> None:
    self._chunks += data

  def take(self) -> bytes | None:
    """The next whole message, or None until more is fed. Raises MessageTooLong."""
    if len(self._chunks) < HEADER_BYTES:
      return None
    (length,) = _LENGTH.unpack_from(self._chunks)
    if length > self._limit:
      raise MessageTooLong(f"a message of {length} bytes; at most {self._limit} are accepted")
    if len(self._chunks) < HEADER_BYTES + length:
      return None
    payload = bytes(self._chunks[HEADER_BYTES : HEADER_BYTES + length])
    del self._chunks[: HEADER_BYTES + length]
    return payload
