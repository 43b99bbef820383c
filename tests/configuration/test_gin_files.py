"""The config files import what they bind, and nothing else."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted(path.relative_to(ROOT) for path in ROOT.glob("gin_configs/**/*.gin"))


def unused_imports(text: str) -> list[str]:
  """Names from `from ... import NAME` or `import ... as NAME` that no other line uses.

  A comment that shows how to bind something of a module is a use. A plain `import tasks.minirepair` is for its effect:
  it registers SeqIO tasks.
  """
  statement = re.compile(r"^(?:from (\S+) )?import (\S+)(?: as (\w+))?", re.MULTILINE)
  rest = statement.sub("", text)
  found = [(module, alias or name) for module, name, alias in statement.findall(text) if module or alias]
  names = [name for module, name in found if module != "__gin__"]
  return [name for name in names if not re.search(rf"(?<![\w.]){name}\.\w", rest)]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_config_file_uses_what_it_imports(path):
  assert unused_imports((ROOT / path).read_text()) == []


def test_an_unused_import_is_found():
  text = "from a import filters\nfrom a import loop as l\nimport tasks.x\nimport b as c\nfrom a import d\n"
  text += "# Or, with the filters. d.Other.y = 2\nl.Loop.x = 1\n"
  assert unused_imports(text) == ["filters", "c"]
