"""Shortening: text that is too long keeps its beginning and its end, with `...` between them."""

ELLIPSIS = "..."


def cut(text: str, max_chars: int) -> str:
  """The text itself or, where it is too long, its beginning and its end, between items where there are some near."""
  if len(text) <= max_chars:
    return text
  room = max(max_chars - len(ELLIPSIS), 2)
  size = room // 3
  head, tail = text[: room - size], text[-size:] if size else ""
  head = head.split(ELLIPSIS, 1)[0]  # what was abridged before is abridged once
  tail = tail.rsplit(ELLIPSIS, 1)[-1]
  last, next_ = head.rfind(", "), tail.find(", ")
  if last > len(head) // 2 and 0 <= next_ < len(tail) // 2:
    head, tail = head[: last + 2], tail[next_:]
  return head + ELLIPSIS + tail
