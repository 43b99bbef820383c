"""What the tests of the scripts share."""

import signal

import pytest


@pytest.fixture(autouse=True, scope="session")
def interrupts():
  """A job that a script has started in the background ignores Ctrl-C, and so would all that it starts."""
  old = signal.signal(signal.SIGINT, signal.default_int_handler)
  yield
  signal.signal(signal.SIGINT, old)
