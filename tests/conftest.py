"""What all tests share."""

import pathlib

import pytest


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
  """The folder of real benchmark files, or a skip where it is not there."""
  path = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
  if not path.is_dir():
    pytest.skip(f"the real benchmark files are not at {path}")
  return path
