"""`next-jax run --gin_file=PATH`: runs what a config file binds to `main.run.program`, or resumes it."""

import argparse

from next_jax.commands import configured
from next_jax.commands import parser as parser_lib


def add_arguments(parser: parser_lib.Parser) -> None:
  configured.add_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
  """Raises UserError before anything is written where the configuration is wrong."""
  return configured.run(configured.construct(arguments.gin_file, arguments.bindings), arguments)
