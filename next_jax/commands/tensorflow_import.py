"""Imports TensorFlow without its greetings."""

import os
import sys
import tempfile


def quietly() -> None:
  """Imports TensorFlow. Its start-up messages, which no setting turns off (2.21), are shown only if it fails."""
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  sys.stderr.flush()
  with tempfile.TemporaryFile() as kept:
    stderr = os.dup(2)
    os.dup2(kept.fileno(), 2)
    failed = True
    try:
      import tensorflow  # noqa: F401  # for its effect

      failed = False
    finally:
      os.dup2(stderr, 2)
      os.close(stderr)
      if failed:
        kept.seek(0)
        sys.stderr.write(kept.read().decode("utf-8", "replace"))
