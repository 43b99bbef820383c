"""Run by test_pod.py: one process of a run of the small loop.

`python pod_process.py WORKDIR ADDRESS COUNT INDEX [--base CHECKPOINT]`.
"""

import argparse
import dataclasses
import pathlib
import sys

import conftest

from next_jax import errors
from next_jax.stages import pod


def main(argv) -> int:
  parser = argparse.ArgumentParser()
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("address")
  parser.add_argument("count", type=int)
  parser.add_argument("index", type=int)
  parser.add_argument("--base", help="in place of the small loop's base checkpoint")
  arguments = parser.parse_args(argv)
  try:
    with pod.joined(
        coordinator_address=arguments.address, num_processes=arguments.count, process_id=arguments.index
    ):
      loop = conftest.make_small_loop(arguments.workdir)
      if arguments.base is not None:
        loop = dataclasses.replace(loop, base_checkpoint=arguments.base)
      loop.run()
  except errors.UserError as error:
    print(f"failed: {error}", flush=True)
    return 1
  return 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
