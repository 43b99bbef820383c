"""The engine on Flax, Optax and Orbax."""
