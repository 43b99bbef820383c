"""`next-jax build --gin_file=PATH`: `next-jax run` under a name that suits config files that build corpora."""

from next_jax.commands import run

add_arguments = run.add_arguments
main = run.main
