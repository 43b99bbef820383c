"""One word, one thing: modules, classes and errors have one name each, and no file holds too much."""

import ast
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for folder in ("next_jax", "tasks", "benchmarks", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
LIBRARY = {name: text for name, text in SOURCES.items() if name.startswith(("next_jax/", "tasks/"))}
# A corpus and its TFDS builder, whose class name is the dataset's; the trainers of the two engines; the record and the
# Beam transform that gives it, named by its verb as Beam's are.
TWINS = {"HefixPlus", "MbppR", "Trace", "Trainer"}
LONGEST = 400  # lines


def test_a_module_is_imported_by_its_own_name_or_with_lib_where_a_variable_has_that():
  aliases = {
      f"{name}: {alias.name} as {alias.asname}"
      for name, text in SOURCES.items()
      for node in ast.walk(ast.parse(text))
      if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("next_jax")
      for alias in node.names
      if alias.asname not in (None, f"{alias.name}_lib")
  }
  assert aliases == set()


def test_a_class_name_stands_for_one_class():
  places = collections.defaultdict(list)
  for name, text in LIBRARY.items():
    for node in ast.walk(ast.parse(text)):
      if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
        places[node.name].append(name)
  assert {name: where for name, where in places.items() if len(where) > 1 and name not in TWINS} == {}


def test_an_error_of_its_own_is_caught_by_name_somewhere():
  own = {
      match
      for name, text in LIBRARY.items() if name != "next_jax/errors.py"
      for match in re.findall(r"^class (\w+)\(.*\berrors\.\w*Error\b.*\):", text, re.MULTILINE)
  }
  caught = "\n".join(re.findall(r"(?:except|suppress\().*", "\n".join(SOURCES.values())))
  # Whatever reads files and records can raise the ground floor's own; importers of T5X's engine see an ImportError.
  others = {"FileError", "RecordError", "T5XMissingError"}
  assert {name for name in own if not re.search(rf"\b{name}\b", caught)} <= others


def test_no_module_is_longer_than_a_reader_can_hold():
  assert {name: text.count("\n") for name, text in LIBRARY.items() if text.count("\n") > LONGEST} == {}


def test_no_room_is_a_box_of_odds_and_ends():
  assert [name for name in SOURCES if re.search(r"(^|/)(utils?|helpers?|common|misc|base)(\.py|/)", name)] == []
