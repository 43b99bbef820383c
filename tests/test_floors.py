"""The house has floors: an import goes down or stays in its room, and neither modules nor rooms import in a circle."""

import ast
from collections.abc import Iterator
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLOORS = (
    ("errors", "schema", "files", "pass_at_k", "configuration"),
    ("tracing",),
    ("execution",),
    ("prompts",),
    ("corpora",),
    ("models", "tasks"),
    ("engines",),
    ("evaluation",),
    ("pages",),
    ("rationales",),
    ("stages",),
    ("selftrain",),
    ("sweep",),
    ("report",),
    ("commands",),
    ("main",),
)
# Walls inside a room: what stands on the left imports nothing of what stands on the right.
WALLS = {
    "tracing.recording": ("tracing.annotation",),
    "tracing.annotation": ("tracing.recording",),
    "execution.confinement": (
        "execution.judging", "execution.benchmarks", "execution.pool", "execution.executor", "execution.beam",
    ),
    "execution.judging": ("execution.benchmarks", "execution.pool", "execution.executor", "execution.beam"),
    "engines.native": ("engines.t5x",),
    "engines.t5x": ("engines.native",),
    "rationales.claims": ("rationales.raters", "rationales.consistency"),
    "rationales.raters": ("rationales.claims",),
    "selftrain.verbs": ("selftrain.loop", "selftrain.controls", "selftrain.pretrain", "selftrain.proxy"),
}
ALONE = {"gin": "next_jax.configuration", "t5x": "next_jax.engines.t5x"}  # who may import it


def names_of_imports(source: str) -> Iterator[str]:
  """Names of all that is imported, also inside of functions, for types only, and by `import_module`."""
  for node in ast.walk(ast.parse(source)):
    match node:
      case ast.Import():
        yield from (alias.name for alias in node.names)
      case ast.ImportFrom():
        yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
      case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name))]):
        yield name


def read_house(root: pathlib.Path) -> dict[str, set[str]]:
  """Module -> names of all that it imports."""
  paths = [path for folder in ("next_jax", "tasks") for path in (root / folder).rglob("*.py")]
  names = {path: ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths}
  return {name: set(names_of_imports(path.read_text())) for path, name in names.items()}


HOUSE = read_house(ROOT)


def room(module: str) -> str:
  """"engines" for "next_jax.engines.native.sampler"."""
  return module.removeprefix("next_jax.").split(".")[0]


def imported(house: dict[str, set[str]], module: str) -> set[str]:
  """Modules of the house that a module imports, but for the packages that it is in itself."""
  return {name for name in house[module] if name in house and not f"{module}.".startswith(f"{name}.")}


def circle(graph: dict[str, set[str]]) -> list[str]:
  """Names that lead to one another in turn; none where there is no circle."""
  try:
    graphlib.TopologicalSorter(graph).prepare()
  except graphlib.CycleError as error:
    return error.args[1]
  return []


def modules(house: dict[str, set[str]]) -> dict[str, set[str]]:
  """Module -> modules that it imports."""
  return {module: imported(house, module) for module in house}


def rooms(house: dict[str, set[str]]) -> dict[str, set[str]]:
  """Room -> other rooms that it imports."""
  graph: dict[str, set[str]] = {}
  for module in house:
    graph.setdefault(room(module), set()).update(room(name) for name in imported(house, module))
  return {name: others - {name} for name, others in graph.items()}


def climbing(house: dict[str, set[str]]) -> list[str]:
  """All imports that go up."""
  height = {name: floor for floor, names in enumerate(FLOORS) for name in names}
  return [
      f"{module} imports {name}"
      for module in house if module != "next_jax"
      for name in imported(house, module) if height[room(name)] > height[room(module)]
  ]


def test_modules_do_not_import_in_a_circle():
  assert circle(modules(HOUSE)) == []


def test_rooms_do_not_import_in_a_circle_not_even_on_one_floor():
  assert circle(rooms(HOUSE)) == []


def test_imports_never_go_up():
  assert climbing(HOUSE) == []


@pytest.mark.parametrize("here, others", WALLS.items())
def test_a_wall_inside_a_room_is_not_crossed(here, others):
  inside = [module for module in HOUSE if f"{module}.".startswith(f"next_jax.{here}.")]
  crossed = [
      f"{module} imports {name}"
      for module in inside
      for name in imported(HOUSE, module)
      if any(f"{name}.".startswith(f"next_jax.{other}.") for other in others)
  ]
  assert inside and crossed == []


@pytest.mark.parametrize("package, at_home", ALONE.items())
def test_what_only_one_room_knows_is_imported_there_only(package, at_home):
  importing = {module for module, names in HOUSE.items() if package in {name.split(".")[0] for name in names}}
  assert importing and {module for module in importing if not f"{module}.".startswith(f"{at_home}.")} == set()


@pytest.mark.parametrize(
    "source",
    [
        "from next_jax.selftrain import loop",
        "def run():\n  from next_jax.selftrain import loop",
        "import typing\nif typing.TYPE_CHECKING:\n  import next_jax.selftrain.loop",
        "import importlib\nimportlib.import_module('next_jax.selftrain.loop')",
    ],
)
def test_a_hidden_import_is_seen(source):
  lower = "next_jax.engines.engine"
  house = {**HOUSE, lower: set(names_of_imports(source))}
  assert f"{lower} imports next_jax.selftrain.loop" in climbing(house)
  assert {lower, "next_jax.selftrain.loop"} <= set(circle(modules(house)))
  assert {"engines", "selftrain"} <= set(circle(rooms(house)))


def test_two_rooms_of_one_floor_that_import_each_other_are_seen():
  house = {"next_jax.a.one": {"next_jax.b.one"}, "next_jax.b.one": set(), "next_jax.b.two": {"next_jax.a.one"}}
  assert circle(modules(house)) == [] and set(circle(rooms(house))) == {"a", "b"}
