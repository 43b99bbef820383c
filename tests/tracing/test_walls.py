"""The two rooms inside `tracing` stand side by side: what both need lies at the top of `tracing`."""

import ast
import pathlib

import pytest

from next_jax import tracing

_ROOM = pathlib.Path(tracing.__file__).parent


def _imports(path: pathlib.Path) -> set[str]:
  """Modules that a file imports, also inside functions, as dotted names."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
    if isinstance(node, ast.Import):
      found.update(alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      found.update(f"{node.module}.{alias.name}" for alias in node.names)
  return found


@pytest.mark.parametrize(("folder", "others"), [
    ("recording", ["annotation"]),
    ("annotation", ["recording"]),
    (".", ["annotation", "recording"]),
])
def test_it_imports_neither_its_neighbour_nor_what_stands_on_it(folder, others):
  files = sorted((_ROOM / folder).glob("*.py"))
  assert len(files) > 2
  for file in files:
    for other in others:
      assert not [name for name in _imports(file) if name.startswith(f"next_jax.tracing.{other}")], file
