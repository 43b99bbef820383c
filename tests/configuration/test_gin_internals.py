"""Gin's private names stay in one module, and it puts a configuration back as it was."""

import ast
from collections.abc import Iterator
import pathlib

import pytest

from next_jax import main
from next_jax.configuration import parsing

ROOT = pathlib.Path(__file__).resolve().parents[2]
AT_HOME = "next_jax/configuration/gin_internals.py"


def private_names(source: str) -> Iterator[str]:
  """Private names of gin that a module uses or imports."""
  tree = ast.parse(source)
  of_gin = set()
  for node in ast.walk(tree):
    match node:
      case ast.Import():
        of_gin.update((alias.asname or "gin") for alias in node.names if alias.name.split(".")[0] == "gin")
      case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "gin":
        of_gin.update(alias.asname or alias.name for alias in node.names)
        yield from (alias.name for alias in node.names if alias.name.startswith("_"))
  for node in ast.walk(tree):
    if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
      if ast.unparse(node.value).split(".")[0] in of_gin:
        yield node.attr


def test_one_module_uses_the_private_names_of_gin():
  using = set()
  for folder in ("next_jax", "tasks", "tests", "benchmarks", "examples"):
    for path in (ROOT / folder).rglob("*.py"):
      if list(private_names(path.read_text())):
        using.add(str(path.relative_to(ROOT)))
  assert using == {AT_HOME}


@pytest.mark.parametrize(
    "source",
    [
        "import gin\ngin.config._CONFIG.clear()",
        "from gin import config as gin_config\ngin_config._IMPORTS",
        "def f():\n  from gin.config import _CONFIG",
        "import gin.config as c\nc._REGISTRY",
    ],
)
def test_a_private_name_is_found_however_it_is_reached(source):
  assert list(private_names(source))


def test_what_is_parsed_aside_leaves_no_trace():
  parsing.parse(["gin_configs/smoke.gin"], ["SEED=7"], main.run)
  parsing.construct(main.run)
  before = parsing.text(main.run)
  with parsing.aside():
    parsing.parse(["gin_configs/runs/vocabulary_minirepair.gin"], [], main.run)
    parsing.construct(main.run)
    assert parsing.text(main.run) != before
  assert parsing.text(main.run) == before and "SEED = 7" in before
