"""Opens an open model: finds out what its files are."""

import re

from etils import epath

from next_jax import errors
from next_jax.models.open_weights import gguf_source
from next_jax.models.open_weights import hugging_face
from next_jax.models.open_weights import source as source_lib

_GGUF_MAGIC = b"GGUF"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def open_source(source: str, scratch: epath.Path) -> source_lib.Source:
  """Opens a directory of Hugging Face, a GGUF file, a directory of its parts, or `hf://ORG/NAME@REVISION`.

  Args:
    source: What to open.
    scratch: Directory for files that are needed only during the import.

  Raises:
    ModelError: There is no such model, or its files cannot be read.
  """
  if source.startswith("hf://"):
    return hugging_face.Directory(hugging_face.download(source))
  path = epath.Path(source)
  if path.is_file():
    if not _begins_a_gguf(path):
      raise errors.ModelError(
          f"{source}: expected a directory or a GGUF file, found a file that does not begin with"
          f" {_GGUF_MAGIC.decode()}"
      )
    return gguf_source.File(path)
  if not path.is_dir():
    raise errors.ModelError(
        f"{source}: no such file or directory; give a model's directory, a .gguf file or hf://ORG/NAME"
    )
  if (path / "config.json").exists():
    return hugging_face.Directory(path)
  parts = sorted((file for file in path.iterdir() if file.is_file()), key=_natural)
  if parts and _begins_a_gguf(parts[0]):
    return gguf_source.File(gguf_source.join(parts, scratch / "joined.gguf"))
  if any(next(iter(path.glob(pattern)), None) for pattern in _PICKLES):
    raise errors.ModelError(
        f"{source}: found pickled weights and no config.json; unpickling runs code, so they are not read. Convert them"
        " to safetensors"
    )
  raise errors.ModelError(
      f"{source}: expected config.json with safetensors, or the parts of a GGUF file (the first of which begins with"
      f" {_GGUF_MAGIC.decode()}), found {', '.join(sorted(file.name for file in path.iterdir())[:5]) or 'nothing'}"
  )


def _begins_a_gguf(path: epath.Path) -> bool:
  with path.open("rb") as file:
    return file.read(len(_GGUF_MAGIC)) == _GGUF_MAGIC


def _natural(path: epath.Path) -> list[tuple[int, int, str]]:
  """Sorts part2 before part10."""
  pieces = re.split(r"(\d+)", path.name)
  return [(1, int(piece), "") if piece.isdigit() else (0, 0, piece) for piece in pieces]
