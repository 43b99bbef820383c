"""The statistics of a corpus."""

import json

from next_jax import schema
from next_jax.corpora import lengths
from next_jax.corpora import statistics


class Words:
  """A vocabulary of words."""

  def encode(self, text):
    return text.split()


def _task(number, kind):
  return schema.RepairTask(
      task_id=f"c/{number}", split="dev", instruction="Double.", entry_point="f", buggy_code="def f(x):\n  return x\n",
      reference_code="def f(x):\n  return 2 * x\n", public_tests=("assert f(1) == 2",),
      hidden_tests=("assert f(0) == 0",), bug_kind=kind, bug_origin="mutant",
      trace=schema.Trace(
          call="f(1)", steps=(schema.Step(line=1, event="call", changes=(("x", "1"),)),), outcome="returned", detail="1"
      ),
  )


def _report():
  tasks = [_task(0, "constant"), _task(1, "operator"), _task(2, "operator")]
  found = statistics.of_split(
      tasks, ["wrong value", "endless", "wrong value"], ["the bug passes all tests"] * 4,
      lengths.PromptLengths(vocabulary=Words(), budgets=(5, 1000)),
  )
  return {
      "seed": 3, "aim": {"dev": 4}, "splits": {"dev": found},
      "contamination": [{"splits": ["dev", "train"], "repairs": 0, "problems": 12}],
  }


def test_counts_add_up():
  found = _report()["splits"]["dev"]
  assert (found["tasks"], found["problems"], found["public_tests"], found["hidden_tests"]) == (3, 1, 3, 3)
  assert found["bug_kinds"] == {"constant": 1, "operator": 2}
  assert found["shows"] == {"endless": 1, "wrong value": 2}
  assert found["dropped"] == {"the bug passes all tests": 4}
  assert found["trace_steps"]["max"] == 1


def test_without_a_vocabulary_there_are_no_lengths():
  assert "lengths" not in statistics.of_split([_task(0, "constant")], ["endless"], [])


def test_the_page_says_what_the_json_says(tmp_path):
  report = _report()
  statistics.write(tmp_path, "A corpus", report)
  assert json.loads((tmp_path / "statistics.json").read_text()) == report
  page = (tmp_path / "statistics.md").read_text()
  for line in (
      "# A corpus", "* seed: 3", "| dev | 4 | 3 | 3 (75.0 %) |", "| dev | 3 | 1 | 3 | 3 |", "| operator | 2 |",
      "| the bug passes all tests | 4 |", "| dev | 1000 | 3 (100.0 %) | 0 (0.0 %) | 0 (0.0 %) | 0 | 0 |",
      "| dev | train | 0 | 12 |",
  ):
    assert f"{line}\n" in page, line


def test_every_table_of_the_page_has_rows_as_wide_as_its_head(tmp_path):
  for table in statistics.page("A corpus", _report()).split("## ")[1:]:
    widths = {line.count("|") for line in table.split("\n") if line.startswith("|")}
    assert len(widths) == 1, table
