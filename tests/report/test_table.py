"""Tests of the table for the terminal."""

from next_jax.evaluation import intervals
from next_jax.report import table
from next_jax.report import workdir as workdir_lib


def test_every_number_stands_with_interval_tasks_samples_and_seed(finished_run):
  lines = table.text(table.rows(workdir_lib.read(finished_run).evaluations)).split("\n")
  assert lines[0].split() == ["model", "corpus", "split", "input", "tasks", "samples", "seed", "pass@1", "pass@8"]
  best = workdir_lib.read(finished_run).best_evaluation.pass_at[1]
  (line,) = [line for line in lines if line.startswith("NExT 3") and " dev " in line and "no trace" not in line]
  assert f"{best.value:.3f} [{best.low:.3f}, {best.high:.3f}]" in line
  assert line.split()[5:8] == ["40", "8", "1"]


def test_columns_are_aligned(finished_run):
  lines = table.text(table.rows(workdir_lib.read(finished_run).evaluations)).split("\n")
  start = lines[0].index("pass@1")
  assert all(line[start - 2 : start] in ("  ", "--") or line[start - 2] == " " for line in lines)
  assert all(line[start] in "0123456789p-" for line in lines)


def test_rows_are_grouped_by_set_of_tasks(finished_run):
  splits = [row.split for row in table.rows(workdir_lib.read(finished_run).evaluations)]
  assert splits == sorted(splits)  # "dev" before "unseen", neither torn apart


def test_an_estimate_that_a_row_lacks_is_blank():
  def row(pass_at):
    return table.Row(
        model="base", corpus="c", split="dev", input="trace", num_tasks=3, num_samples=2, seed=0, pass_at=pass_at
    )

  estimate = intervals.Estimate(value=0.5, low=0.25, high=0.75)
  lines = table.text([row({1: estimate}), row({1: estimate, 2: estimate})]).split("\n")
  assert lines[2].count("[") == 1
  assert lines[3].count("[") == 2


def test_without_rows_the_table_says_so():
  assert table.text([]) == "no evaluation is finished yet"
