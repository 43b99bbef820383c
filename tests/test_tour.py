"""The notebook runs, and gives what it shows."""

import pathlib

import nbclient
import nbformat

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = ROOT / "docs/tour.ipynb"


def texts(cell: nbformat.NotebookNode) -> str:
  """What a cell printed; pictures are left out, as their bytes differ between versions of fonts."""
  return "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")


def test_the_tour_runs_and_gives_the_outputs_that_are_committed(monkeypatch):
  monkeypatch.setenv("PYTHONPATH", str(ROOT))
  committed = nbformat.read(PATH, as_version=4)
  executed = nbformat.read(PATH, as_version=4)
  nbclient.NotebookClient(executed, timeout=120, resources={"metadata": {"path": str(PATH.parent)}}).execute()
  for before, after in zip(committed.cells, executed.cells, strict=True):
    if before.cell_type == "code":
      assert texts(after) == texts(before), before.source
  shown = [output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", ())]
  assert sum("image/png" in data for data in shown) == 1
