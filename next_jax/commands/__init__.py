"""One file a command of `next-jax`."""
