"""`next-jax compare EVALUATION [EVALUATION]`: pass@k by group, and whether the second is better than the first."""

import argparse
from collections.abc import Sequence

from next_jax import errors
from next_jax.evaluation import comparison
from next_jax.evaluation import groups
from next_jax.evaluation import results as results_lib


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
      "evaluations", nargs="+", metavar="EVALUATION",
      help="one or two directories of evaluations, such as runs/quickstart/base/evaluate/dev",
  )
  parser.add_argument("--k", type=int, nargs="+", default=[1], help="of pass@k, one or several (default: 1)")
  parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: %(default)s)")


def main(arguments: argparse.Namespace) -> int:
  if len(arguments.evaluations) > 2:
    raise errors.EvaluationError(f"expected one or two evaluations, found {len(arguments.evaluations)}")
  if min(arguments.k) < 1:
    raise errors.EvaluationError(f"--k: found {min(arguments.k)}, expected 1 or more")
  read = [results_lib.read(path) for path in arguments.evaluations]
  for place, k in enumerate(arguments.k):
    if place:
      print()
    _compare(read, k, arguments.seed)
  return 0


def _compare(read: Sequence[results_lib.Results], k: int, seed: int) -> None:
  width = max(len(results.name) for results in read)
  for results in read:
    estimate = comparison.overall(results, k, seed)
    print(f"{results.name:{width}}  pass@{k} {estimate}; {estimate.num_tasks} tasks x {results.num_samples} samples")
  if len(read) == 2:
    found = comparison.difference(read[0], read[1], k, seed)
    print(
        f"{'second - first':{width}}  pass@{k} {found.estimate}; paired over {found.estimate.num_tasks} tasks, p ="
        f" {found.p_value:.4f} (two-sided sign-flip permutation test)"
    )
  for group in groups.GROUPS:
    print(f"\npass@{k} by {group}")
    tables = [comparison.by_group(results, k, group, seed) for results in read]
    names = sorted({name for one in tables for name in one})
    for name in names:
      cells = [f"{one[name]!s:22} ({one[name].num_tasks:3} tasks)" if name in one else " " * 34 for one in tables]
      print(f"  {name:16}" + "  ".join(cells).rstrip())
