"""Labelled statements: the files are read, and the checker does as well on them as it did when it was measured."""

import collections
import pathlib

import pytest

from next_jax import errors
from next_jax.rationales import consistency
from next_jax.rationales import labelled

LABELLED = pathlib.Path(__file__).parent / "labelled"
PARTS = {name: labelled.read(LABELLED / f"{name}.txt") for name in ("tuning", "held_out", "held_out_2")}

# (precision, recall), measured by benchmarks/consistency.py and rounded down.
MEASURED = {
    ("tuning", "supported"): (0.99, 0.97), ("tuning", "contradicted"): (0.99, 0.97),
    ("held_out", "supported"): (0.89, 0.86), ("held_out", "contradicted"): (0.93, 0.81),
    ("held_out_2", "supported"): (0.96, 0.72), ("held_out_2", "contradicted"): (0.93, 0.77),
}


@pytest.mark.parametrize("part, status", MEASURED)
def test_precision_and_recall_are_not_less_than_measured(part, status):
  labels = PARTS[part]
  rates = labelled.rates(labels, labelled.judge(labels), status, num_resamples=0)
  assert rates.right / rates.said >= MEASURED[part, status][0]
  assert rates.right / rates.true >= MEASURED[part, status][1]


def test_there_are_enough_statements_of_every_status_about_enough_programs():
  labels = [label for part in PARTS.values() for label in part]
  assert len({label.text for label in labels}) > 300
  assert len({label.task.task_id for label in labels}) >= 12
  assert min(collections.Counter(label.status for label in labels).values()) > 40
  programs = [label.task.task_id for part in PARTS.values() for label in part]
  assert len(set(programs)) == sum(len({label.task.task_id for label in part}) for part in PARTS.values())
  held_out = [label for name, part in PARTS.items() if name != "tuning" for label in part]
  assert len(held_out) / len(labels) > 0.3


def test_a_statement_with_a_false_part_is_contradicted():
  one = PARTS["tuning"][0].task
  label = labelled.Label(task=one, text="At step (1) best=0 and out=[7].", kind="value", status="supported")
  assert labelled.judge([label]) == [consistency.CONTRADICTED]


def test_rates_count_what_is_said_and_what_is_true():
  one = PARTS["tuning"][0]
  true = ("supported", "supported", "supported", "contradicted")
  labels = [labelled.Label(task=one.task, text="", kind="value", status=status) for status in true]
  rates = labelled.rates(labels, ["supported", "supported", "unverifiable", "supported"], "supported")
  assert (rates.said, rates.true, rates.right) == (3, 3, 2)
  value, low, high = rates.precision
  assert value == pytest.approx(2 / 3)
  assert low <= value <= high
  assert labelled.rates(labels, ["unverifiable"] * 4, "supported").precision is None


@pytest.mark.parametrize("line", ["supported | value", "right | value | x is 1.", "supported | colour | x is 1."])
def test_a_line_that_is_no_label_is_named(tmp_path, line):
  path = tmp_path / "bad.txt"
  path.write_text(f"=== f\ndef f(x):\n    return x\n--- tests\nassert f(1) == 1\n--- statements\n{line}\n")
  with pytest.raises(errors.RationaleError, match="bad.txt, line 7"):
    labelled.read(path)
