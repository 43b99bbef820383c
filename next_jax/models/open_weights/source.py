"""Sources: where an open model comes from, in one form whatever its files are."""

from collections.abc import Collection, Mapping
import hashlib
from typing import Any, Protocol

from etils import epath
import numpy as np


class Source(Protocol):
  """An open model, with the names and shapes of Hugging Face."""

  @property
  def config(self) -> Mapping[str, Any]:
    """Its config.json."""
    ...

  @property
  def digests(self) -> Mapping[str, str]:
    """File -> sha256."""
    ...

  @property
  def texts(self) -> Mapping[str, str]:
    """Name -> content of the files that go with the weights.

    These are tokenizer.json and, where they exist, tokenizer_config.json, generation_config.json, chat_template.jinja.
    """
    ...

  def names(self) -> Collection[str]:
    """Names of the tensors."""
    ...

  def shape(self, name: str) -> tuple[int, ...]:
    """Shape of a tensor."""
    ...

  def read(self, name: str) -> np.ndarray:
    """A tensor: float32, float16 or bfloat16."""
    ...


def sha256(path: epath.Path) -> str:
  """Hash of a file, 64 hexadecimal digits."""
  sha = hashlib.sha256()
  with path.open("rb") as file:
    while block := file.read(1 << 20):
      sha.update(block)
  return sha.hexdigest()
